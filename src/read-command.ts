/** Commands as messages: what `engine.send` takes, and how it is understood. */

import { z } from 'zod';
import type { RegistryCommand } from '../machines/registry-machine.ts';
import { resolveOptions } from './config/resolve-options.ts';
import { errorFacts, messageOf } from './domain/errors.ts';
import { nearestNames } from './domain/nearest-names.ts';
import type { SourceSpec } from './domain/source.ts';
import { requireSpec } from './require-spec.ts';

export type Command =
  | { readonly type: 'registry.register' | 'registry.update'; readonly spec: SourceSpec }
  | {
      readonly type: 'registry.deregister';
      readonly id: string;
      readonly mode?: 'drain' | 'now';
      readonly deadlineMs?: number;
    }
  | { readonly type: 'registry.pause' | 'registry.resume'; readonly id: string }
  | { readonly type: 'registry.list' }
  /** Towards one source: the same as the registry's commands for it. */
  | { readonly type: 'source.pause' | 'source.resume' | 'source.stop'; readonly id: string }
  | { readonly type: 'source.drain'; readonly id: string; readonly deadlineMs?: number };

export type UnderstoodCommand =
  | { readonly command: RegistryCommand }
  | { readonly command: null; readonly type: string; readonly problem: string };

const id = z.string('must be the id of a source').min(1, 'must be the id of a source');
const deadlineMs = z.number('must be a number of milliseconds, 0 or more').min(0).optional();
const type = z.string();

/** What each command may carry. */
const SCHEMAS = {
  'registry.register': z.strictObject({ type, spec: z.unknown() }),
  'registry.update': z.strictObject({ type, spec: z.unknown() }),
  'registry.deregister': z.strictObject({
    type,
    id,
    mode: z.enum(['drain', 'now'], 'must be "drain" or "now"').optional(),
    deadlineMs,
  }),
  'registry.pause': z.strictObject({ type, id }),
  'registry.resume': z.strictObject({ type, id }),
  'registry.list': z.strictObject({ type }),
  'source.pause': z.strictObject({ type, id }),
  'source.resume': z.strictObject({ type, id }),
  'source.drain': z.strictObject({ type, id, deadlineMs }),
  'source.stop': z.strictObject({ type, id }),
} satisfies Record<Command['type'], z.ZodType>;

const TYPES = Object.keys(SCHEMAS) as Command['type'][];

/** Characters of an unknown command's type, or of an id that is none, that rows and messages repeat. */
const ECHO_CHARS_MAX = 100;

/** Understands a command, or says why it cannot. A command of a known type whose content is wrong goes to the
 *  registry with its problem, which refuses it there. Never throws. */
export function readCommand(input: unknown): UnderstoodCommand {
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

function readKnown(known: Command['type'], content: Content): RegistryCommand {
  if (known === 'registry.list') return { type: known };
  try {
    if (known === 'registry.register' || known === 'registry.update') {
      resolveOptions(SCHEMAS[known], { ...content, spec: null }, known);
      return { type: known, spec: requireSpec(content['spec']) };
    }
    return meaningOf(known, resolveOptions(SCHEMAS[known], content, known));
  } catch (error) {
    const problem = errorFacts(error, 'HG_OPTION_INVALID');
    const subject = { id: textOf('spec' in content ? idOf(content['spec']) : content['id']) };
    if (known === 'registry.register' || known === 'registry.update') {
      return { type: known, spec: subject as SourceSpec, problem };
    }
    return { ...meaningOf(known, subject), problem };
  }
}

/** Commands towards one source are the registry's commands for it. */
function meaningOf(
  known: Exclude<Command['type'], 'registry.list' | 'registry.register' | 'registry.update'>,
  content: {
    readonly id: string;
    readonly mode?: 'drain' | 'now' | undefined;
    readonly deadlineMs?: number | undefined;
  },
): RegistryCommand {
  const { id: subject, mode = 'drain', deadlineMs: deadline } = content;
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
      return {
        type: 'registry.deregister',
        id: subject,
        mode,
        ...(deadline === undefined ? {} : { deadlineMs: deadline }),
      };
  }
}

function idOf(spec: unknown): unknown {
  return typeof spec === 'object' && spec !== null ? (spec as { id?: unknown }).id : undefined;
}

/** Anything as a short text. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, ECHO_CHARS_MAX);
  return value === undefined || value === null ? '' : messageOf(value).slice(0, ECHO_CHARS_MAX);
}
