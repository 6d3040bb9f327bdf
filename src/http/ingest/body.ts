/** The body of an upload: which reader it is for, and its bytes without their encoding. */

import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import type { PushSource } from '../../../actors/sources/push-source.ts';
import { HeadgateError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { csvReader } from './csv-reader.ts';
import { jsonReader } from './json-reader.ts';
import { ndjsonReader } from './ndjson-reader.ts';
import { payloadReader } from './payload-reader.ts';
import type { BodyReader, ReaderOptions } from './parsed-chunk.ts';

const ROWS: Readonly<Record<string, (options: ReaderOptions) => BodyReader>> = {
  'application/json': jsonReader,
  'application/x-ndjson': ndjsonReader,
  'application/ndjson': ndjsonReader,
  'application/jsonl': ndjsonReader,
  'text/csv': csvReader,
};

/** Types of which only the source knows what they mean. */
const PAYLOADS: readonly string[] = ['application/octet-stream', 'text/plain'];

export const ACCEPTED_TYPES = [...Object.keys(ROWS), ...PAYLOADS].join(', ');
export const ACCEPTED_ENCODINGS = 'gzip, zstd';

export interface ReadAs {
  readonly reader: BodyReader;
  /** What the records bear as their content type. */
  readonly contentType: string | undefined;
}

/** @throws HeadgateError HG_HTTP_MEDIA_TYPE */
export function readerFor(
  { headers }: IncomingMessage,
  { decode }: PushSource,
  options: ReaderOptions,
): ReadAs {
  const contentType = headers['content-type'] ?? '';
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  if (PAYLOADS.includes(type) && decode !== null) {
    return { reader: payloadReader({ decode, contentType, isMarked: options.isMarked }), contentType };
  }
  const make = Object.hasOwn(ROWS, type) ? ROWS[type] : undefined;
  if (make === undefined) {
    throw mediaType(`a body of type "${type}" cannot be read; send one of ${ACCEPTED_TYPES}`);
  }
  if (charset !== 'utf-8' && charset !== 'utf8') {
    throw mediaType(`a body in ${charset} cannot be read; send UTF-8`);
  }
  return { reader: make(options), contentType: undefined };
}

export interface PlainBody {
  readonly stream: Readable;
  /** Why it may not come to so many bytes, and to records of so many bytes as JSON; null where it may. */
  readonly excessAt: (bytes: number, jsonBytes: number) => HeadgateError | null;
}

/** A window of 8 MiB, which every encoder keeps to unless it is told otherwise. */
const ZSTD_WINDOW_LOG_MAX = 23;

/** Of zlib: it counts the encoded bytes it was given. */
type Decoder = Transform & { readonly bytesWritten: number };

const DECODERS: Readonly<Record<string, () => Decoder>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX } }),
};

/** The bytes that were encoded, and how many there may be. Neither a compressed body nor the records of any
 *  body may come to more than a multiple of what was sent, since few bytes must not fill a disk.
 *  @throws HeadgateError HG_HTTP_MEDIA_TYPE for an encoding that is none of ours, HG_HTTP_TOO_LARGE for a
 *  body that says it is. */
export function plainBody(request: IncomingMessage, bytesMax: number): PlainBody {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length > bytesMax) throw tooLarge(bytesMax);
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity') {
    return {
      stream: request,
      excessAt: (bytes, jsonBytes) => (bytes > bytesMax ? tooLarge(bytesMax) : inflationOf(jsonBytes, bytes)),
    };
  }
  const make = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (make === undefined) {
    throw mediaType(`the encoding "${encoding}" cannot be read; send ${ACCEPTED_ENCODINGS}, or none`);
  }
  const decoder = make();
  // A pipe passes no errors on, and a pipeline would close the connection before the answer is sent.
  request.on('error', (error) => decoder.destroy(error));
  const inflatedMax = Math.min(bytesMax, LIMITS.ingestInflatedBytesMax);
  return {
    stream: request.pipe(decoder),
    excessAt(bytes, jsonBytes) {
      if (bytes > inflatedMax) return tooLarge(inflatedMax);
      return inflationOf(Math.max(bytes, jsonBytes), decoder.bytesWritten);
    },
  };
}

function inflationOf(bytes: number, sentBytes: number): HeadgateError | null {
  const { ingestInflationFreeBytes, ingestInflationMax: inflationMax } = LIMITS;
  if (bytes <= ingestInflationFreeBytes || bytes <= inflationMax * sentBytes) return null;
  const message =
    `a body may come to ${inflationMax} times what is sent, decompressed and with the column names of a ` +
    'CSV in every record; send it uncompressed, with shorter names, or in parts';
  return new HeadgateError('HG_HTTP_TOO_LARGE', message, { details: { inflationMax } });
}

function tooLarge(bytesMax: number): HeadgateError {
  return new HeadgateError('HG_HTTP_TOO_LARGE', `a body may have ${bytesMax} bytes; send it in parts`, {
    details: { bytesMax },
  });
}

function mediaType(message: string): HeadgateError {
  return new HeadgateError('HG_HTTP_MEDIA_TYPE', message);
}
