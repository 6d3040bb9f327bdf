/** Text from bytes, strictly: what is not UTF-8 is refused instead of being patched with replacement
 *  characters. */

import { HeadgateError, messageOf } from '../../domain/errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

const BOM_FIRST_BYTE = 0xef;

/** The text of `bytes`, without a byte order mark.
 *  @throws HeadgateError HG_DECODE_FAILED where the bytes are no UTF-8. */
export function decodeText(bytes: Uint8Array, line?: number): string {
  // A buffer's own decoder is the faster one. It puts a replacement character for what is no UTF-8: text that
  // holds one is looked at again. So is text that begins with a byte order mark.
  if (Buffer.isBuffer(bytes) && bytes[0] !== BOM_FIRST_BYTE) {
    const text = bytes.toString('utf8');
    if (!text.includes('\uFFFD')) return text;
  }
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw decodeError('not valid UTF-8; send UTF-8, or decode "bytes"', line, error);
  }
}

/** What every decoder throws. `line` counts from 1 and is that of the line where the trouble begins. */
export function decodeError(problem: string, line?: number, cause?: unknown): HeadgateError {
  const place = line === undefined ? '' : `line ${line}: `;
  return new HeadgateError('HG_DECODE_FAILED', `${place}${problem}`, {
    details: line === undefined ? {} : { line },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Anything a decoder threw as HG_DECODE_FAILED. */
export function asDecodeError(thrown: unknown, line?: number): HeadgateError {
  if (thrown instanceof HeadgateError) return thrown;
  return decodeError(messageOf(thrown), line, thrown);
}
