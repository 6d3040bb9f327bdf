/** Reads a file line by line: once to its end, or on and on as it grows.
 *
 *  - Every record's cursor says where the next line begins, so that a restart goes on behind the last record
 *    that was committed. A file that was renamed meanwhile (`log` → `log.1`) is read to its end first; one
 *    renaming is followed, not several.
 *  - `tail` waits for a last line to get its line end. It notices a file that was emptied or replaced by
 *    another: the old one is read to its end, then the new one from its beginning.
 *  - A line over `lineBytesMax` is a failed read (HG_READ_TOO_LARGE) and left out. A line that cannot be
 *    decoded is a dead letter. While the outlet is full nothing is read.
 *  - A file that is not there is trouble of the link: the engine waits and looks again. */

import { z } from 'zod';
import { milliseconds, sourceSchema } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { SourceIo, SourceSpec } from '../../../src/domain/source.ts';
import { decoderFor } from '../../../src/pipeline/decode/decoder.ts';
import { rejecter } from '../../../src/pipeline/decode/payload-intake.ts';
import { sourceSpec } from '../define-source.ts';
import { findRenamed, inodeOf, isAt, openFile, parsePlace, type OpenFile } from './place.ts';
import { fileReading, type FileReading, type ReadingPlan } from './reading.ts';

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
}).refine(({ mode, startAt }) => mode === 'tail' || startAt === 'beginning', {
  path: ['startAt'],
  message: 'only goes with mode "tail"',
});

export type FileSourceOptions = z.input<typeof fileSourceSchema>;
type Options = z.output<typeof fileSourceSchema>;

/** @example fileSource({ id: 'boiler-log', path: '/var/log/boiler.ndjson' })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function fileSource(input: FileSourceOptions): SourceSpec {
  const options = resolveOptions(fileSourceSchema, input, 'fileSource');
  const rejections = rejecter(decoderFor(options.format));
  return sourceSpec('file', options, rejections.decode, {
    connects: true,
    stream: (io) => streamFile(io, { ...options, rejections }),
  });
}

type Plan = Options & ReadingPlan;

async function streamFile(io: SourceIo, plan: Plan): Promise<void> {
  try {
    await readFiles(io, plan);
  } catch (error) {
    throw error instanceof HeadgateError ? error : lostError(error, plan.path);
  }
}

async function readFiles(io: SourceIo, plan: Plan): Promise<void> {
  let reading = await openWhereLeft(io, plan);
  for (;;) {
    try {
      io.opened();
      const end = await readOn(io, reading, plan);
      if (end === 'done') return;
    } finally {
      await reading.close();
    }
    reading = await fileReading(await openFile(plan.path), plan, { from: 'beginning' });
  }
}

function lostError(error: unknown, path: string): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `the file "${path}" could not be read on: ${messageOf(error)}`, {
    cause: error,
    details: { path },
  });
}

/** Opens the file where the last committed record says to go on; another file of the name from its beginning.
 */
async function openWhereLeft(io: SourceIo, plan: Plan): Promise<FileReading> {
  const place = parsePlace(io.cursor);
  const current = await openOrNull(plan.path);
  if (place === null) {
    const file = current ?? (await openFile(plan.path));
    return fileReading(file, plan, { from: io.cursor === null ? plan.startAt : 'beginning' });
  }
  if (current !== null && (await isAt(current, place))) return fileReading(current, plan, place);
  const renamed = plan.mode === 'tail' ? await findRenamed(plan.path, place) : null;
  if (renamed === null) {
    io.log.info({ path: plan.path }, 'the file is not the one read last; it is read from its beginning');
    return fileReading(current ?? (await openFile(plan.path)), plan, { from: 'beginning' });
  }
  await current?.handle.close();
  return fileReading(renamed, plan, place);
}

async function openOrNull(path: string): Promise<OpenFile | null> {
  try {
    return await openFile(path);
  } catch (error) {
    if (error instanceof HeadgateError && error.remedy === 'retry') return null;
    throw error;
  }
}

/** Reads until the run or, in mode `read`, the file is over (`done`), or the file is another or a new one
 *  (`replaced`). */
async function readOn(io: SourceIo, reading: FileReading, plan: Plan): Promise<'done' | 'replaced'> {
  let otherSeen = false;
  for (;;) {
    const outcome = await reading.readChunk(io);
    if (io.signal.aborted) return 'done';
    if (outcome === 'rewritten') return 'replaced';
    if (outcome === 'more') continue;
    if (otherSeen || plan.mode === 'read') {
      await reading.finish(io);
      return otherSeen && !io.signal.aborted ? 'replaced' : 'done';
    }
    // Whoever renamed the file may still write to it for a moment: it is looked at once more.
    const inode = await inodeOf(plan.path);
    otherSeen = inode !== null && inode !== reading.inode;
    io.readSucceeded();
    await io.clock.sleep(plan.pollMs, io.signal);
  }
}
