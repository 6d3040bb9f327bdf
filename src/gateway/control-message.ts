/** Messages of the control topic: what each may say, and the scope it takes. */

import { z } from 'zod';
import { resolveOptions } from '../config/resolve-options.ts';
import { HeadgateError } from '../domain/errors.ts';
import { nearestNames } from '../domain/nearest-names.ts';
import type { Scope } from '../http/http-deps.ts';
import { isDeeperThan, parseJson } from '../pipeline/decode/json.ts';
import { decodeText } from '../pipeline/decode/text.ts';

/** What stands beside a command, whatever it is. */
const envelope = {
  /** Where tokens are configured: one whose scopes allow the command. */
  token: z.string().max(1_024).optional(),
  /** Where the answer goes, and what it bears so that it is known; MQTT 5 has properties for both. */
  replyTo: z.string().optional(),
  correlationId: z.union([z.string().max(256), z.number()]).optional(),
};
const id = z.string().min(1).max(300);
const entry = z.looseObject({ type: z.string().min(1) }, 'must be an entry as in the configuration');
const mode = z.enum(['drain', 'now']).optional();
const deadlineMs = z.number().int().min(0).optional();

const bare = <Type extends string>(type: Type) => z.strictObject({ type: z.literal(type), ...envelope });
const withId = <Type extends string>(type: Type) => bare(type).extend({ id });
const withEntry = <Type extends string>(type: Type) => withId(type).extend({ entry });
const withEnd = <Type extends string>(type: Type) => withId(type).extend({ mode, deadlineMs });

const SCHEMAS = {
  'registry.list': bare('registry.list'),
  'registry.register': withEntry('registry.register'),
  'registry.update': withEntry('registry.update'),
  'registry.deregister': withEnd('registry.deregister'),
  'registry.pause': withId('registry.pause'),
  'registry.resume': withId('registry.resume'),
  'sinks.list': bare('sinks.list'),
  'sinks.register': withEntry('sinks.register'),
  'sinks.update': withEntry('sinks.update'),
  'sinks.deregister': withEnd('sinks.deregister'),
  'sinks.pause': withId('sinks.pause'),
  'sinks.resume': withId('sinks.resume'),
};

type Type = keyof typeof SCHEMAS;
export type ControlMessage = { [Name in Type]: z.output<(typeof SCHEMAS)[Name]> }[Type];

const TYPES = Object.keys(SCHEMAS) as Type[];
const DEPTH_MAX = 64;
/** Characters of a type that answers and rows repeat. */
const ECHO_CHARS_MAX = 100;

/** What can be read of any message, so that even a bad one can be answered. */
export interface Sender {
  readonly type: string;
  readonly id: string | undefined;
  readonly token: string | undefined;
  readonly replyTo: string | undefined;
  readonly correlationId: string | number | undefined;
}

const NOBODY: Sender = {
  ...{ type: '', id: undefined, token: undefined, replyTo: undefined, correlationId: undefined },
};

/** The object in a payload. @throws HeadgateError HG_DECODE_FAILED, HG_OPTION_INVALID */
export function parseControl(payload: Uint8Array): Readonly<Record<string, unknown>> {
  const text = decodeText(payload);
  if (isDeeperThan(DEPTH_MAX, text)) {
    throw new HeadgateError('HG_OPTION_INVALID', `the message is nested deeper than ${DEPTH_MAX} levels`);
  }
  const value = parseJson(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new HeadgateError('HG_OPTION_INVALID', 'a message must be an object with a type');
}

/** Never throws. */
export function senderOf(message: Readonly<Record<string, unknown>> | null): Sender {
  if (message === null) return NOBODY;
  const text = (value: unknown, charsMax: number) =>
    typeof value === 'string' ? value.slice(0, charsMax) : undefined;
  const { correlationId } = message;
  return {
    type: text(message['type'], ECHO_CHARS_MAX) ?? '',
    id: text(message['id'], ECHO_CHARS_MAX),
    token: text(message['token'], 1_024),
    replyTo: typeof message['replyTo'] === 'string' ? message['replyTo'] : undefined,
    correlationId: typeof correlationId === 'number' ? correlationId : text(correlationId, 256),
  };
}

/** @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function readControl(message: Readonly<Record<string, unknown>>): ControlMessage {
  const { type } = senderOf(message);
  const known = TYPES.find((one) => one === type);
  if (known !== undefined) return resolveOptions(SCHEMAS[known], message, known);
  const [near] = nearestNames(type, TYPES);
  const advice = near === undefined ? `known commands: ${TYPES.join(', ')}` : `did you mean "${near}"?`;
  throw new HeadgateError('HG_OPTION_INVALID', `unknown command "${type}"; ${advice}`, {
    details: { field: 'type' },
  });
}

/** As the API asks for them. */
export function scopeFor({ type }: ControlMessage): Scope {
  switch (type) {
    case 'registry.list':
    case 'sinks.list':
      return 'read';
    case 'registry.pause':
    case 'registry.resume':
    case 'sinks.pause':
    case 'sinks.resume':
      return 'operate';
    case 'registry.register':
    case 'registry.update':
    case 'registry.deregister':
    case 'sinks.register':
    case 'sinks.update':
    case 'sinks.deregister':
      return 'admin';
  }
}
