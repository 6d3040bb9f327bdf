/** The section `sinks`: what the factories of the kinds take, with expressions and modules in the place of
 *  functions. */

import { z } from 'zod';
import { fileSinkSchema } from '../../../actors/sinks/file/file-sink.ts';
import { httpSinkSchema } from '../../../actors/sinks/http-sink.ts';
import { jetStreamSinkSchema } from '../../../actors/sinks/jetstream/jetstream-sink.ts';
import { mqttSinkSchema } from '../../../actors/sinks/mqtt/mqtt-sink.ts';
import { nameSchema } from '../../config/source-options.ts';
import { sinkSchema } from '../../config/sink-options.ts';
import { expressionField, moduleField, SINK_RECORD, tlsField, willField, without } from './fields.ts';

const type = <Type extends string>(name: Type, meaning: string) => z.literal(name).describe(meaning);

const common = {
  filter: expressionField(SINK_RECORD, 'bool')
    .nullable()
    .default(null)
    .describe('An expression: only records for which it is true are delivered.'),
  transform: expressionField(SINK_RECORD)
    .nullable()
    .default(null)
    .describe('An expression that gives the data to deliver, in the place of the record’s own.'),
};

const file = z.strictObject({
  type: type('file', 'Writes records to a file, as NDJSON or CSV.'),
  ...without(fileSinkSchema.shape, ['id']),
  ...common,
});

const http = z.strictObject({
  type: type('http', 'Posts batches of records to an HTTP server.'),
  ...without(httpSinkSchema.shape, ['id']),
  ...common,
  tls: tlsField.optional().describe('With `https`.'),
});

const mqtt = z.strictObject({
  type: type('mqtt', 'Publishes records to an MQTT broker.'),
  ...without(mqttSinkSchema.shape, ['id']),
  ...common,
  tls: tlsField.optional().describe('With `mqtts` and `wss`.'),
  will: willField.optional().describe('What the broker publishes when the connection is lost.'),
});

const jetstream = z.strictObject({
  type: type('jetstream', 'Publishes records to a stream of NATS JetStream.'),
  ...without(jetStreamSinkSchema.shape, ['id']),
  ...common,
  tls: tlsField.optional().describe('For servers that speak TLS.'),
});

const functionEntry = z.strictObject({
  type: type('function', 'A function of your own gets the batches.'),
  ...without(sinkSchema({}).shape, ['id']),
  ...common,
  deliver: moduleField.describe('A function `(records, io) => rejections or nothing`.'),
});

const module = z.strictObject({
  type: type('module', 'A kind of your own: code that makes a sink.'),
  module: moduleField.describe('A function `({ id, …options }) => sink`, as `defineSink` gives one.'),
  options: z.record(z.string(), z.unknown()).default({}).describe('What the function is given beside `id`.'),
});

export const sinkEntrySchema = z.discriminatedUnion('type', [
  file,
  http,
  mqtt,
  jetstream,
  functionEntry,
  module,
]);

export const sinksSchema = z
  .record(nameSchema, sinkEntrySchema)
  .default({})
  .describe('Where records go: the id of each sink and what it is.');

export type SinkEntry = z.output<typeof sinkEntrySchema>;
