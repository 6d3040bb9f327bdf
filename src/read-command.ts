/** Commands as messages: what `engine.send` takes, and how it is understood. */

import type { RegistryCommand } from '../machines/registry-machine.ts';
import { errorFacts } from './domain/errors.ts';
import type { SourceSpec } from './domain/source.ts';
import { nearestNames } from './domain/nearest-names.ts';
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

type Read =
  | { readonly command: RegistryCommand; readonly problem: '' }
  | { readonly command: null; readonly problem: string };

const TYPES: readonly string[] = [
  'registry.register',
  'registry.update',
  'registry.deregister',
  'registry.pause',
  'registry.resume',
  'registry.list',
  'source.pause',
  'source.resume',
  'source.drain',
  'source.stop',
];

/** Understands a command, or says why it cannot. A command of a known type whose content is wrong goes to the
 *  registry with its problem, which refuses it there. Never throws. */
export function readCommand(input: unknown): Read {
  const command = input as Partial<Record<string, unknown>> | null | undefined;
  const type = String(command?.['type']);
  if (!TYPES.includes(type) || command === null || command === undefined) {
    const [near] = nearestNames(type, TYPES);
    const advice = near === undefined ? `known commands: ${TYPES.join(', ')}` : `did you mean "${near}"?`;
    return { command: null, problem: `unknown command "${type}"; ${advice}` };
  }
  if (type === 'registry.list') return understood({ type });
  if (type === 'registry.register' || type === 'registry.update') return withSpec(type, command['spec']);
  return withId(type, command);
}

function withSpec(type: 'registry.register' | 'registry.update', spec: unknown): Read {
  try {
    return understood({ type, spec: requireSpec(spec) });
  } catch (error) {
    const { id: given } = (spec ?? {}) as { id?: unknown };
    const id = typeof given === 'string' ? given : '';
    return understood({ type, spec: { id } as SourceSpec, problem: errorFacts(error, 'HG_OPTION_INVALID') });
  }
}

function withId(type: string, command: Partial<Record<string, unknown>>): Read {
  const { id, mode, deadlineMs } = command;
  const problem = problemOf(type, id, mode, deadlineMs);
  const request = { id: typeof id === 'string' ? id : '', ...(problem === null ? {} : { problem }) };
  const deadline = typeof deadlineMs === 'number' ? { deadlineMs } : {};
  switch (type) {
    case 'registry.pause':
    case 'source.pause':
      return understood({ type: 'registry.pause', ...request });
    case 'registry.resume':
    case 'source.resume':
      return understood({ type: 'registry.resume', ...request });
    case 'source.stop':
      return understood({ type: 'registry.deregister', mode: 'now', ...request });
    default:
      return understood({
        type: 'registry.deregister',
        mode: mode === 'now' ? 'now' : 'drain',
        ...deadline,
        ...request,
      });
  }
}

function problemOf(type: string, id: unknown, mode: unknown, deadlineMs: unknown) {
  const invalid = (field: string, rule: string) => ({
    code: 'HG_OPTION_INVALID',
    message: `${type}: option "${field}": ${rule}`,
  });
  if (typeof id !== 'string' || id === '') return invalid('id', 'must be the id of a source');
  if (mode !== undefined && mode !== 'drain' && mode !== 'now')
    return invalid('mode', 'must be "drain" or "now"');
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs >= 0)) {
    return invalid('deadlineMs', 'must be a number of milliseconds, 0 or more');
  }
  return null;
}

function understood(command: RegistryCommand): Read {
  return { command, problem: '' };
}
