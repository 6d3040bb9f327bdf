/** The options of `createEngine({ storage })`: how what is stored is written, and how long it stays. */

import { z } from 'zod';
import { LIMITS } from '../domain/limits.ts';
import { DEFAULT_RETENTION } from '../domain/retention.ts';
import { milliseconds } from './source-options.ts';

const bytes = z.number().int().min(1);

const classRetention = (defaults: { ageMsMax: number | null; bytesMax: number | null }) =>
  z
    .strictObject({
      /** Rows older than this go, milliseconds; null: age does not matter. */
      ageMsMax: milliseconds(1).nullable().default(defaults.ageMsMax),
      /** The oldest rows go when the class takes more than this, about; null: size does not matter. */
      bytesMax: bytes.nullable().default(defaults.bytesMax),
    })
    .prefault({});

const retentionSchema = z.strictObject({
  records: classRetention(DEFAULT_RETENTION.records),
  deadLetters: classRetention(DEFAULT_RETENTION.deadLetters),
  health: classRetention(DEFAULT_RETENTION.health),
  /** Null: the timeline is kept for ever. Otherwise its rows are written to NDJSON files in `archiveFolder`
   *  before they go. */
  timeline: z
    .strictObject({ ageMsMax: milliseconds(1), archiveFolder: z.string().min(1) })
    .nullable()
    .default(DEFAULT_RETENTION.timeline),
  /** The database file, free pages left out of account; null: no bound but the disk. */
  fileBytesMax: bytes
    .min(1024 * 1024)
    .nullable()
    .default(DEFAULT_RETENTION.fileBytesMax),
  /** What becomes of records whose time has come and that a sink has not delivered. */
  undelivered: z.enum(['keep', 'delete']).default(DEFAULT_RETENTION.undelivered),
});

const storage = z.strictObject({
  /** Whether the database is written in a thread of its own. Default: yes for a file on the real clock. Not
   *  with a clock of the user's. */
  worker: z.boolean().optional(),
  /** How records are gathered into transactions. */
  commit: z
    .strictObject({
      rowsMax: z.number().int().min(1).max(LIMITS.recorderPendingRecordsMax).default(LIMITS.commitRowsMax),
      bytesMax: bytes.max(LIMITS.recorderPendingBytesMax).default(LIMITS.commitBytesMax),
      /** The least time from one transaction with records to the next, milliseconds: the longest that they
       *  wait for company. */
      ageMs: milliseconds().max(10_000).default(LIMITS.commitAgeMs),
    })
    .prefault({}),
  retention: retentionSchema.prefault({}),
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
