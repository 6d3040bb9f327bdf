/** Bodies of requests: read up to a limit, and taken apart without harm. Nesting is counted before anything
 *  is parsed, since what is deep enough breaks whatever walks it later. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { sendContinue } from './request-body.ts';

export interface BodyLimits {
  readonly bodyBytesMax: number;
  readonly depthMax: number;
}

/** The media type of a request, without its parameters; empty where it names none. */
export function mediaTypeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

/** The text of a body, for which its sender may wait to be asked.
 *  @throws HeadgateError HG_HTTP_TOO_LARGE, HG_HTTP_MEDIA_TYPE for a compressed one, HG_HTTP_MALFORMED for
 *  one that is no UTF-8 or breaks off */
export async function readText(
  request: IncomingMessage,
  response: ServerResponse,
  bytesMax: number,
): Promise<string> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding !== 'identity') {
    throw new HeadgateError('HG_HTTP_MEDIA_TYPE', 'bodies are taken as they are: send no Content-Encoding', {
      details: { accepted: ['identity'] },
    });
  }
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLarge(bytesMax);
  sendContinue(request, response);
  const bytes = await readBytes(request, bytesMax);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new HeadgateError('HG_HTTP_MALFORMED', 'the body is not UTF-8');
  }
}

function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (end: () => void) => {
      request.off('data', take).off('end', finish).off('error', breakOff).off('close', breakOff);
      end();
    };
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bytesMax) return void chunks.push(chunk);
      request.pause();
      settle(() => reject(tooLarge(bytesMax)));
    };
    const finish = () => settle(() => resolve(Buffer.concat(chunks)));
    const breakOff = () =>
      settle(() => reject(new HeadgateError('HG_HTTP_MALFORMED', 'the body ended before it was complete')));
    request.on('data', take).on('end', finish).on('error', breakOff).on('close', breakOff);
  });
}

function tooLarge(bytesMax: number): HeadgateError {
  const message = `the body is larger than ${bytesMax} bytes (http.limits.bodyBytesMax)`;
  return new HeadgateError('HG_HTTP_TOO_LARGE', message, { details: { bytesMax } });
}

/** Reads JSON that strangers wrote. A key that could reach a prototype is refused, wherever it stands.
 *  @throws HeadgateError HG_HTTP_MALFORMED */
export function parseJson(text: string, depthMax: number): unknown {
  requireDepth(text, depthMax);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new HeadgateError('HG_HTTP_MALFORMED', `the body is no JSON: ${messageOf(error)}`);
  }
  requirePlainKeys(value);
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Brackets outside strings, counted. */
function requireDepth(text: string, depthMax: number): void {
  let depth = 0;
  let isString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (isString) {
      if (code === BACKSLASH) index++;
      else if (code === QUOTE) isString = false;
    } else if (code === QUOTE) isString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > depthMax) {
        const message = `the body is nested deeper than ${depthMax} levels (http.limits.depthMax)`;
        throw new HeadgateError('HG_HTTP_MALFORMED', message, { details: { depthMax } });
      }
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}

function requirePlainKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__') {
      throw new HeadgateError('HG_HTTP_MALFORMED', 'the body has a key "__proto__", which nothing here has');
    }
    requirePlainKeys(inner);
  }
}
