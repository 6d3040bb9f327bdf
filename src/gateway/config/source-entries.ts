/** The section `sources`: what the factories of the kinds take, with expressions and modules in the place of
 *  functions. Nothing of a kind is written twice: its fields come from its own schema. */

import { z } from 'zod';
import { fileSourceSchema } from '../../../actors/sources/file/file-source.ts';
import { httpSourceSchema } from '../../../actors/sources/http/http-source.ts';
import { qosSchema } from '../../../actors/protocols/mqtt/options.ts';
import { mqttSourceSchema } from '../../../actors/sources/mqtt/mqtt-source.ts';
import { pushSourceSchema } from '../../../actors/sources/push-source.ts';
import { simulatedSourceSchema } from '../../../actors/sources/simulated-source.ts';
import { webSocketSourceSchema } from '../../../actors/sources/websocket-source.ts';
import { sourceIdSchema } from '../../config/source-options.ts';
import {
  ARRIVING_RECORD,
  decodeField,
  expressionField,
  limitField,
  moduleField,
  SIMULATED_RECORD,
  tlsField,
  willField,
  without,
} from './fields.ts';

const type = <Type extends string>(name: Type, meaning: string) => z.literal(name).describe(meaning);

const required = z
  .boolean()
  .default(false)
  .describe('True: the gateway counts as ready only while this source is connected.');

const common = {
  required,
  rateLimit: limitField
    .nullable()
    .default(null)
    .describe('A limit of its own, beside the one for all; null: that of `limits.perSource`, if any.'),
  dedupKey: expressionField(ARRIVING_RECORD)
    .nullable()
    .default(null)
    .describe('An expression that gives what makes a record the same as an earlier one of its source.'),
};

const decode = decodeField.default('json').describe('How payloads become records.');

const topicField = z.union([
  z.string(),
  z.strictObject({
    topic: z.string().describe('A topic filter; `+` and `#` are wildcards.'),
    qos: qosSchema.optional().describe('Default: the `qos` of the source.'),
  }),
]);

const mqtt = z.strictObject({
  type: type('mqtt', 'Messages of an MQTT broker (3.1.1 and 5).'),
  ...without(mqttSourceSchema.shape, ['id', 'transport', 'connection']),
  ...common,
  url: z.string().describe('`mqtt://`, `mqtts://`, `ws://` or `wss://`, host and port.'),
  topics: z
    .union([topicField, z.array(topicField).min(1)])
    .describe('One topic filter or several, as text or `{ topic, qos }`.'),
  tls: tlsField.optional().describe('With `mqtts` and `wss`.'),
  will: willField.optional().describe('What the broker publishes when the connection is lost.'),
  decode,
});

const http = z.strictObject({
  type: type('http', 'Asks an HTTP server at an interval.'),
  ...without(httpSourceSchema.shape, ['id', 'transport']),
  ...common,
  body: z.string().nullable().default(null).describe('What is sent along, with POST and PUT.'),
  tls: tlsField.optional().describe('With `https`.'),
  decode,
});

const file = z.strictObject({
  type: type('file', 'Reads a file line by line: once, or on and on as it grows.'),
  ...without(fileSourceSchema.shape, ['id']),
  ...common,
});

const websocket = z.strictObject({
  type: type('websocket', 'Takes the messages that a WebSocket server sends.'),
  ...without(webSocketSourceSchema.shape, ['id']),
  ...common,
  tls: tlsField.optional().describe('With `wss`.'),
  decode,
});

const push = z.strictObject({
  type: type('push', 'Takes what is sent to `/api/ingest/ID`, by POST or WebSocket.'),
  ...without(pushSourceSchema.shape, ['id']),
  ...common,
  decode,
});

const simulated = z.strictObject({
  type: type('simulated', 'Makes records by itself, for trying things out.'),
  ...without(simulatedSourceSchema.shape, ['id', 'type', 'stream', 'value']),
  ...common,
  shownType: z.string().min(1).optional().describe('The kind that tables show. Default: simulated.'),
  value: expressionField(SIMULATED_RECORD)
    .optional()
    .describe(
      'An expression over `n`, the number of the record from 1, and `random`, in [0, 1), that gives ' +
        'the data. Default: `{ n, value }`, value in [0, 100).',
    ),
});

const module = z.strictObject({
  type: type('module', 'A kind of your own: code that makes a source.'),
  required,
  module: moduleField.describe('A function `({ id, …options }) => source`, as `defineSource` gives one.'),
  options: z.record(z.string(), z.unknown()).default({}).describe('What the function is given beside `id`.'),
});

export const sourceEntrySchema = z.discriminatedUnion('type', [
  mqtt,
  http,
  file,
  websocket,
  push,
  simulated,
  module,
]);

export const sourcesSchema = z
  .record(sourceIdSchema, sourceEntrySchema)
  .default({})
  .describe('Where records come from: the id of each source and what it is.');

export type SourceEntry = z.output<typeof sourceEntrySchema>;
