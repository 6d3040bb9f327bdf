/** Publishes records to NATS JetStream.
 *
 *  A delivery resolves when a stream has stored all of it. Each message bears its record's key as its
 *  `Nats-Msg-Id`, so that a stream stores it once however often it is published within its duplicate window;
 *  an outage between two attempts that is longer than that window can double what was stored right before. */

import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { milliseconds } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { sinkSchema } from '../../../src/config/sink-options.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type {
  DeliveryProgress,
  OutboundRecord,
  Rejection,
  SinkIo,
  SinkLink,
  SinkSpec,
} from '../../../src/domain/sink.ts';
import { shownSpan } from '../../../src/domain/time-text.ts';
import { connectionShape } from '../../protocols/mqtt/options.ts';
import { addressOf, templateSchema, type AddressRules } from '../address-template.ts';
import { sinkSpec } from '../define-sink.ts';
import { watchDial } from './dial-watch.ts';
import { connectError, isPublishDenied, publishError, serverError, serverGone, tooLarge } from './errors.ts';
import { requireStream, streamSchema } from './stream.ts';
import { streamDifferences } from './stream-limits.ts';
import { linkLifetime, type LinkLifetime } from '../link-lifetime.ts';
import { checkPayload, payloadOf, payloadShape } from '../message-payload.ts';
import { loadNats, type Nats } from './nats-peer.ts';
import { makeEach, refusal } from '../outbound-text.ts';
import { sendInWindow } from '../send-window.ts';

const SUBJECT: AddressRules = {
  noun: 'subject',
  valueProblem: (value) => (/[*>\s\0]/.test(value) ? 'contains "*", ">" or white space' : null),
  addressProblem: (subject) => {
    if (/[*>\s\0]/.test(subject)) return 'a subject to publish to has no "*", ">" and white space';
    if (subject.split('.').includes('')) return 'a subject has no empty part between its dots';
    return subject.isWellFormed() ? null : 'it holds half a surrogate pair';
  },
};

const serverSchema = z.string().refine(isServer, 'must be like nats://host:4222, without credentials');
const secret = z.string().min(1);

export const jetStreamSinkSchema = sinkSchema({
  servers: z
    .union([serverSchema, z.array(serverSchema).min(1)])
    .describe('Addresses such as `nats://127.0.0.1:4222`, without credentials.'),
  subject: templateSchema(SUBJECT).describe(
    'The subject of each record, such as `plant.{sourceId}.{data.sensor}`.',
  ),
  stream: streamSchema
    .optional()
    .describe('The stream that must be there, or is created. Default: whichever takes the subject.'),
  auth: z
    .union([
      z.strictObject({ token: secret.describe('The token.') }),
      z.strictObject({
        username: z.string().describe('The user.'),
        password: z.string().describe('The password.'),
      }),
      z.strictObject({ creds: secret.describe('The content of a .creds file.') }),
    ])
    .optional()
    .describe('Credentials: a token, user and password, or the content of a .creds file.'),
  tls: connectionShape.tls,
  ...payloadShape,
  windowMax: z
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(256)
    .describe('Messages that may wait for their acknowledgement at a time.'),
  ackTimeoutMs: milliseconds(1).default(5_000).describe('How long an acknowledgement may take.'),
}).superRefine(checkPayload);

export type JetStreamSinkOptions = z.input<typeof jetStreamSinkSchema>;
type Options = z.output<typeof jetStreamSinkSchema>;

/** @example jetStreamSink({ id: 'hub', servers: 'nats://127.0.0.1:4222', subject: 'plant.{sourceId}' })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. Opening a link without the NATS client
 *  installed: HG_PEER_MISSING. */
export function jetStreamSink(input: JetStreamSinkOptions): SinkSpec {
  const options = resolveOptions(jetStreamSinkSchema, input, 'jetStreamSink');
  // A difference is told once, not at each link.
  const told = new Set<string>();
  return sinkSpec('jetstream', options, {
    target: [options.servers].flat().join(', '),
    open: (io) => openLink(io, options, told),
  });
}

function isServer(text: string): boolean {
  const url = URL.parse(/^[a-z]+:\/\//.test(text) ? text : `nats://${text}`);
  return url !== null && ['nats:', 'tls:'].includes(url.protocol) && url.host !== '' && !text.includes('@');
}

async function openLink(io: SinkIo, options: Options, told: Set<string>): Promise<SinkLink> {
  const nats = await loadNats();
  const servers = [options.servers].flat().join(', ');
  let connection: NatsConnection | null = null;
  const life = linkLifetime(io, servers, () => void connection?.close().catch(() => {}));
  try {
    connection = await connect(nats, options, servers, { life, io });
    watch(connection, life, servers);
    if (options.stream !== undefined) {
      const { name } = options.stream;
      io.awaits?.(() => `connected to ${servers}, but no answer about the stream "${name}"`);
      const { stream, subject, ackTimeoutMs } = options;
      const granted = await life.during(requireStream(nats, connection, stream, ackTimeoutMs));
      const serverBytesMax = connection.info?.max_payload ?? 0;
      tellDifferences(io, stream.name, streamDifferences(granted, { stream, subject, serverBytesMax }), told);
    }
  } catch (error) {
    life.close();
    throw error;
  }
  const deliver = publisher(nats, connection, options);
  const standing = connection;
  return {
    greeted: true,
    deliver: (batch, progress) => life.during(deliver(batch, progress)),
    async close() {
      life.close();
      await standing.close().catch(() => {});
    },
  };
}

function tellDifferences(io: SinkIo, stream: string, found: readonly string[], told: Set<string>): void {
  const differences = found.filter((difference) => !told.has(difference));
  if (differences.length === 0) return;
  for (const difference of differences) told.add(difference);
  const message = `the stream "${stream}" grants less than it is asked for: ${differences.join('; ')}`;
  io.alert('BROKER_GRANTED_LESS', message, { stream, differences });
}

async function connect(
  nats: Nats,
  options: Options,
  servers: string,
  { life, io }: { readonly life: LinkLifetime; readonly io: SinkIo },
): Promise<NatsConnection> {
  const { auth, tls, connectTimeoutMs } = options;
  const list = [options.servers].flat();
  const dial = watchDial(list);
  io.awaits?.(dial.describe);
  const connecting = nats.connect({
    servers: list,
    name: `headgate ${options.id}`,
    // For each server: one that does not answer must leave time for the next.
    timeout: Math.max(1, Math.floor(connectTimeoutMs / list.length)),
    // The engine connects anew, after a wait of its own choosing.
    reconnect: false,
    pingInterval: 20_000,
    ...(auth === undefined ? {} : authenticationOf(nats, auth)),
    ...(tls === undefined ? {} : { tls: tls as object }),
  });
  try {
    return await life.during(connecting);
  } catch (error) {
    // Given up, but it may still come to stand.
    void connecting.then((late) => late.close()).catch(() => {});
    if (error === life.ended) throw error;
    const timedOut = `${dial.describe()} within ${shownSpan(connectTimeoutMs)}`;
    const overTls = tls !== undefined || servers.includes('tls://');
    throw connectError(error, { servers, nowMs: io.clock.wallMs(), overTls, timedOut });
  } finally {
    dial.stop();
  }
}

function authenticationOf(nats: Nats, auth: NonNullable<Options['auth']>) {
  if ('token' in auth) return { token: auth.token };
  if ('username' in auth) return { user: auth.username, pass: auth.password };
  return { authenticator: nats.credsAuthenticator(new TextEncoder().encode(auth.creds)) };
}

/** Tells of the end of the connection, and of what the server forbids: it does so apart from any answer. */
function watch(connection: NatsConnection, life: LinkLifetime, servers: string): void {
  void connection.closed().then((reason) => life.end(serverGone(servers, reason)));
  const listen = async () => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') life.end(serverGone(servers, null));
      // A subject that may not be published to is the answer to the message.
      if (status.type !== 'error' || isPublishDenied(status.error)) continue;
      life.end(serverError(status.error, servers));
    }
  };
  listen().catch(() => {});
}

function publisher(nats: Nats, connection: NatsConnection, options: Options) {
  const { windowMax, ackTimeoutMs, stream } = options;
  const subjectOf = addressOf(options.subject, SUBJECT);
  const jetstream = nats.jetstream(connection);
  const bytesMax = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
  const expecting = stream === undefined ? {} : { expect: { streamName: stream.name } };

  return async (batch: readonly OutboundRecord[], progress?: DeliveryProgress): Promise<Rejection[]> => {
    const { made, rejections } = makeEach(batch, (record) => {
      const message = { subject: subjectOf(record), payload: payloadOf(record, options), msgID: record.key };
      if (Buffer.byteLength(message.payload) > bytesMax - HEADER_BYTES_MAX) {
        throw tooLarge(message.subject, `the ${bytesMax} bytes the server takes`);
      }
      return message;
    });
    await sendInWindow(made.length, windowMax, async (at) => {
      const { index, value } = made[at] as (typeof made)[number];
      const { subject, payload, msgID } = value;
      try {
        await jetstream.publish(subject, payload, { msgID, timeout: ackTimeoutMs, ...expecting });
        progress?.taken(index);
      } catch (error) {
        const told = publishError(error, subject, ackTimeoutMs);
        if (!(told instanceof HeadgateError) || told.remedy !== 'drop') throw told;
        rejections.push(refusal(index, told));
      }
    });
    return rejections.sort((a, b) => a.index - b.index);
  };
}

/** Message id and expected stream, which count as payload. */
const HEADER_BYTES_MAX = 1_024;
