/** Reads a body that is one payload of its source: what the source's own `decode` makes of it. A payload is
 *  taken as a whole or refused as a whole. */

import { crc32 } from 'node:zlib';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { DecodeFunction } from '../../domain/source.ts';
import { asDecodeError } from '../../pipeline/decode/text.ts';
import { emptyPiece, type BodyReader, type Piece } from './piece.ts';

export interface PayloadReaderOptions {
  readonly decode: DecodeFunction;
  readonly contentType: string;
  readonly isMarked: boolean;
}

export function payloadReader({ decode, contentType, isMarked }: PayloadReaderOptions): BodyReader {
  const parts: Buffer[] = [];
  let bytes = 0;
  return {
    push(chunk): Piece {
      const piece = emptyPiece();
      bytes += chunk.length;
      if (bytes <= LIMITS.payloadBytesMax) {
        parts.push(chunk);
        return piece;
      }
      parts.length = 0;
      piece.isLast = true;
      const message = `a payload may have ${LIMITS.payloadBytesMax} bytes; send many records as NDJSON`;
      piece.failure = new HeadgateError('HG_HTTP_TOO_LARGE', message);
      return piece;
    },
    end(): Piece {
      const piece = emptyPiece();
      const payload = Buffer.concat(parts);
      try {
        piece.values.push(...decode(payload, contentType));
      } catch (error) {
        const { code, message } = asDecodeError(error);
        piece.rejections.push({ line: 1, code, message });
        return piece;
      }
      for (const [index] of piece.values.entries()) {
        piece.lines.push(index + 1);
        if (isMarked) piece.marks.push(crc32(payload));
      }
      return piece;
    },
  };
}
