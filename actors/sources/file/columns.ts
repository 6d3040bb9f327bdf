/** The row of a table that names its columns: it stands at the beginning of a file, wherever the reading goes
 *  on. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import { lineSplitter, type Line } from '../../../src/pipeline/decode/line-splitter.ts';
import type { RowDecoder } from '../../../src/pipeline/decode/rows.ts';
import { asDecodeError } from '../../../src/pipeline/decode/text.ts';
import type { OpenFile } from './open-file.ts';
import { CHUNK_BYTES } from './place-tracker.ts';
import type { ReadingPlan } from './follow-plan.ts';

/** Reads the row that names the columns, which stands at the beginning wherever the reading goes on. */
export async function learnColumns(file: OpenFile, rows: RowDecoder, plan: ReadingPlan): Promise<boolean> {
  const splitter = lineSplitter({ lineBytesMax: plan.lineBytesMax, csv: true, skipHoles: true });
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let offset = 0; !rows.ready;) {
    const bytesRead = await file.bytes.read(chunk, 0, CHUNK_BYTES, offset);
    if (bytesRead === 0) return false;
    offset += bytesRead;
    for (const line of splitter.push(chunk.subarray(0, bytesRead))) {
      if (!rows.ready) decodeColumns(line, rows, file.path, plan.lineBytesMax);
    }
  }
  return true;
}

/** Without its columns a table has no meaning: the run ends, to be tried again when somebody has mended the
 *  file. */
export function decodeColumns(line: Line, rows: RowDecoder, path: string, lineBytesMax: number): void {
  try {
    if (line.overlong) throw tooLong(line, path, lineBytesMax);
    rows.decode(line);
  } catch (error) {
    const { message, details } = asDecodeError(error, line.number);
    throw new HeadgateError('HG_DECODE_FAILED', `the header of "${path}" is bad: ${message}`, {
      remedy: 'retry',
      details,
      cause: error,
    });
  }
}

export function tooLong(line: Line, path: string, lineBytesMax: number): HeadgateError {
  const problem = `is longer than ${lineBytesMax} bytes and is left out; raise lineBytesMax`;
  return new HeadgateError('HG_READ_TOO_LARGE', `line ${line.number} of "${path}" ${problem}`, {
    details: { line: line.number, lineBytesMax },
  });
}
