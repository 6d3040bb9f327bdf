/** Opens the database of an engine, in a thread of its own where time is real. */

import { createHash } from 'node:crypto';
import { LASTING_ALERTS } from '../../actors/alerts/derived-alerts.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { isInMemory } from '../../storage/file/database-path.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openEventStoreInWorker } from '../../storage/worker/open-in-worker.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import type { Clock } from '../domain/clock.ts';
import { VERSION } from '../version.ts';

/** Null where nothing is to be kept.
 *  @throws HeadgateError HG_STORAGE_ codes. */
export async function openStore(
  options: EngineOptions,
  { clock, uuid }: { readonly clock: Clock; readonly uuid: () => string },
): Promise<EventStore | null> {
  const { timeline } = options;
  if (timeline === false) return null;
  const open = runsInWorker(options, timeline.path) ? openEventStoreInWorker : openEventStore;
  return open({
    path: timeline.path,
    nowMs: clock.wallMs(),
    version: VERSION,
    uuid,
    configDigest: digestOf(options),
    lastingAlerts: LASTING_ALERTS,
  });
}

/** A database without a file waits for nobody, and virtual time cannot wait for a thread. */
function runsInWorker({ storage, clock }: EngineOptions, path: string): boolean {
  return storage.worker ?? (clock === undefined && !isInMemory(path));
}

/** A digest of what the user configured, without what is particular to the process. */
function digestOf({ rateLimit, burst, records, storage, health, stages }: EngineOptions): string {
  const names = stages.map(({ kind, stageName }) => `${kind}:${stageName}`);
  const text = JSON.stringify({ rateLimit, burst, records, storage, health, stages: names });
  return createHash('sha256').update(text).digest('hex');
}
