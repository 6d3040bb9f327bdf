/** Errors of WebSockets. They name the address without its secrets. */

import type { IncomingMessage } from 'node:http';
import { HeadgateError, messageOf } from '../../src/domain/errors.ts';
import type { SourceIo } from '../../src/domain/source.ts';
import { answerWords, retryDetails, secretsOf, statusAdvice } from './http/answers.ts';
import type { RetryAfterReader } from '../protocols/http/retry-after.ts';
import { publicUrl } from '../protocols/http/url.ts';
import { linkAdvice } from '../protocols/link-advice.ts';

export interface WebSocketPlace {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly messageBytesMax: number;
  readonly pongTimeoutMs: number;
}

/** The answer to the handshake, where it is no upgrade. Never rejects. */
export async function statusError(
  io: SourceIo,
  { url, headers: sent }: WebSocketPlace,
  response: IncomingMessage,
  retryAfter: RetryAfterReader,
): Promise<HeadgateError> {
  const { statusCode: status = 0, headers } = response;
  const header = (name: string) => headers[name]?.toString() ?? null;
  const words = await answerWords(response, { clock: io.clock, secrets: secretsOf(url, sent) });
  const place = publicUrl(url);
  const waitMs = retryAfter.read({ header }, io.clock.wallMs(), { log: io.log, place });
  const details = { status, ...retryDetails(waitMs) };
  return status === 401 || status === 403
    ? new HeadgateError(
        'HG_LINK_UNAUTHORISED',
        `${place} answered ${status}${words}; correct the credentials`,
        {
          details,
        },
      )
    : new HeadgateError(
        'HG_LINK_REFUSED',
        `${place} answered ${status} instead of opening a WebSocket${words}${statusAdvice(details)}`,
        { details },
      );
}

export function refusedError(io: SourceIo, { url }: WebSocketPlace, error: Error): HeadgateError {
  const { code } = error as { code?: string };
  const reason = linkAdvice(code ?? '', error, { nowMs: io.clock.wallMs(), overTls: url.startsWith('wss:') });
  return new HeadgateError('HG_LINK_REFUSED', `no connection to ${publicUrl(url)}: ${reason}`, {
    cause: error,
  });
}

/** The status of a goodbye to one that sends text that is none (RFC 6455, 7.4.1). */
export const INVALID_DATA = 1_007;

export function notUtf8({ url }: WebSocketPlace): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `${publicUrl(url)} sent a text message that is not valid UTF-8`);
}

export function tooLarge(
  { url, messageBytesMax }: WebSocketPlace,
  bytes: number,
  keptBytes: number,
): HeadgateError {
  return new HeadgateError(
    'HG_READ_TOO_LARGE',
    `a message of ${publicUrl(url)} has ${bytes} bytes; messageBytesMax allows ${messageBytesMax}`,
    { remedy: 'drop', details: { bytes, keptBytes, messageBytesMax } },
  );
}

export function lostError({ url }: WebSocketPlace, error: Error): HeadgateError {
  return new HeadgateError('HG_LINK_LOST', `the connection to ${publicUrl(url)} broke: ${messageOf(error)}`, {
    cause: error,
  });
}

export function closedError({ url }: WebSocketPlace, code: number, reason: string): HeadgateError {
  const words = reason === '' ? '' : `, "${reason}"`;
  return new HeadgateError('HG_LINK_LOST', `${publicUrl(url)} closed the connection (${code}${words})`, {
    details: { closeCode: code },
  });
}

export function silentError({ url, pongTimeoutMs }: WebSocketPlace): HeadgateError {
  return new HeadgateError(
    'HG_LINK_TIMEOUT',
    `${publicUrl(url)} gave no sign of life for ${pongTimeoutMs} ms`,
  );
}
