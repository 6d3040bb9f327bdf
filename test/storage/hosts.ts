/** The two places where a store can live. What holds for one holds for the other. */

import { onTestFinished } from 'vitest';
import type { EventStore, OpenOptions } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import { openOptions } from './fixture.ts';

export interface StoreHosting {
  readonly host: 'in process' | 'in a worker';
  /** Opens a store that is closed after the test, if the test did not. */
  readonly openStore: (path: string, overrides?: Partial<OpenOptions>) => Promise<EventStore>;
}

const hosting = (
  host: StoreHosting['host'],
  open: (options: OpenOptions) => Promise<EventStore>,
): StoreHosting => ({
  host,
  async openStore(path, overrides) {
    const store = await open(openOptions(path, overrides));
    onTestFinished(() => store.close(null).catch(() => {}));
    return store;
  },
});

export const HOSTS: readonly StoreHosting[] = [
  hosting('in process', openEventStore),
  hosting('in a worker', openEventStoreInWorker),
];
