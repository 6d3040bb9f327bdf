/** The options of `createEngine({ storage })`: how what is stored is written, and how long it stays. */

import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import { DEFAULT_RETENTION } from '../domain/retention.ts';
import { milliseconds } from './source-options.ts';

const bytes = z.number().int().min(1);

const classRetention = (defaults: { ageMsMax: number | null; bytesMax: number | null }) =>
  z
    .strictObject({
      ageMsMax: milliseconds(1)
        .nullable()
        .default(defaults.ageMsMax)
        .describe('Rows older than this go; null: age does not matter.'),
      bytesMax: bytes
        .nullable()
        .default(defaults.bytesMax)
        .describe(
          'The oldest rows go when all of them take more than this, about; null: size does not matter.',
        ),
    })
    .prefault({});

const retentionSchema = z.strictObject({
  records: classRetention(DEFAULT_RETENTION.records).describe('Records.'),
  deadLetters: classRetention(DEFAULT_RETENTION.deadLetters).describe(
    'Records that could not be taken or stored, kept to be looked at.',
  ),
  health: classRetention(DEFAULT_RETENTION.health).describe('Samples of how sources are.'),
  timeline: z
    .strictObject({
      ageMsMax: milliseconds(1).describe('Rows older than this go.'),
      archiveFolder: z.string().min(1).describe('The folder they are written to before, as NDJSON.'),
    })
    .nullable()
    .default(DEFAULT_RETENTION.timeline)
    .describe('What happened. Null: kept for ever. Otherwise rows are written to files before they go.'),
  fileBytesMax: bytes
    .min(1024 * 1024)
    .nullable()
    .default(DEFAULT_RETENTION.fileBytesMax)
    .describe('Bytes of the database file, free pages left out of account; null: no bound but the disk.'),
  undelivered: z
    .enum(['keep', 'delete'])
    .default(DEFAULT_RETENTION.undelivered)
    .describe('What becomes of records whose time has come and that a sink has not delivered.'),
});

const storage = z.strictObject({
  worker: z
    .boolean()
    .optional()
    .describe(
      'Whether the database is written in a thread of its own. Default: yes for a file on ' +
        'the real clock. Not with a clock of the user’s.',
    ),
  commit: z
    .strictObject({
      rowsMax: z
        .number()
        .int()
        .min(1)
        .max(LIMITS.recorderPendingRecordsMax)
        .default(LIMITS.commitRowsMax)
        .describe('Records of one transaction at most.'),
      bytesMax: bytes
        .max(LIMITS.recorderPendingBytesMax)
        .default(LIMITS.commitBytesMax)
        .describe('Bytes of them at most.'),
      ageMs: milliseconds()
        .max(10_000)
        .default(LIMITS.commitAgeMs)
        .describe(
          'The least time from one transaction with records to the next: the longest that they ' +
            'wait for company.',
        ),
    })
    .prefault({})
    .describe('How records are gathered into transactions.'),
  retention: retentionSchema.prefault({}).describe('How long what is stored stays.'),
});

/** Transactions that the file must have room for: else one alone could be more than retention can make
 *  room for. */
const FILE_COMMITS_MIN = 4;

export const storageSchema = storage.refine(
  ({ commit, retention }) =>
    retention.fileBytesMax === null || retention.fileBytesMax >= FILE_COMMITS_MIN * commit.bytesMax,
  {
    path: ['retention', 'fileBytesMax'],
    message: `must be at least ${FILE_COMMITS_MIN} times commit.bytesMax; raise it, or lower that`,
  },
);
