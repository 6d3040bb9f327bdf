/** Commands as messages: what `engine.send` takes, and how it is understood. */

import { z } from 'zod';
import { resolveOptions } from '../../config/resolve-options.ts';
import { errorFacts, messageOf } from '../../domain/errors.ts';
import { nearestNames } from '../../domain/nearest-names.ts';
import type { SinkSpec } from '../../domain/sink.ts';
import type { SourceSpec } from '../../domain/source.ts';
import type { DeregisterOptions, DeregisterSinkOptions } from '../engine-report.ts';
import type { AnyCommand } from '../pending-requests.ts';
import { requireSinkSpec, requireSpec } from './check-spec.ts';

/** `cause`: the `seq` of the row of the timeline that led to the command. */
export type Command = { readonly cause?: number } & (
  | { readonly type: 'registry.register' | 'registry.update'; readonly spec: SourceSpec }
  | ({ readonly type: 'registry.deregister'; readonly id: string } & DeregisterOptions)
  | { readonly type: 'registry.pause' | 'registry.resume'; readonly id: string }
  | { readonly type: 'registry.list' | 'sinks.list' }
  /** Towards one source: the same as the registry's commands for it. */
  | { readonly type: 'source.pause' | 'source.resume' | 'source.stop'; readonly id: string }
  | { readonly type: 'source.drain'; readonly id: string; readonly deadlineMs?: number }
  | { readonly type: 'sinks.register' | 'sinks.update'; readonly spec: SinkSpec }
  | ({ readonly type: 'sinks.deregister'; readonly id: string } & DeregisterSinkOptions)
  | { readonly type: 'sinks.pause' | 'sinks.resume'; readonly id: string }
);

export type ParsedCommand =
  | { readonly command: AnyCommand }
  | { readonly command: null; readonly type: string; readonly problem: string };

const idOf = (what: string) => z.string(`must be the id of a ${what}`).min(1, `must be the id of a ${what}`);
const id = idOf('source');
const sinkId = idOf('sink');
const deadlineMs = z.number('must be a number of milliseconds, 0 or more').min(0).optional();
const type = z.string();
const cause = z
  .int('must be the seq of a row of the timeline')
  .min(1, 'must be the seq of a row of the timeline')
  .optional();
const keepCursor = z.boolean('must be true or false').optional();
const mode = z.enum(['drain', 'now'], 'must be "drain" or "now"').optional();

/** What each command may carry. */
const SCHEMAS = {
  'registry.register': z.strictObject({ type, cause, spec: z.unknown() }),
  'registry.update': z.strictObject({ type, cause, spec: z.unknown() }),
  'registry.deregister': z.strictObject({ type, cause, id, mode, deadlineMs }),
  'registry.pause': z.strictObject({ type, cause, id }),
  'registry.resume': z.strictObject({ type, cause, id }),
  'registry.list': z.strictObject({ type, cause }),
  'source.pause': z.strictObject({ type, cause, id }),
  'source.resume': z.strictObject({ type, cause, id }),
  'source.drain': z.strictObject({ type, cause, id, deadlineMs }),
  'source.stop': z.strictObject({ type, cause, id }),
  'sinks.register': z.strictObject({ type, cause, spec: z.unknown() }),
  'sinks.update': z.strictObject({ type, cause, spec: z.unknown() }),
  'sinks.deregister': z.strictObject({ type, cause, id: sinkId, mode, deadlineMs, keepCursor }),
  'sinks.pause': z.strictObject({ type, cause, id: sinkId }),
  'sinks.resume': z.strictObject({ type, cause, id: sinkId }),
  'sinks.list': z.strictObject({ type, cause }),
} satisfies Record<Command['type'], z.ZodType>;

const TYPES = Object.keys(SCHEMAS) as Command['type'][];

/** Characters of an unknown command's type, or of an id that is none, that rows and messages repeat. */
const ECHO_CHARS_MAX = 100;

/** Understands a command, or says why it cannot. A command of a known type whose content is wrong goes to the
 *  registry with its problem, which refuses it there. Never throws. */
export function readCommand(input: unknown): ParsedCommand {
  let found = 'unreadable';
  try {
    found = textOf((input as { type?: unknown } | null | undefined)?.type);
    const known = TYPES.find((one) => one === found);
    if (known !== undefined) return { command: readKnown(known, { ...(input as object) }) };
  } catch (error) {
    return { command: null, type: found, problem: `the command cannot be read: ${messageOf(error)}` };
  }
  const [near] = nearestNames(found, TYPES);
  const advice = near === undefined ? `known commands: ${TYPES.join(', ')}` : `did you mean "${near}"?`;
  return { command: null, type: found, problem: `unknown command "${found}"; ${advice}` };
}

type Content = Readonly<Record<string, unknown>>;

type Known = Command['type'];
type SpecCommand = `${'registry' | 'sinks'}.${'register' | 'update'}`;
type SubjectCommand = Exclude<Known, SpecCommand | 'registry.list' | 'sinks.list'>;

function readKnown(known: Known, content: Content): AnyCommand {
  if (known === 'registry.list' || known === 'sinks.list') return { type: known };
  try {
    if (!bearsSpec(known)) {
      const read = resolveOptions(SCHEMAS[known], content, known);
      return causedBy(read.cause, toRegistryCommand(known, read));
    }
    const read = resolveOptions(SCHEMAS[known], { ...content, spec: null }, known);
    return causedBy(read.cause, specCommand(known, content['spec']));
  } catch (error) {
    const problem = errorFacts(error, 'HG_OPTION_INVALID');
    const subject = { id: textOf('spec' in content ? specId(content['spec']) : content['id']) };
    if (bearsSpec(known)) return { type: known, spec: subject, problem } as AnyCommand;
    return { ...toRegistryCommand(known, subject), problem };
  }
}

function causedBy(seq: number | undefined, command: AnyCommand): AnyCommand {
  return seq === undefined ? command : { ...command, cause: seq };
}

function bearsSpec(known: Known): known is SpecCommand {
  return known.endsWith('.register') || known.endsWith('.update');
}

function specCommand(known: SpecCommand, spec: unknown): AnyCommand {
  if (known === 'registry.register' || known === 'registry.update') {
    return { type: known, spec: requireSpec(spec) };
  }
  return { type: known, spec: requireSinkSpec(spec) };
}

/** Commands towards one source are the registry's commands for it. */
function toRegistryCommand(
  known: SubjectCommand,
  content: {
    readonly id: string;
    readonly mode?: 'drain' | 'now' | undefined;
    readonly deadlineMs?: number | undefined;
    readonly keepCursor?: boolean | undefined;
  },
): AnyCommand {
  const { id: subject, mode: wished = 'drain', deadlineMs: deadline, keepCursor } = content;
  const deadlineGiven = deadline === undefined ? {} : { deadlineMs: deadline };
  switch (known) {
    case 'registry.pause':
    case 'source.pause':
      return { type: 'registry.pause', id: subject };
    case 'registry.resume':
    case 'source.resume':
      return { type: 'registry.resume', id: subject };
    case 'source.stop':
      return { type: 'registry.deregister', id: subject, mode: 'now' };
    case 'registry.deregister':
    case 'source.drain':
      return { type: 'registry.deregister', id: subject, mode: wished, ...deadlineGiven };
    case 'sinks.deregister':
      return {
        ...{ type: known, id: subject, mode: wished, ...deadlineGiven },
        ...(keepCursor === undefined ? {} : { keepCursor }),
      };
    case 'sinks.pause':
    case 'sinks.resume':
      return { type: known, id: subject };
  }
}

function specId(spec: unknown): unknown {
  return typeof spec === 'object' && spec !== null ? (spec as { id?: unknown }).id : undefined;
}

/** Anything as a short text. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, ECHO_CHARS_MAX);
  return value === undefined || value === null ? '' : messageOf(value).slice(0, ECHO_CHARS_MAX);
}
