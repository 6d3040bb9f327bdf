/** Dead letters of one run of an engine: what users ask of them, and their return to the pipeline. */

import { LetterReturn } from '../actors/flow/letter-return.ts';
import type { Plane } from '../actors/flow/plane.ts';
import type { SourceDirectory } from '../actors/supervision/source-directory.ts';
import type { Journal } from '../actors/timeline/journal.ts';
import type { Ledger } from '../actors/timeline/ledger.ts';
import type { EventStore } from '../storage/event-store.ts';
import { createDeadLetters, isList, type DeadLetters, type LetterSelection } from './dead-letters.ts';
import { formatAddress } from './domain/address.ts';
import type { Clock } from './domain/clock.ts';
import type { Logger } from './domain/logger.ts';

export interface RunLettersParts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Null: nothing is stored. */
  readonly store: EventStore | null;
  readonly recordsAreKept: boolean;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly plane: Plane;
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
  readonly letterReturn: LetterReturn;
}

export function createRunLetters(parts: RunLettersParts): RunLetters | null {
  const { ledger, journal, plane, directory, store, sinksHaveLetters } = parts;
  if (store === null) return null;
  const letterReturn = new LetterReturn({
    ...parts,
    store,
    findRig: (name) => directory().find(formatAddress(name)),
    arrive: (lane) => plane.arrive(lane),
    onParked: ({ id, tenant, sourceId, stage, attempts }, { code, message }) => {
      const rig = directory().find(formatAddress({ tenant, sourceId }));
      const actorId = rig?.actorId ?? 'engine';
      const data = { id, stage, code, message, attempts: attempts + 1 };
      const cause = journal.lastRowOf(actorId);
      journal.note({ kind: 'dead_letter', event: 'dead_letter.parked', data, actorId, cause });
    },
  });
  const letters = createDeadLetters(store);
  const note = (event: string, which: readonly number[] | LetterSelection, count: number) => {
    const data = isList(which) ? { letters: count } : { letters: count, ...which };
    journal.note({ kind: 'command', event, data, actorId: 'engine', cause: null });
  };
  const deadLetters: DeadLetters = {
    // What was buried a moment ago is there to be seen.
    list: (page) => ledger.flush().then(() => letters.list(page)),
    show: (id) => ledger.flush().then(() => letters.show(id)),
    async retry(which) {
      await ledger.flush();
      const count = await letters.retry(which);
      note('dead_letters.retry', which, count);
      letterReturn.look();
      sinksHaveLetters();
      return count;
    },
    async purge(which) {
      await ledger.flush();
      const count = await letters.purge(which);
      note('dead_letters.purge', which, count);
      return count;
    },
  };
  return { deadLetters, letterReturn };
}
