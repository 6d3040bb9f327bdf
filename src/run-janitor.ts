/** What the janitor of one run is given: whose rows it may not delete, and where it tells what it did. */

import type { AlertDesk } from '../actors/timeline/alert-desk.ts';
import type { JanitorPorts } from '../actors/timeline/janitor.ts';
import type { Journal } from '../actors/timeline/journal.ts';
import type { EventStore } from '../storage/event-store.ts';

const JANITOR = 'janitor';

export function janitorPorts(
  store: EventStore | null,
  needs: JanitorPorts['needs'],
  journal: Journal,
  desk: AlertDesk,
): Pick<JanitorPorts, 'store' | 'needs' | 'onCleaned' | 'onAlert'> {
  return {
    store,
    needs,
    onCleaned: (data) => {
      const cause = journal.lastRowOf(JANITOR);
      journal.note({ kind: 'storage', event: 'storage.cleaned', data, actorId: JANITOR, cause });
    },
    onAlert: (alert) => desk.raise(alert, JANITOR, journal.lastRowOf(JANITOR)),
  };
}
