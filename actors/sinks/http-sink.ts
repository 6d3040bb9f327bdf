/** Posts batches of records to an HTTP server.
 *
 *  - A status of 2xx says that the whole batch is safe. What may pass is tried again, after the Retry-After
 *    where there is one; what speaks of the batch is refused, and the engine splits it to find the record at
 *    fault.
 *  - Opening a link contacts no server: no harmless question is answered by every server. The first delivery
 *    shows whether the far end is there.
 *  - Redirects are not followed. User name and password in `url` become an Authorization header. No message
 *    shows them, the query or the headers; of an answer that refuses it shows how it begins. */

import type { AgentOptions } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { milliseconds } from '../../src/config/source-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { sinkSchema } from '../../src/config/sink-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { OutboundRecord, SinkIo, SinkLink, SinkSpec } from '../../src/domain/sink.ts';
import { RetryAfterReader } from '../protocols/http/retry-after.ts';
import { areHeaders, bareUrl, basicAuthorization, isUrlOf, publicUrl } from '../protocols/http/url.ts';
import { connectionShape } from '../protocols/mqtt/options.ts';
import { sinkSpec } from './define-sink.ts';
import { httpExchanger, type HttpAnswerHead } from '../protocols/http/http-exchange.ts';
import { linkLifetime } from './link-lifetime.ts';
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
  tls: connectionShape.tls,
  compress: z.enum(['gzip']).optional().describe('How bodies are compressed. Default: not.'),
  timeoutMs: milliseconds(1).default(10_000).describe('For a whole exchange, from asking to the answer.'),
}).superRefine(({ url, auth, headers, tls }, context) => {
  if (tls !== undefined && !url.startsWith('https:')) {
    context.addIssue({ code: 'custom', path: ['tls'], message: 'needs a url that begins with https://' });
  }
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
  const target: Target = {
    url: bareUrl(options.url),
    place: publicUrl(options.url),
    secrets: secretsOf(options, headers),
    retryAfter: new RetryAfterReader(),
  };
  return sinkSpec('http', options, {
    target: target.place,
    open: async (io) => openLink(io, options, target, headers),
  });
}

interface Target {
  readonly url: string;
  /** The address as messages may show it. */
  readonly place: string;
  /** Texts that no message may show, the longest first. */
  readonly secrets: readonly string[];
  readonly retryAfter: RetryAfterReader;
}

/** Shorter texts are no secrets, and would hide parts of words. */
const SECRET_CHARS_MIN = 4;

function secretsOf(options: Options, headers: Record<string, string>): string[] {
  const url = new URL(options.url);
  const { auth } = options;
  const given = auth === undefined ? [] : 'bearer' in auth ? [auth.bearer] : [auth.password];
  const own = ['content-type', 'content-encoding', 'user-agent'];
  const sent = Object.entries(headers).flatMap(([name, value]) => (own.includes(name) ? [] : [value]));
  const secrets = [
    ...given,
    ...sent,
    url.password,
    decodeURIComponent(url.password),
    ...url.searchParams.values(),
  ];
  return secrets.filter((text) => text.length >= SECRET_CHARS_MIN).sort((a, b) => b.length - a.length);
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
  const exchanger = httpExchanger(io.clock, target.url.startsWith('https:'), options.tls as AgentOptions);
  const life = linkLifetime(io, target.place, () => giveUp.abort());
  if (life.ended !== null) throw life.ended;
  const { method, timeoutMs, compress } = options;
  const post = async (batch: readonly OutboundRecord[], texts: readonly string[]) => {
    const text = bodyOf(texts, options);
    const body = compress === undefined ? text : await compressed(text);
    const { url, place } = target;
    const sent = { ...headers, ...idempotency(batch) };
    const answer = await exchanger.ask({
      ...{ url, place, method, timeoutMs, body, headers: sent },
      signal: giveUp.signal,
    });
    judge(answer, target, io);
  };
  return {
    async deliver(batch) {
      const { made, rejections } = makeEach(batch, (record) => recordAsJson(record, options.envelope));
      if (made.length > 0) {
        const texts = made.map(({ value }) => value);
        const sent = made.map(({ index }) => batch[index] as OutboundRecord);
        await life.during(post(sent, texts));
      }
      return rejections;
    },
    async close() {
      life.close();
      exchanger.close();
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

const compressed = promisify(gzip);

/** These speak of the credentials. With 403 a server, or what stands before it, may mean a single record. */
const UNAUTHORISED: readonly number[] = [401, 403, 407];
/** These speak of the address or of the moment, not of the records: nothing is given up for them. */
const PASSING: readonly number[] = [404, 405, 408, 421, 425, 426, 429];

/** @throws HeadgateError unless the answer says that the batch is safe */
function judge(answer: HttpAnswerHead, target: Target, { clock, log }: SinkIo): void {
  const { place, secrets } = target;
  const { status } = answer;
  if (status >= 200 && status <= 299) return;
  const retryAfterMs = target.retryAfter.read(answer, clock.wallMs(), { log, place });
  const details = { status, ...(retryAfterMs === null ? {} : { retryAfterMs }) };
  const said = saidIn(answer.text, secrets);
  const what = `${place} answered ${status}${said}`;
  if (UNAUTHORISED.includes(status)) {
    throw new HeadgateError('HG_LINK_UNAUTHORISED', `${what}; correct the credentials`, {
      // With 403 it may be one record that is refused: the others do not wait.
      details: status === 403 ? { status } : details,
      remedy: status === 403 ? 'drop' : 'retry',
    });
  }
  if (status >= 400 && status <= 499 && !PASSING.includes(status)) {
    const why = status === 413 ? 'the batch is too large for it' : 'it will not take what was sent';
    throw new HeadgateError('HG_SINK_REFUSED', `${what}; ${why}`, { details: { status } });
  }
  throw new HeadgateError('HG_SINK_STATUS', `${what}${advice(answer, retryAfterMs)}`, { details });
}

function advice(answer: HttpAnswerHead, retryAfterMs: number | null): string {
  const { status } = answer;
  if (status >= 300 && status <= 399) {
    const location = answer.header('location') ?? '';
    const where = URL.canParse(location) ? `, ${publicUrl(location)}` : '';
    return `; redirects are not followed, set url to the address it leads to${where}`;
  }
  if (status === 404 || status === 405) return '; correct url and method';
  return retryAfterMs === null ? '' : ` and asks to wait ${retryAfterMs} ms`;
}

/** Characters of an answer that a message shows. */
const SAID_CHARS_MAX = 200;

/** How an answer begins, in one line of printable characters and without the secrets that were sent. */
function saidIn(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) shown = shown.replaceAll(secret, '***');
  shown = shown.replaceAll(/[\p{C}\s]+/gu, ' ').trim();
  if (shown === '') return '';
  return `: ${shown.length > SAID_CHARS_MAX ? `${shown.slice(0, SAID_CHARS_MAX)}…` : shown}`;
}
