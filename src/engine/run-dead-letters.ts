/** Dead letters of one run of an engine: what users ask of them, and their return to the pipeline. */

import { DeadLetterReplay } from '../../actors/dead-letters/dead-letter-replay.ts';
import type { DataPlane } from '../../actors/data-plane/data-plane.ts';
import type { SourceDirectory } from '../../actors/registry/source-directory.ts';
import type { TimelineObserver } from '../../actors/timeline/timeline-observer.ts';
import type { GroupCommitter } from '../../actors/persistence/group-committer.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { createDeadLetters, isList, type DeadLetters, type LetterSelection } from './dead-letters.ts';
import { formatAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';

export interface RunLettersParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Null: nothing is stored. */
  readonly store: EventStore | null;
  readonly recordsAreKept: boolean;
  readonly committer: GroupCommitter;
  readonly observer: TimelineObserver;
  readonly plane: DataPlane;
  readonly directory: () => SourceDirectory;
  /** A record of a letter goes to the stages again. */
  readonly onReturned: () => void;
  /** A limit refused such a record: its letter stays. */
  readonly onRefused: () => void;
  /** Tells the sinks that letters of theirs may be queued. */
  readonly sinksHaveLetters: () => void;
}

export interface RunLetters {
  readonly deadLetters: DeadLetters;
  readonly deadLetterReplay: DeadLetterReplay;
}

export function createRunLetters(parts: RunLettersParts): RunLetters | null {
  const { committer, observer, plane, directory, store, sinksHaveLetters } = parts;
  if (store === null) return null;
  const deadLetterReplay = new DeadLetterReplay({
    ...parts,
    store,
    findRuntime: (name) => directory().find(formatAddress(name)),
    arrive: (lane) => plane.arrive(lane),
    onParked: ({ id, tenant, sourceId, stage, attempts }, { code, message }) => {
      const runtime = directory().find(formatAddress({ tenant, sourceId }));
      const actorId = runtime?.actorId ?? 'engine';
      const data = { id, stage, code, message, attempts: attempts + 1 };
      const cause = observer.lastRowOf(actorId);
      observer.append({ kind: 'dead_letter', event: 'dead_letter.parked', data, actorId, cause });
    },
  });
  const letters = createDeadLetters(store);
  const note = (event: string, which: readonly number[] | LetterSelection, count: number) => {
    const data = isList(which) ? { letters: count } : { letters: count, ...which };
    observer.append({ kind: 'command', event, data, actorId: 'engine', cause: null });
  };
  const deadLetters: DeadLetters = {
    // What was buried a moment ago is there to be seen.
    list: (page) => committer.flush().then(() => letters.list(page)),
    show: (id) => committer.flush().then(() => letters.show(id)),
    async retry(which) {
      await committer.flush();
      const count = await letters.retry(which);
      note('dead_letters.retry', which, count);
      deadLetterReplay.scan();
      sinksHaveLetters();
      return count;
    },
    async purge(which) {
      await committer.flush();
      const count = await letters.purge(which);
      note('dead_letters.purge', which, count);
      return count;
    },
  };
  return { deadLetters, deadLetterReplay };
}
