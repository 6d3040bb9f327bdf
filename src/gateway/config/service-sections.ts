/** The sections about the process around the engine: `http`, `auth`, `logging`, `control`, `metrics`. */

import { z } from 'zod';
import { checkConnection, connectionShape } from '../../../actors/protocols/mqtt/options.ts';
import { milliseconds, nameSchema } from '../../config/source-options.ts';
import { tlsField } from './fields.ts';

const MIB = 1024 * 1024;
const count = (min = 1) => z.number().int().min(min);
const bytes = count().max(2 ** 40);
/** Each may hold a message (256 KiB) beyond what may wait for its commit: 1 GiB. */
const SOCKETS_MAX = 4_096;

const limits = z
  .strictObject({
    bodyBytesMax: bytes.default(MIB).describe('Bytes of a body sent to the control API.'),
    ingestBytesMax: bytes.default(256 * MIB).describe('Bytes of one ingest body, which is streamed.'),
    headerBytesMax: count(1_024)
      .max(MIB)
      .default(16 * 1024)
      .describe('Bytes of the headers of a request.'),
    depthMax: count().max(1_000).default(64).describe('How deep a JSON body may nest.'),
    connectionsMax: count().default(1_024).describe('Connections at a time.'),
    connectionsPerAddressMax: count().default(256).describe('Connections at a time from one address.'),
    requestsPerSecondMax: count().default(1_000).describe('Requests a second from one address.'),
    failedLoginsPerMinuteMax: count().default(10).describe('Wrong tokens a minute from one address.'),
    requestTimeoutMs: milliseconds(100)
      .default(30_000)
      .describe('A request has to be there, headers and body, after so long.'),
    uploadBytesPerSecondMin: count(0)
      .default(128)
      .describe(
        'Bytes a second that an ingest body has to come with, on average, after requestTimeoutMs; 0: none.',
      ),
    liveClientsMax: count()
      .default(128)
      .describe('Listeners to live events at a time; one client gets as many as are left free.'),
    liveClientBytesMax: bytes
      .default(MIB)
      .describe('Bytes that may wait for one such listener; a slower one is cut off.'),
    socketsMax: count()
      .max(SOCKETS_MAX)
      .default(256)
      .describe('Ingest WebSockets at a time; one client gets as many as are left free.'),
    messagesPerSecondMax: count()
      .default(5_000)
      .describe('Messages a second of one ingest WebSocket; beyond, it is not read for the rest of it.'),
  })
  .prefault({})
  .describe('Bounds on what clients may ask for.');

export const httpSection = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether there is an HTTP server at all.'),
    host: z
      .string()
      .min(1)
      .default('127.0.0.1')
      .describe(
        'The address to listen on. Beyond loopback it takes tokens and TLS, or being told otherwise.',
      ),
    port: z.number().int().min(0).max(65_535).default(8484).describe('The port; 0: any free one.'),
    tls: z
      .strictObject({
        certFile: z
          .string()
          .min(1)
          .describe('PEM file of the certificate, with those between it and its authority.'),
        keyFile: z.string().min(1).describe('PEM file of the private key, readable by its owner alone.'),
      })
      .nullable()
      .default(null)
      .describe('Certificate and key; null: plain HTTP.'),
    allowedHosts: z
      .array(z.string().min(1))
      .default([])
      .describe('Names, beside those of the address itself, by which clients may call the server.'),
    allowedOrigins: z
      .array(z.string().min(1))
      .default([])
      .describe('Origins whose pages may ask, beside its own.'),
    allowOpen: z
      .boolean()
      .default(false)
      .describe('True: listens beyond loopback without tokens, open to everybody who reaches it.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('True: listens beyond loopback without TLS; what is said can be read on the way.'),
    limits,
  })
  .prefault({})
  .describe('The HTTP server: control API, ingest, metrics.');

const token = z.strictObject({
  name: nameSchema.describe('Who it is for; the timeline names it.'),
  hash: z
    .string()
    .regex(
      /^sha256:[0-9a-f]{64}$/,
      'must be "sha256:" and 64 hex digits, as "headgate token create" prints it',
    )
    .describe('The SHA-256 of the token, as `headgate token create` prints it. Never the token itself.'),
  scopes: z
    .array(z.enum(['read', 'ingest', 'operate', 'admin']))
    .min(1)
    .describe('What it allows: `read` looks, `ingest` sends records, `operate` commands, `admin` all.'),
  expiresAt: z
    .string()
    .refine((text) => /^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(Date.parse(text)), {
      message: 'must be a date such as 2027-01-31 or 2027-01-31T12:00:00Z',
    })
    .nullable()
    .default(null)
    .describe('When it stops being good, ISO 8601; null: never.'),
  sources: z
    .array(z.string().min(1))
    .nullable()
    .default(null)
    .describe('With `ingest`: the sources it may send records to; null: all.'),
});

export const authSection = z
  .strictObject({
    tokens: z
      .array(token)
      .default([])
      .describe('Who may ask, and for what. Without any, everybody on loopback may.'),
    open: z
      .boolean()
      .default(false)
      .describe(
        'True: the gateway runs without tokens although it had some before. Without it, a version that ' +
          'takes the last token away is refused.',
      ),
  })
  .refine(({ tokens, open }) => !open || tokens.length === 0, {
    path: ['open'],
    message: 'opens a gateway without tokens, and there are some; remove "open", or remove the tokens',
  })
  .prefault({})
  .describe('Tokens of the HTTP server.');

export const loggingSection = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .describe('The least weighty sort of line that is written.'),
    format: z
      .enum(['auto', 'json', 'pretty'])
      .default('auto')
      .describe(
        '`json`: an object a line. `pretty`: for people. ' +
          '`auto`: for people where the log goes to a terminal.',
      ),
  })
  .prefault({})
  .describe('Log lines, on stderr.');

const { url, protocolVersion, clientId, username, password, keepaliveSeconds } = connectionShape;

export const controlSection = z
  .strictObject({
    mqtt: z
      .strictObject({
        ...{ url, protocolVersion, clientId, username, password, keepaliveSeconds },
        tls: tlsField.optional().describe('With `mqtts` and `wss`.'),
        topic: z.string().min(1).default('headgate/control').describe('Where commands are listened for.'),
        replyTopic: z
          .string()
          .min(1)
          .default('headgate/control/reply')
          .describe('Where answers go, unless a command names a topic of its own.'),
        qos: z.literal([0, 1]).default(1).describe('Of the subscription and of the answers.'),
        allowOpen: z
          .boolean()
          .default(false)
          .describe('True: takes commands without tokens from a broker on another machine.'),
        allowPlaintext: z
          .boolean()
          .default(false)
          .describe('True: takes commands without TLS from a broker on another machine.'),
      })
      .superRefine(checkConnection)
      .nullable()
      .default(null)
      .describe('Registry messages over MQTT; null: none are taken.'),
  })
  .prefault({})
  .describe('Other ways to command the gateway.');

export const metricsSection = z
  .strictObject({
    otlp: z
      .strictObject({
        url: z
          .string()
          .refine(
            (text) => URL.canParse(text) && /^https?:/.test(text),
            'must be an http:// or https:// address',
          )
          .describe('The address of the collector, such as `http://127.0.0.1:4318/v1/metrics`.'),
        intervalMs: milliseconds(100).default(10_000).describe('How often they are sent.'),
        timeoutMs: milliseconds(100).default(10_000).describe('How long one sending may take.'),
        headers: z.record(z.string(), z.string()).default({}).describe('Headers to send along, by name.'),
      })
      .nullable()
      .default(null)
      .describe('Sends the metrics to an OpenTelemetry collector as well; null: not.'),
  })
  .prefault({})
  .describe('Metrics beyond `/metrics`.');
