/** Reads a file line by line: once to its end, or on and on as it grows.
 *
 *  - Every record's cursor says where the next line begins, so that a restart goes on behind the last record
 *    that was committed. The bytes before that place are compared before each read: a file that was written
 *    over is read from its beginning.
 *  - Files that rotation has put aside are read in their order (follower.ts). What cannot be found again is
 *    an alert.
 *  - `tail` waits for a last line to get its line end.
 *  - A line over `lineBytesMax` is a failed read (HG_READ_TOO_LARGE), an alert, and left out. A line that
 *    cannot be decoded is a dead letter. While the outlet is full nothing is read.
 *  - A file that is not there is trouble of the link: the engine waits and looks again. */

import { z } from 'zod';
import { milliseconds, sourceSchema } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { SourceIo, SourceLogic, SourceSpec } from '../../../src/domain/source.ts';
import { decoderFor } from '../../../src/pipeline/decode/decoder.ts';
import { decodeErrorReporter } from '../../../src/pipeline/decode/payload-decoder.ts';
import { sourceSpec } from '../define-source.ts';
import { followFile } from './follower.ts';
import type { FollowPlan } from './follow-plan.ts';
import { placeProblem } from './rotated-places.ts';

export const fileSourceSchema = sourceSchema({
  path: z.string().min(1).describe('The file.'),
  format: z
    .enum(['ndjson', 'csv', 'text'])
    .default('ndjson')
    .describe('One record a line: a JSON value, an object named by the first row, or the line itself.'),
  mode: z
    .enum(['tail', 'read'])
    .default('tail')
    .describe('`read`: to the end, then the source ends. `tail`: on and on.'),
  startAt: z
    .enum(['beginning', 'end'])
    .default('beginning')
    .describe('Where `tail` begins if it has never committed a record.'),
  lineBytesMax: z
    .number()
    .int()
    .min(1)
    .default(LIMITS.payloadBytesMax)
    .describe('Bytes of one line; a longer one is left out.'),
  pollMs: milliseconds(1).default(250).describe('How often `tail` looks whether there is more.'),
  rotated: z
    .array(
      z
        .string()
        .min(1)
        .superRefine((place, context) => {
          const message = placeProblem(place);
          if (message !== null) context.addIssue({ code: 'custom', message });
        }),
    )
    .default([])
    .describe(
      'Folders, or globs of files, that rotation moves the file to, beside its own folder. Names with a ' +
        'number, a date or a UUID are recognised.',
    ),
  csv: z
    .strictObject({
      lenientQuotes: z
        .boolean()
        .default(false)
        .describe('Whether a quote where none belongs is text; otherwise such a row is a dead letter.'),
    })
    .prefault({})
    .describe('With `csv`: how rows are read.'),
}).refine(({ mode, startAt }) => mode === 'tail' || startAt === 'beginning', {
  path: ['startAt'],
  message: 'only goes with mode "tail"',
});

export type FileSourceOptions = z.input<typeof fileSourceSchema>;

/** @example fileSource({ id: 'boiler-log', path: '/var/log/boiler.ndjson' })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function fileSource(input: FileSourceOptions): SourceSpec {
  const options = resolveOptions(fileSourceSchema, input, 'fileSource');
  const rejections = decodeErrorReporter(decoderFor(options.format));
  const life: Life = { hasOpened: false };
  const logic: SourceLogic = {
    connects: true,
    target: options.path,
    stream: (io) => streamFile(io, { ...options, rejections }, life),
  };
  return sourceSpec('file', options, rejections.decode, logic, options.path);
}

async function streamFile(io: SourceIo, plan: FollowPlan, life: Life): Promise<void> {
  try {
    await followFile(opening(io, life), plan);
  } catch (error) {
    throw linkError(error, plan.path, io.cursor !== null || life.hasOpened);
  }
}

/** Whether a source has ever opened its file. */
interface Life {
  hasOpened: boolean;
}

function opening(io: SourceIo, life: Life): SourceIo {
  return Object.create(io, {
    opened: {
      value: () => {
        life.hasOpened = true;
        io.opened();
      },
    },
  }) as SourceIo;
}

/** A folder or a pipe under the name of the file is a mistake in the configuration at first. Once there was
 *  a file, it is trouble that may pass. */
function linkError(error: unknown, path: string, wasFile: boolean): HeadgateError {
  if (!(error instanceof HeadgateError)) {
    return new HeadgateError('HG_LINK_LOST', `the file "${path}" could not be read on: ${messageOf(error)}`, {
      ...{ cause: error, details: { path } },
    });
  }
  if (error.code !== 'HG_OPTION_INVALID' || !wasFile) return error;
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `"${path}" is no regular file any more; it is looked for again`,
    {
      ...{ cause: error, details: { path } },
    },
  );
}
