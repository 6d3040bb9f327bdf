/** Walks a machine through every state that a list of events leads to, and looks for states nobody would ever
 *  leave. */

import { transition, type AnyEventObject, type AnyMachineSnapshot, type AnyStateMachine } from 'xstate';
import { getShortestPaths } from 'xstate/graph';

export interface Walk {
  readonly machine: AnyStateMachine;
  readonly input?: unknown;
  /** Every command the machine takes and every fact its ports report, each with the contents that matter. */
  readonly events: readonly AnyEventObject[];
  /** What else than the state tells two snapshots apart; keep it bounded, or the walk has no end. */
  readonly digest?: (context: Readonly<Record<string, unknown>>) => unknown;
  /** What each port promises to report while it runs. */
  readonly promises: Readonly<Record<string, readonly string[]>>;
  /** Messages from outside: a state that one of them leaves has a way out. */
  readonly commands: readonly string[];
}

export interface Visit {
  /** The innermost state: `{ live: 'streaming' }` is `streaming`. */
  readonly state: string;
  readonly snapshot: AnyMachineSnapshot;
  /** What led there, from the start. */
  readonly path: readonly AnyEventObject[];
}

/** Every snapshot that can be reached, each by a shortest path. */
export function walk({ machine, input, events, digest }: Walk): Visit[] {
  const paths = getShortestPaths(machine, {
    input,
    events,
    serializeState: ({ value, status, context }: AnyMachineSnapshot) =>
      JSON.stringify([value, status, digest?.(context)]),
    filterEvents: (snapshot: AnyMachineSnapshot, event: AnyEventObject) => hears(snapshot, event),
    stopWhen: ({ status }: AnyMachineSnapshot) => status !== 'active',
    limit: 100_000,
  });
  return paths.map(({ state, steps }) => ({
    state: stateName(state.value),
    snapshot: state as AnyMachineSnapshot,
    path: steps.map((step) => step.event as AnyEventObject).filter(({ type }) => type !== 'xstate.init'),
  }));
}

/** What a child reports is only heard while there is such a child. */
function hears({ children }: AnyMachineSnapshot, { type }: AnyEventObject): boolean {
  const [, child] = /^xstate\.(?:done|error)\.actor\.(.+)$/.exec(type) ?? [];
  return child === undefined || child in children;
}

/** The rule: a state that is no end is left by a command, or by a fact that a port which runs in that state
 *  promises to report. Returns the states that break it. */
export function deadEnds(walked: Walk): string[] {
  const dead = new Set<string>();
  for (const { state, snapshot } of walk(walked)) {
    if (snapshot.status === 'active' && !hasWayOut(walked, snapshot)) dead.add(state);
  }
  return [...dead];
}

function hasWayOut({ machine, events, promises, commands }: Walk, snapshot: AnyMachineSnapshot): boolean {
  const heard = new Set([...commands, ...runningPorts(snapshot).flatMap((port) => promises[port] ?? [])]);
  const here = JSON.stringify(snapshot.value);
  return events
    .filter(({ type }) => heard.has(type))
    .some((event) => JSON.stringify(transition(machine, snapshot, event)[0].value) !== here);
}

/** The ports that are invoked in this state. */
export function runningPorts(snapshot: AnyMachineSnapshot): string[] {
  return snapshot._nodes.flatMap((node) => node.invoke.map(({ src }) => src as string));
}

export function stateName(value: unknown): string {
  let name = value;
  while (typeof name === 'object' && name !== null) name = Object.values(name)[0];
  return String(name);
}
