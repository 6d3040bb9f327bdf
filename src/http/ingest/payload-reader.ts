/** Reads a body that is one payload of its source: what the source's own `decode` makes of it. A payload is
 *  taken as a whole or refused as a whole, and kept as a whole until its end. */

import { crc32 } from 'node:zlib';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { DecodeFunction } from '../../domain/source.ts';
import { asDecodeError } from '../../pipeline/decode/text.ts';
import { emptyChunk, type BodyReader, type ParsedChunk } from './parsed-chunk.ts';
import { weighUndecoded, weighValues } from './record-weight.ts';

export interface PayloadReaderOptions {
  readonly decode: DecodeFunction;
  readonly contentType: string;
  readonly isMarked: boolean;
}

export function payloadReader({ decode, contentType, isMarked }: PayloadReaderOptions): BodyReader {
  const parts: Buffer[] = [];
  let bytes = 0;
  return {
    get heldBytes() {
      return bytes;
    },
    push(chunk) {
      bytes += chunk.length;
      if (bytes <= LIMITS.payloadBytesMax) {
        parts.push(chunk);
        return [];
      }
      parts.length = 0;
      return [refused(`a payload may have ${LIMITS.payloadBytesMax} bytes; send many records as NDJSON`)];
    },
    *end() {
      const piece = emptyChunk();
      const payload = Buffer.concat(parts);
      parts.length = 0;
      if (weighUndecoded(payload) > LIMITS.ingestPendingBytesMax) {
        yield refused(TOO_MANY);
        return;
      }
      try {
        for (const value of decode(payload, contentType)) piece.values.push(value);
      } catch (error) {
        const { code, message } = asDecodeError(error);
        piece.rejections.push({ line: 1, code, message });
        yield piece;
        return;
      }
      const { weight, jsonBytes } = weighValues(piece.values);
      if (weight > LIMITS.ingestPendingBytesMax) {
        yield refused(TOO_MANY);
        return;
      }
      const mark = isMarked ? crc32(payload) : 0;
      for (const [index] of piece.values.entries()) {
        piece.lines.push(index + 1);
        if (isMarked) piece.marks.push(mark);
      }
      piece.bytes = weight;
      piece.jsonBytes = jsonBytes;
      yield piece;
    },
  };
}

const TOO_MANY =
  'a payload may not come to more records than can wait for their commit; send many records as NDJSON';

function refused(message: string): ParsedChunk {
  return { ...emptyChunk(), isLast: true, failure: new HeadgateError('HG_HTTP_TOO_LARGE', message) };
}
