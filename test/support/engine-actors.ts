/** A look behind the timeline: the actors of an engine themselves. A test file that needs it replaces
 *  src/engine/engine-actor.ts by {@link watched}, so that every root actor made there is known here. */

import type { AnyActorRef, AnyMachineSnapshot } from 'xstate';
import { stateName } from '../machines/walk.ts';

type EngineActorModule = typeof import('../../src/engine/engine-actor.ts');

const roots: AnyActorRef[] = [];

/** The module with its root actors noted as they are made. */
export function watched(original: EngineActorModule): EngineActorModule {
  return {
    ...original,
    createEngineActor(parts) {
      const root = original.createEngineActor(parts);
      roots.push(root);
      return root;
    },
  };
}

/** The root actor made last. */
export function lastRoot(): AnyActorRef {
  const root = roots.at(-1);
  if (root === undefined) throw new Error('no engine was started yet');
  return root;
}

/** The state of every machine that has not ended, by its id: parts by their names, sources as `plc-7#12`. */
export function liveStates(root: AnyActorRef): Map<string, string> {
  const states = new Map<string, string>();
  const visit = (actor: AnyActorRef) => {
    const snapshot = actor.getSnapshot() as AnyMachineSnapshot;
    if (snapshot.status !== 'active' || snapshot.value === undefined) return;
    // Shards only shard the sources; the timeline does not know them.
    const { actorId = actor.id } = snapshot.context as { actorId?: string };
    if (!/^shard-\d+$/.test(actorId)) states.set(actorId, stateName(snapshot.value));
    for (const child of childrenOf(actor)) visit(child);
  };
  visit(root);
  return states;
}

/** The ids of all actors below this one, leaves included. */
export function allChildren(actor: AnyActorRef): string[] {
  return childrenOf(actor).flatMap((child) => [child.id, ...allChildren(child)]);
}

function childrenOf(actor: AnyActorRef): AnyActorRef[] {
  const { children = {} } = actor.getSnapshot() as { children?: Record<string, AnyActorRef | undefined> };
  return Object.values(children).filter((child) => child !== undefined);
}
