/** What the janitor of one run is given: whose rows it may not delete, and where it tells what it did. */

import type { AlertDispatcher } from '../../actors/alerts/alert-dispatcher.ts';
import type { JanitorPorts } from '../../actors/retention/janitor.ts';
import type { TimelineObserver } from '../../actors/timeline/timeline-observer.ts';
import type { EventStore } from '../../storage/event-store.ts';

const JANITOR = 'janitor';

export function janitorPorts(
  store: EventStore | null,
  needs: JanitorPorts['needs'],
  observer: TimelineObserver,
  dispatcher: AlertDispatcher,
): Pick<JanitorPorts, 'store' | 'needs' | 'onCleaned' | 'onAlert'> {
  return {
    store,
    needs,
    onCleaned: (data) => {
      const cause = observer.lastRowOf(JANITOR);
      observer.append({ kind: 'storage', event: 'storage.cleaned', data, actorId: JANITOR, cause });
    },
    onAlert: (alert) => dispatcher.raise(alert, JANITOR, observer.lastRowOf(JANITOR)),
  };
}
