/** The port of the recorder: reports whether commits go through. */

import { type Subject } from 'rxjs';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import type { PartFact } from '../../machines/ports.ts';
import { partFailed } from '../flow/flow-ports.ts';
import { managed } from '../managed.ts';

/** The edges of the ledger: it fails, it recovers, it is past mending. */
export type LedgerEdge =
  | PartFact
  | { readonly type: 'commit.failed'; readonly error: ErrorFacts }
  | { readonly type: 'commit.recovered'; readonly afterMs: number };

export function createLedgerPort(edges$: Subject<LedgerEdge>) {
  return managed<undefined, LedgerEdge>(partFailed, (scope) => {
    const edges = edges$.subscribe((edge) => scope.send(edge));
    scope.onClose(() => edges.unsubscribe());
  });
}
