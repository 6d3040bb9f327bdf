/** The port of the recorder: reports whether commits go through. */

import { type Subject } from 'rxjs';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import type { PartFact } from '../../machines/support/ports.ts';
import { partFailed } from '../data-plane/pipeline-ports.ts';
import { managed } from '../support/managed.ts';

/** The edges of the committer: it fails, it recovers, it is past mending. */
export type CommitEvent =
  | PartFact
  | { readonly type: 'commit.failed'; readonly error: ErrorFacts }
  | { readonly type: 'commit.recovered'; readonly afterMs: number };

export function createRecorderPort(edges$: Subject<CommitEvent>) {
  return managed<undefined, CommitEvent>(partFailed, (scope) => {
    const edges = edges$.subscribe((edge) => scope.send(edge));
    scope.onClose(() => edges.unsubscribe());
  });
}
