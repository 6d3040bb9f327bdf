/** The options of MQTT sources and shared connections: their schemas, the checks that concern several options
 *  at once, and what they come to. */

import { z } from 'zod';
import { milliseconds } from '../../../src/config/source-options.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { shareGroupProblem, topicProblem } from './topics.ts';
import type { TlsOptions } from '../socket/open-socket.ts';
import { tlsSchema } from '../socket/tls-options.ts';
import type { MqttLinkOptions, MqttTransport } from './transport.ts';

/** Default of `keepaliveSeconds`. */
const KEEPALIVE_SECONDS = 60;
/** Default of `sessionExpirySeconds` where the session is kept: one day. */
const SESSION_EXPIRY_SECONDS = 86_400;
const CONNECT_TIMEOUT_MS = 10_000;

export const qosSchema = z.literal([0, 1, 2], { error: 'must be 0, 1 or 2' });

export const willSchema = z.strictObject({
  topic: z.string().superRefine(refuse(topicProblem)).describe('Where it is published.'),
  payload: z
    .union([z.string(), z.custom<Uint8Array>((value) => value instanceof Uint8Array)], {
      error: 'must be text or bytes',
    })
    .describe('What it says.'),
  qos: qosSchema.default(0).describe('0, 1 or 2.'),
  retain: z.boolean().default(false).describe('Whether the broker keeps it.'),
});

/** Options of a connection. All may be left out but the url; a source takes each of them too. */
export const connectionShape = {
  url: z.string().describe('`mqtt://`, `mqtts://`, `ws://` or `wss://`, host and port.'),
  protocolVersion: z
    .literal([4, 5], { error: 'must be 4 (MQTT 3.1.1) or 5' })
    .optional()
    .describe('4 is MQTT 3.1.1, 5 is MQTT 5. Default: 4.'),
  clientId: z
    .string()
    .min(1, 'must not be empty; leave it out to let the broker choose one')
    .optional()
    .describe('The name of the client; default: the broker chooses one. A kept session needs one.'),
  username: z.string().optional().describe('The user to log in as.'),
  password: z.string().optional().describe('The password.'),
  tls: tlsSchema.optional(),
  will: willSchema.optional().describe('What the broker publishes when the connection is lost.'),
  clean: z
    .boolean()
    .optional()
    .describe(
      'False: the broker keeps the session, so that what is published meanwhile comes ' +
        'later. Default: true.',
    ),
  sessionExpirySeconds: z
    .number()
    .int()
    .min(1)
    .max(0xffff_ffff)
    .optional()
    .describe('With MQTT 5 and `clean: false`: how long the session is kept. Default: a day.'),
  keepaliveSeconds: z
    .number()
    .int()
    .min(1)
    .max(0xffff)
    .optional()
    .describe('How often the broker is asked for a sign of life. Default: 60.'),
  receiveMaximum: z
    .number()
    .int()
    .min(1)
    .max(0xffff)
    .optional()
    .describe('With MQTT 5: messages of QoS 1 and 2 under way at once.'),
  payloadBytesMax: z
    .number()
    .int()
    .min(1)
    .max(LIMITS.payloadBytesMax)
    .optional()
    .describe('Bytes of one message; a larger one is refused. Default: 8 MiB.'),
  brokerLosses: z
    .boolean()
    .optional()
    .describe(
      'Whether to watch the counters by which brokers tell of messages they dropped. Default: false.',
    ),
  transport: z
    .custom<MqttTransport>((value) => typeof value === 'function', 'must be a function, an MqttTransport')
    .optional(),
};

export const connectionSchema = z
  .strictObject({ ...connectionShape, connectTimeoutMs: milliseconds(1).optional() })
  .superRefine(checkConnection);

/** What a user may write for a connection. */
export type MqttConnectionInput = z.input<typeof connectionSchema>;
type ConnectionFields = z.output<typeof connectionSchema>;
type Loose<Fields> = { readonly [Name in keyof Fields]?: Fields[Name] | undefined };

export const shareGroupSchema = z.string().superRefine(refuse(shareGroupProblem));

/** A refinement out of a function that names the problem. */
export function refuse(problemOf: (text: string) => string | null) {
  return (text: string, context: z.RefinementCtx): void => {
    const problem = problemOf(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  };
}

const SCHEMES: readonly string[] = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];

function schemeProblem(url: URL | null): string | null {
  if (url === null || !SCHEMES.includes(url.protocol) || url.hostname === '') {
    return 'must be a URL like mqtt://host:1883; schemes are mqtt, mqtts, ws and wss';
  }
  const overTcp = url.protocol.startsWith('mqtt');
  if (overTcp && (!['', '/'].includes(url.pathname) || url.search !== '')) {
    return 'takes no path and no query with mqtt and mqtts; give options by their names';
  }
  return url.hash === '' ? null : 'takes no fragment';
}

/** Checks what no single option shows. No message quotes the url: it may bear a password. */
export function checkConnection(fields: Loose<ConnectionFields>, context: z.RefinementCtx): void {
  const refuseField = (field: keyof ConnectionFields, message: string) =>
    context.addIssue({ code: 'custom', path: [field], message });
  const url = fields.url === undefined || !URL.canParse(fields.url) ? null : new URL(fields.url);
  const problem = schemeProblem(url);
  if (problem !== null || url === null) {
    refuseField('url', problem ?? 'must be a URL');
    return;
  }
  const credentialsInUrl = url.username !== '' || url.password !== '';
  if (credentialsInUrl && (fields.username !== undefined || fields.password !== undefined)) {
    refuseField('url', 'bears credentials although username or password is given; give them in one place');
  }
  if (fields.tls !== undefined && !isSecure(url))
    refuseField('tls', 'needs a url that begins with mqtts:// or wss://');
  const version = fields.protocolVersion ?? 4;
  const password = fields.password ?? url.password;
  const username = fields.username ?? url.username;
  if (version === 4 && password !== '' && username === '') {
    refuseField('password', 'MQTT 3.1.1 takes no password without a username');
  }
  if (fields.clean === false && fields.clientId === undefined) {
    refuseField(
      'clientId',
      'clean: false keeps a session at the broker, which needs a clientId that never changes',
    );
  }
  if (fields.sessionExpirySeconds !== undefined && (version !== 5 || fields.clean !== false)) {
    refuseField('sessionExpirySeconds', 'needs protocolVersion: 5 and clean: false');
  }
  if (fields.receiveMaximum !== undefined && version !== 5) {
    refuseField('receiveMaximum', 'needs protocolVersion: 5');
  }
}

function isSecure(url: URL): boolean {
  return url.protocol === 'mqtts:' || url.protocol === 'wss:';
}

/** A connection with every option resolved. Stays inside closures: it bears the password. */
export interface ResolvedConnection extends Omit<MqttLinkOptions, 'session'> {
  readonly brokerLosses: boolean;
  readonly connectTimeoutMs: number;
}

/** Fills in the defaults and takes the credentials out of the url. */
export function resolveConnection(fields: ConnectionFields): ResolvedConnection {
  const url = new URL(fields.url);
  const username = fields.username ?? decodeURIComponent(url.username);
  const password = fields.password ?? decodeURIComponent(url.password);
  url.username = '';
  url.password = '';
  const clean = fields.clean ?? true;
  return {
    url,
    protocolVersion: fields.protocolVersion ?? 4,
    clientId: fields.clientId ?? '',
    username: username === '' ? undefined : username,
    password: password === '' ? undefined : password,
    tls: fields.tls as TlsOptions | undefined,
    will: fields.will,
    clean,
    sessionExpirySeconds: clean ? 0 : (fields.sessionExpirySeconds ?? SESSION_EXPIRY_SECONDS),
    keepaliveSeconds: fields.keepaliveSeconds ?? KEEPALIVE_SECONDS,
    receiveMaximum: fields.receiveMaximum,
    payloadBytesMax: fields.payloadBytesMax ?? LIMITS.payloadBytesMax,
    brokerLosses: fields.brokerLosses ?? false,
    connectTimeoutMs: fields.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
  };
}
