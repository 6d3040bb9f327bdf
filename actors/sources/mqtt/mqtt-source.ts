/** The MQTT source: records out of the messages of one or many topics. */

import { z } from 'zod';
import { decodeSchema, sourceSchema } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import type { HeadgateError } from '../../../src/domain/errors.ts';
import { PLAIN_DATA } from '../../../src/domain/json-text.ts';
import type { Receipt } from '../../../src/domain/receipt.ts';
import type { RecordMeta } from '../../../src/domain/record.ts';
import type { DecodeFunction, SourceIo, SourceSpec } from '../../../src/domain/source.ts';
import { payloadDecoder, decodeErrorReporter } from '../../../src/pipeline/decode/payload-decoder.ts';
import { asDecodeError } from '../../../src/pipeline/decode/text.ts';
import { sourceSpec } from '../define-source.ts';
import { createConnection, isMqttConnection, memberAddress, type MqttConnection } from './connection.ts';
import { mqttJsTransport } from './mqtt-js-transport.ts';
import {
  checkConnection,
  connectionShape,
  qosSchema,
  resolveConnection,
  shareGroupSchema,
} from '../../protocols/mqtt/options.ts';
import type { TakeMessage } from './subscribers.ts';
import { filterProblem, hasWildcard, isShared, sharedFilter } from '../../protocols/mqtt/topics.ts';
import type {
  MqttMessage,
  MqttMessageProperties,
  MqttSubscription,
  Qos,
} from '../../protocols/mqtt/transport.ts';

export interface TopicInput {
  topic: string;
  qos?: Qos;
}

/** One topic filter or several, each with a QoS of its own if it needs one. */
export type TopicsInput = string | TopicInput | readonly (string | TopicInput)[];

/** What a record’s data is where a source takes more than one topic. */
export interface MqttEnvelope {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** The decoded value. */
  readonly payload: unknown;
  /** MQTT 5. */
  readonly properties?: MqttMessageProperties;
}

const topicSchema = z.string({ error: 'must be a topic filter' }).superRefine((filter, context) => {
  const problem = filterProblem(filter);
  if (problem !== null) context.addIssue({ code: 'custom', message: problem });
});
const topicWithQosSchema = z.strictObject({ topic: topicSchema, qos: qosSchema.optional() });

/** Reads every way of writing topics. By hand rather than as a union, whose errors name no place. */
const topicsSchema = z.custom<TopicsInput>().transform((input, context): TopicInput[] => {
  const items: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (items.length === 0) context.addIssue({ code: 'custom', message: 'must name at least one topic' });
  const topics: TopicInput[] = [];
  for (const [index, item] of items.entries()) {
    const path = Array.isArray(input) ? [index] : [];
    const result = topicWithQosSchema.safeParse(typeof item === 'string' ? { topic: item } : item);
    if (result.success) {
      const { topic, qos } = result.data;
      if (topics.some((other) => other.topic === topic)) {
        context.addIssue({ code: 'custom', path, message: `names "${topic}" twice` });
      }
      topics.push(qos === undefined ? { topic } : { topic, qos });
      continue;
    }
    const [issue] = result.error.issues;
    const place = typeof item === 'object' && item !== null ? (issue?.path ?? []) : [];
    const message = typeof item === 'object' || typeof item === 'string' ? issue?.message : undefined;
    context.addIssue({
      code: 'custom',
      path: [...path, ...place],
      message: message ?? 'must be a topic filter, { topic, qos }, or a list of these',
    });
  }
  return topics;
});

const { url: urlSchema, ...linkShape } = connectionShape;

export const mqttSourceSchema = sourceSchema({
  url: urlSchema.optional(),
  ...linkShape,
  connection: z
    .custom<MqttConnection>(isMqttConnection, 'must be a connection made by mqttConnection()')
    .optional(),
  topics: topicsSchema,
  qos: qosSchema.default(1).describe('0, 1 or 2, for topics without their own. 0 may lose messages.'),
  sharedGroup: shareGroupSchema
    .optional()
    .describe('Shares the topics with the other members of this group.'),
  envelope: z
    .boolean()
    .optional()
    .describe(
      'Whether the data is `{ topic, qos, retain, payload }`. Default: where there is more ' +
        'than one topic, or a wildcard.',
    ),
  decode: decodeSchema.default('json'),
}).superRefine((options, context) => {
  if (options.sharedGroup !== undefined && options.topics.some(({ topic }) => isShared(topic))) {
    context.addIssue({
      code: 'custom',
      path: ['sharedGroup'],
      message: 'a topic already names a group by "$share/"; name it in one place',
    });
  }
  if (options.connection === undefined) {
    checkConnection(options, context);
    return;
  }
  const doubled = Object.keys(connectionShape).find(
    (name) => options[name as keyof typeof connectionShape] !== undefined,
  );
  if (doubled !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['connection'],
      message: `"${doubled}" belongs to the connection; give it to mqttConnection() instead`,
    });
  }
});

export type MqttSourceInput = z.input<typeof mqttSourceSchema>;
type MqttSourceOptions = z.output<typeof mqttSourceSchema>;

/** A source of MQTT messages (3.1.1 and 5).
 *
 *  Options, beside those of every source:
 *  - `url`: `mqtt://`, `mqtts://`, `ws://` or `wss://`; credentials may stand in it.
 *  - `topics`: one filter or several, as text or `{ topic, qos }`; wildcards `+` and `#`.
 *  - `qos` (default 1): for topics without their own. 0 may lose messages, 1 and 2 do not while the session
 *    lasts.
 *  - `protocolVersion` (default 4): 4 is MQTT 3.1.1, 5 is MQTT 5.
 *  - `clean` (default true). With false the broker keeps the session, and what is published while the source
 *    is away comes later; needs a `clientId` that never changes. MQTT 5 keeps it for `sessionExpirySeconds`
 *    (default one day). Topics taken off a source are unsubscribed at its next connection; the session of a
 *    source that is deregistered, or gets another client id, is ended.
 *  - `clientId`, `username`, `password`, `tls` (`ca`, `cert`, `key` as PEM; `rejectUnauthorized`), `will`.
 *  - `sharedGroup`: sources of one group, on any gateway, share the messages among them. MQTT 5; some
 *    brokers, like Mosquitto, offer it with 3.1.1 too, others take it for a topic of that name.
 *  - `envelope`: whether a record’s data is an {@link MqttEnvelope} or the decoded payload alone. By default
 *    the payload alone where there is exactly one topic and it has no wildcards, so that the topic is known
 *    anyway.
 *  - `keepaliveSeconds` (default 60), `connectTimeoutMs` (default 10,000), `receiveMaximum` (MQTT 5).
 *  - `payloadBytesMax` (default 8 MiB): a larger message is read over, and is a dead letter that names its
 *    topic and size and keeps its first 1,024 bytes (HG_READ_TOO_LARGE); so is one with a malformed topic.
 *  - `brokerLosses` (default false): also reads Mosquitto’s counter of messages it has thrown away, and
 *    raises an alert (`BROKER_LOST_MESSAGES`) when it rises. It counts for all clients of the broker.
 *  - `decode` (default `'json'`).
 *  - `connection`: made by {@link mqttConnection}, instead of all options about the link.
 *
 *  Acknowledgement: a message of QoS 1 or 2 is acknowledged when every record of it has come to its end:
 *  stored, left out by a stage or a limit, or kept as a dead letter. Meanwhile reading goes on up to a bound
 *  (16,384 messages, 64 MiB); acknowledgements leave in the order of the messages. If a record is lost before
 *  it is stored, the link is closed and opened again, so that a kept session brings its message once more.
 *
 *  Back-pressure: while the outlet is full nothing is read, but the link is kept alive. After half the
 *  keepalive without room the link is closed (HG_LINK_LOST) and opened again after a wait: with a kept
 *  session and QoS 1 or 2 nothing is lost as long as the broker’s queue holds it (Mosquitto:
 *  max_queued_messages).
 *
 *  Delivery is at least once for QoS 1 and 2: a message acknowledged too late comes again.
 *
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function mqttSource(input: MqttSourceInput): SourceSpec {
  const options = resolveOptions(mqttSourceSchema, input, 'mqttSource');
  const { url, connectTimeoutMs } = options;
  const connection =
    options.connection ??
    createConnection(
      resolveConnection({ ...options, url: url as string, connectTimeoutMs }),
      options.transport ?? mqttJsTransport,
    );
  const { decode, take } = intakeOf(options);
  const subscriptions = subscriptionsOf(options);
  const member = connection.join({ address: memberAddress(options), subscriptions, take });
  const { keeps } = member;
  return sourceSpec('mqtt', options, decode, {
    connects: true,
    target: connection.url,
    // A broker keeps what is not acknowledged, and drops messages without acknowledgement for a slow client.
    canWait: subscriptions.every(({ qos }) => qos > 0),
    stream: (io) => member.run(io),
    ...(keeps === undefined ? {} : { keeps, farewell: (io) => member.farewell(io) }),
  });
}

function subscriptionsOf({ topics, qos, sharedGroup }: MqttSourceOptions): MqttSubscription[] {
  return topics.map((entry) => ({
    filter: sharedGroup === undefined ? entry.topic : sharedFilter(sharedGroup, entry.topic),
    qos: entry.qos ?? qos,
  }));
}

/** How messages become records: the payload as it is, or each of its values in an envelope. */
function intakeOf({ decode: format, topics, envelope }: MqttSourceOptions): {
  decode: DecodeFunction;
  take: TakeMessage;
} {
  const decoder = payloadDecoder({ format });
  const isTable = format === 'ndjson' || format === 'csv';
  // Code that is not ours may keep what it is given.
  const payloadOf = ({ payload }: MqttMessage) =>
    typeof format === 'function' ? new Uint8Array(payload) : payload;
  const [only] = topics;
  const enveloped = envelope ?? (topics.length > 1 || only === undefined || hasWildcard(only.topic));
  const rejections = decodeErrorReporter(decoder.decode);
  const reject = (io: SourceIo, message: MqttMessage, error: HeadgateError, meta: RecordMeta): boolean =>
    rejections.reject(io, message.payload, error, meta);
  if (!enveloped) {
    return {
      decode: rejections.decode,
      take(io, message, receipt) {
        const meta = metaOf(message, receipt);
        if (message.rejection !== undefined) return reject(io, message, message.rejection, meta);
        // The usual case: a message is a record.
        if (!isTable) return io.receive(payloadOf(message), meta);
        return decoder.receive(io, message.payload, meta);
      },
    };
  }
  /** Takes the place of the source’s io: decodes here, since only here the topic is known. */
  const receive = (io: SourceIo, message: MqttMessage, payload: Uint8Array, meta: RecordMeta): boolean => {
    let values: readonly unknown[];
    try {
      values = decoder.decode(payload, meta.contentType);
    } catch (error) {
      return rejections.reject(io, payload, asDecodeError(error), meta);
    }
    // The usual case: a message is a record.
    if (values.length === 1) return io.emit(envelopeOf(message, values[0]), meta);
    return io.emitAll(
      values.map((value) => envelopeOf(message, value)),
      meta,
    );
  };
  const enveloping = (io: SourceIo, message: MqttMessage): Parameters<typeof decoder.receive>[0] => ({
    emitAll: (values, meta) =>
      io.emitAll(
        values.map((value) => envelopeOf(message, value)),
        meta,
      ),
    receive(payload, meta = {}) {
      const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
      return receive(io, message, bytes, meta);
    },
    readSucceeded: () => io.readSucceeded(),
  });
  return {
    decode: rejections.decode,
    take(io, message, receipt) {
      const meta = metaOf(message, receipt);
      if (message.rejection !== undefined) return reject(io, message, message.rejection, meta);
      if (!isTable) return receive(io, message, payloadOf(message), meta);
      return decoder.receive(enveloping(io, message), message.payload, meta);
    },
  };
}

/** A class for the reason that a record is one ({@link ArrivedRecord}). */
class Envelope implements MqttEnvelope {
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly payload: unknown;

  constructor(topic: string, qos: Qos, retain: boolean, payload: unknown) {
    this.topic = topic;
    this.qos = qos;
    this.retain = retain;
    this.payload = payload;
  }

  /** Its fields are all there is to it: it is stored as a plain object is. */
  get [PLAIN_DATA](): true {
    return true;
  }
}

/** The data of a record that one message gives. `payload` is the decoded value. */
export function envelopeOf(
  { topic, qos, retain, properties }: Omit<MqttMessage, 'payload' | 'dup'>,
  payload: unknown,
): MqttEnvelope {
  return properties === undefined
    ? new Envelope(topic, qos, retain, payload)
    : { topic, qos, retain, payload, properties };
}

const NO_META: RecordMeta = {};

function metaOf({ properties }: MqttMessage, receipt: Receipt | undefined): RecordMeta {
  const contentType = properties?.contentType;
  if (receipt === undefined) return contentType === undefined ? NO_META : { contentType };
  return contentType === undefined ? { receipt } : { contentType, receipt };
}
