/** Posts batches of records to an HTTP server.
 *
 *  - A status of 2xx says that the whole batch is safe. What may pass is tried again, after the Retry-After
 *    where there is one; what speaks of the batch is refused, and the engine splits it to find the record at
 *    fault.
 *  - Opening a link asks nobody: HTTP has no harmless question that every server answers. The first delivery
 *    shows whether the far end is there.
 *  - Redirects are not followed. User name and password in `url` become an Authorization header. No message
 *    shows them, the query or the headers. */

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { milliseconds } from '../../src/config/source-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { sinkSchema } from '../../src/config/sink-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { OutboundRecord, SinkIo, SinkLink, SinkSpec } from '../../src/domain/sink.ts';
import { exchangeError, retryAfter } from '../sources/http/failures.ts';
import { areHeaders, bareUrl, basicAuthorization, isUrlOf, publicUrl } from '../sources/http/url.ts';
import { sinkSpec } from './define-sink.ts';
import { linkLife } from './link-life.ts';
import { makeEach, recordAsJson } from './outbound-text.ts';

const secret = z.string().min(1);

export const httpSinkSchema = sinkSchema({
  url: z
    .string()
    .refine((text) => isUrlOf(text, ['http:', 'https:']), 'must be an http:// or https:// address')
    .describe('An `http://` or `https://` address; user and password may stand in it.'),
  method: z.enum(['POST', 'PUT']).default('POST').describe('How it asks.'),
  format: z
    .enum(['ndjson', 'json'])
    .default('ndjson')
    .describe('`ndjson`: a record a line. `json`: an array.'),
  envelope: z
    .enum(['record', 'data'])
    .default('record')
    .describe('What goes out of a record: its key, place and times as well, or its data alone.'),
  headers: z
    .record(z.string(), z.string())
    .refine(areHeaders, 'holds a name or value that HTTP does not allow')
    .default({})
    .describe('Headers to send along, by name.'),
  auth: z
    .union([
      z.strictObject({ bearer: secret.describe('The token.') }),
      z.strictObject({
        username: z.string().describe('The user.'),
        password: z.string().describe('The password.'),
      }),
    ])
    .optional()
    .describe('Credentials: a bearer token, or user and password.'),
  compress: z.enum(['gzip']).optional().describe('How bodies are compressed. Default: not.'),
  timeoutMs: milliseconds(1).default(10_000).describe('For a whole exchange, from asking to the answer.'),
}).superRefine(({ url, auth, headers }, context) => {
  const refuse = (message: string) => context.addIssue({ code: 'custom', path: ['auth'], message });
  const inHeaders = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
  const inUrl = URL.canParse(url) && basicAuthorization(url) !== null;
  if ([auth !== undefined, inHeaders, inUrl].filter(Boolean).length > 1) {
    refuse('credentials are given twice; give them in one place: auth, url or headers');
  }
  if (auth !== undefined && !areHeaders({ authorization: authorization(auth) })) {
    refuse('holds a character that HTTP does not allow');
  }
});

export type HttpSinkOptions = z.input<typeof httpSinkSchema>;
type Options = z.output<typeof httpSinkSchema>;

/** @example httpSink({ id: 'cloud', url: 'https://example.org/ingest', auth: { bearer: token } })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function httpSink(input: HttpSinkOptions): SinkSpec {
  const options = resolveOptions(httpSinkSchema, input, 'httpSink');
  const headers = headersOf(options);
  const target: Target = { url: bareUrl(options.url), place: publicUrl(options.url) };
  return sinkSpec('http', options, { open: async (io) => openLink(io, options, target, headers) });
}

interface Target {
  readonly url: string;
  /** The address as messages may show it. */
  readonly place: string;
}

function headersOf({ url, auth, format, compress, headers }: Options): Record<string, string> {
  const own: Record<string, string> = {
    'user-agent': 'headgate',
    'content-type': format === 'json' ? 'application/json' : 'application/x-ndjson',
  };
  if (compress !== undefined) own['content-encoding'] = compress;
  const credentials = auth === undefined ? basicAuthorization(url) : authorization(auth);
  if (credentials !== null) own['authorization'] = credentials;
  for (const [name, value] of Object.entries(headers)) own[name.toLowerCase()] = value;
  return own;
}

function authorization(auth: NonNullable<Options['auth']>): string {
  if ('bearer' in auth) return `Bearer ${auth.bearer}`;
  return `Basic ${Buffer.from(`${auth.username}:${auth.password}`, 'utf8').toString('base64')}`;
}

async function openLink(
  io: SinkIo,
  options: Options,
  target: Target,
  headers: Record<string, string>,
): Promise<SinkLink> {
  const giveUp = new AbortController();
  const life = linkLife(io, target.place, () => giveUp.abort());
  if (life.ended !== null) throw life.ended;
  return {
    async deliver(batch) {
      const { made, rejections } = makeEach(batch, (record) => recordAsJson(record, options.envelope));
      if (made.length > 0) {
        const texts = made.map(({ value }) => value);
        const sent = made.map(({ index }) => batch[index] as OutboundRecord);
        const request = { headers: { ...headers, ...idempotency(sent) }, body: bodyOf(texts, options) };
        await life.during(exchange(io, options, target, request, giveUp.signal));
      }
      return rejections;
    },
    async close() {
      life.close();
    },
  };
}

function bodyOf(texts: readonly string[], { format }: Options): string {
  return format === 'json' ? `[${texts.join(',')}]` : `${texts.join('\n')}\n`;
}

/** Of the batch, since a repeated one is the same: the keys of its first and last record. */
function idempotency(batch: readonly OutboundRecord[]): Record<string, string> {
  // Within the double quotes of a structured field (RFC 8941) only ASCII may stand.
  const shown = (record: OutboundRecord | undefined) => encodeURI(record?.key ?? '').replaceAll('"', '%22');
  return { 'idempotency-key': `"${shown(batch[0])}..${shown(batch.at(-1))}"` };
}

interface Request {
  readonly headers: Record<string, string>;
  readonly body: string;
}

const compressed = promisify(gzip);

/** Sends one batch and judges the answer. */
async function exchange(
  io: SinkIo,
  options: Options,
  target: Target,
  { headers, body }: Request,
  signal: AbortSignal,
): Promise<void> {
  const { timeoutMs, method, compress } = options;
  const over = new AbortController();
  const progress = { answered: false, timedOut: false };
  const timer = io.clock.setTimeout(() => {
    progress.timedOut = true;
    over.abort();
  }, timeoutMs);
  const giveUp = () => over.abort();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    const sent = compress === undefined ? body : new Uint8Array(await compressed(body));
    const answer = await fetch(target.url, {
      ...{ method, headers, body: sent },
      redirect: 'manual',
      signal: over.signal,
    });
    const { status, headers: answered } = answer;
    await discard(answer.body);
    judge(status, (name) => answered.get(name), target.place, io.clock.wallMs());
  } catch (error) {
    if (error instanceof HeadgateError) throw error;
    throw exchangeError(error, { place: target.place, timeoutMs }, progress);
  } finally {
    io.clock.clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

const ANSWER_BYTES_MAX = 64 * 1024;

/** Reads a short answer to its end, so that its connection can be used again. Its status has been told:
 *  whether the rest of it comes does not matter. */
async function discard(body: AsyncIterable<Uint8Array> | null): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of body ?? []) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) return;
    }
  } catch {
    // It broke off.
  }
}

/** These speak of the credentials. */
const UNAUTHORISED: readonly number[] = [401, 403, 407];
/** These speak of the address or of the moment, not of the records: nothing is given up for them. */
const PASSING: readonly number[] = [404, 405, 408, 421, 425, 426, 429];

function judge(status: number, header: (name: string) => string | null, place: string, nowMs: number): void {
  if (status >= 200 && status <= 299) return;
  if (UNAUTHORISED.includes(status)) {
    throw new HeadgateError('HG_LINK_UNAUTHORISED', `${place} answered ${status}; correct the credentials`, {
      details: { status },
    });
  }
  if (status >= 400 && status <= 499 && !PASSING.includes(status)) {
    const why = status === 413 ? 'the batch is too large for it' : 'it will not take what was sent';
    throw new HeadgateError('HG_SINK_REFUSED', `${place} answered ${status}: ${why}`, {
      details: { status },
    });
  }
  const retryAfterMs = retryAfter({ header }, nowMs);
  throw new HeadgateError('HG_SINK_STATUS', `${place} answered ${status}${advice(status, retryAfterMs)}`, {
    details: { status, ...(retryAfterMs === null ? {} : { retryAfterMs }) },
  });
}

function advice(status: number, retryAfterMs: number | null): string {
  if (status >= 300 && status <= 399) {
    return '; redirects are not followed, set url to the address it leads to';
  }
  if (status === 404 || status === 405) return '; correct url and method';
  return retryAfterMs === null ? '' : ` and asks to wait ${retryAfterMs} ms`;
}
