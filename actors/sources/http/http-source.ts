/** Asks an HTTP server at an interval and takes each answer for a reading.
 *
 *  - The first poll comes at once, the next ones `intervalMs` apart from start to start, one at a time. While
 *    the outlet is full nobody is asked a second time. A Retry-After puts the next poll off, an hour at most.
 *  - A failed poll is a failed read and the polling goes on; if the very first one fails the run ends with
 *    its error, so that the engine waits and connects anew.
 *  - Where the server gives an ETag or a Last-Modified, the next poll asks for news only; 304 and 204 are
 *    good reads without a record.
 *  - Redirects are not followed. User name and password in `url` become an Authorization header. No message
 *    shows them, nor the query. */

import { z } from 'zod';
import { decodeSchema, milliseconds, sourceSchema } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { retryAfterMsOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { SourceIo, SourceSpec } from '../../../src/domain/source.ts';
import {
  payloadDecoder,
  decodeErrorReporter,
  type PayloadDecoder,
  type DecodeErrorReporter,
} from '../../../src/pipeline/decode/payload-decoder.ts';
import { sourceSpec } from '../define-source.ts';
import type { TlsOptions } from '../../protocols/socket/open-socket.ts';
import { tlsSchema } from '../../protocols/socket/tls-options.ts';
import { secretsOf } from './answers.ts';
import { pollOnce, TooLargeBody, type PollPlan, type Polled, type Validators } from './poll.ts';
import { RetryAfterReader } from '../../protocols/http/retry-after.ts';
import { createHttpTransport, type HttpTransport } from '../../protocols/http/transport.ts';
import { areHeaders, bareUrl, basicAuthorization, isUrlOf, publicUrl } from '../../protocols/http/url.ts';

export const httpSourceSchema = sourceSchema({
  url: z
    .string()
    .refine((text) => isUrlOf(text, ['http:', 'https:']), 'must be an http:// or https:// address')
    .describe('An `http://` or `https://` address; user and password may stand in it.'),
  intervalMs: milliseconds(1).describe('From the start of one poll to the start of the next.'),
  timeoutMs: milliseconds(1)
    .default(5_000)
    .describe('For a whole poll, from asking to the last byte of the body.'),
  method: z.enum(['GET', 'POST', 'PUT']).default('GET').describe('How it asks.'),
  headers: z
    .record(z.string(), z.string())
    .refine(areHeaders, 'holds a name or value that HTTP does not allow')
    .default({})
    .describe('Headers to send along, by name.'),
  body: z
    .union([z.string(), z.instanceof(Uint8Array)])
    .nullable()
    .default(null),
  decode: decodeSchema.default('json'),
  items: z
    .enum(['whole', 'each'])
    .default('whole')
    .describe(
      '`whole`: what the body decodes to is one record. `each`: it is a list, and each element is one.',
    ),
  bodyBytesMax: z
    .number()
    .int()
    .min(1)
    .default(LIMITS.payloadBytesMax)
    .describe('Bytes of one answer; a larger one is a failed read and a dead letter.'),
  tls: tlsSchema.optional(),
  transport: z
    .custom<HttpTransport>((value) => typeof value === 'function', 'must be a function (request) => answer')
    .optional(),
})
  .refine(({ method, body }) => method !== 'GET' || body === null, {
    path: ['body'],
    message: 'does not go with method "GET"; set method to "POST" or "PUT"',
  })
  .refine(({ url, tls }) => tls === undefined || url.startsWith('https:'), {
    path: ['tls'],
    message: 'needs a url that begins with https://',
  });

export type HttpSourceOptions = z.input<typeof httpSourceSchema>;
type Options = z.output<typeof httpSourceSchema>;

/** @example httpSource({ id: 'boiler', url: 'http://10.0.0.7/readings', intervalMs: 1_000 })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function httpSource(input: HttpSourceOptions): SourceSpec {
  const options = resolveOptions(httpSourceSchema, input, 'httpSource');
  const decoder = payloadDecoder({ format: options.decode, items: options.items });
  const rejections = decodeErrorReporter(decoder.decode);
  const plan = planOf(options);
  return sourceSpec('http', options, rejections.decode, {
    connects: true,
    target: plan.place,
    stream: (io) => pollOn(io, options.intervalMs, plan, { decoder, rejections }),
  });
}

function planOf(options: Options): PollPlan {
  const { method, body, timeoutMs, bodyBytesMax } = options;
  const transport = options.transport ?? createHttpTransport(options.tls as TlsOptions | undefined);
  const headers: Record<string, string> = { 'user-agent': 'headgate' };
  const authorization = basicAuthorization(options.url);
  if (authorization !== null) headers['authorization'] = authorization;
  for (const [name, value] of Object.entries(options.headers)) headers[name.toLowerCase()] = value;
  const request = { url: bareUrl(options.url), method, headers, body };
  const secrets = secretsOf(options.url, { ...options.headers, authorization: authorization ?? '' });
  const retryAfter = new RetryAfterReader();
  const place = publicUrl(options.url);
  return { transport, request, place, timeoutMs, bodyBytesMax, secrets, retryAfter };
}

async function pollOn(
  io: SourceIo,
  intervalMs: number,
  plan: PollPlan,
  { decoder, rejections }: { readonly decoder: PayloadDecoder; readonly rejections: DecodeErrorReporter },
): Promise<void> {
  let validators: Validators = { etag: null, lastModified: null };
  const keepPhase = phaseKeeper(io, intervalMs);
  let opened = await resumePolls(io, intervalMs);
  for (;;) {
    // The first poll shows that the link stands; without it a full outlet would pass for a dead far end.
    if (opened) await io.room();
    if (io.signal.aborted) return;
    keepPhase();
    let nextMs = io.clock.monotonicMs() + intervalMs;
    try {
      const polled = await pollOnce(io, plan, validators);
      if (io.signal.aborted) return;
      if (!opened) {
        opened = true;
        io.opened();
        await io.room();
        if (io.signal.aborted) return;
      }
      await handIn(io, decoder, polled);
      validators = plan.request.method === 'GET' ? polled.validators : validators;
    } catch (error) {
      if (io.signal.aborted) return;
      if (error instanceof TooLargeBody) rejections.reject(io, error.kept, error);
      if (!opened) throw error;
      io.readFailed(error);
      nextMs = Math.max(nextMs, io.clock.monotonicMs() + retryAfterMsOf(error));
    }
    const waitMs = nextMs - io.clock.monotonicMs();
    if (waitMs > 0) await io.clock.sleep(waitMs, io.signal);
  }
}

/** A poll that a crash of the engine cut off is waited for; until then the link counts as standing, as it did
 *  before. Returns whether there was one. */
async function resumePolls(io: SourceIo, intervalMs: number): Promise<boolean> {
  const { clock, signal, pollsSinceMs } = io;
  if (pollsSinceMs === null) return false;
  // The clock may have been set back since: a wait is never longer than the interval.
  const restMs = intervalMs - (Math.max(0, clock.wallMs() - pollsSinceMs) % intervalMs);
  io.opened();
  await clock.sleep(restMs, signal);
  return true;
}

/** Notes the phase of the polls, at the first one and where they have come out of step by a hundredth of the
 *  interval: most polls change nothing. */
function phaseKeeper(io: SourceIo, intervalMs: number): () => void {
  let sinceMs: number | null = null;
  return () => {
    const nowMs = io.clock.wallMs();
    const aheadMs = sinceMs === null ? Number.POSITIVE_INFINITY : Math.abs(nowMs - sinceMs) % intervalMs;
    const offMs = Math.min(aheadMs, Math.abs(intervalMs - aheadMs));
    if (offMs <= Math.max(10, intervalMs / 100)) return;
    sinceMs = nowMs;
    io.countPollsFrom(nowMs);
  };
}

async function handIn(io: SourceIo, decoder: PayloadDecoder, { body, contentType }: Polled): Promise<void> {
  if (body === null) {
    io.readSucceeded();
    return;
  }
  for (const hasRoom of decoder.receive(io, body, contentType === null ? {} : { contentType })) {
    if (!hasRoom) await io.room();
    if (io.signal.aborted) return;
  }
}
