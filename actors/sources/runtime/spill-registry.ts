/** The spills of one run, by source. They outlive registrations: what is left on disk of a source comes back
 *  when one of its name is registered. */

import { formatAddress } from '../../../src/domain/address.ts';
import type { ErrorFacts } from '../../../src/domain/errors.ts';
import type { SourceSpec } from '../../../src/domain/source.ts';
import type { EventStore } from '../../../storage/event-store.ts';
import { Spill, type SpillPorts } from './spill.ts';

export interface SpillRegistryOptions extends Omit<SpillPorts, 'tenant' | 'sourceId' | 'store'> {
  readonly store: Pick<EventStore, 'readSpilled' | 'spilled'> | null;
}

export class SpillRegistry {
  readonly #options: SpillRegistryOptions;
  readonly #bySource = new Map<string, Spill>();

  constructor(options: SpillRegistryOptions) {
    this.#options = options;
    const { store } = options;
    if (store === null) return;
    for (const { tenant, sourceId, records, firstSeq } of store.spilled) {
      const spill = new Spill({ ...options, store, tenant, sourceId }, { records, firstSeq });
      this.#bySource.set(formatAddress({ tenant, sourceId }), spill);
    }
  }

  /** Records on disk, and on their way there. */
  get size(): number {
    let records = 0;
    for (const spill of this.#bySource.values()) records += spill.size;
    return records;
  }

  /** Why such a source cannot overflow to disk; null if it can, or does not want to. */
  problemOf({ id, outlet }: SourceSpec): ErrorFacts | null {
    if (outlet.overflow !== 'spill' || this.#options.store !== null) return null;
    const message =
      `source "${id}": option "outlet.overflow": "spill" needs a database; ` +
      'give the engine a timeline.path, or choose another policy';
    return { code: 'HG_OPTION_INVALID', message };
  }

  /** The spill of a source that wants one, or that has records on disk, whatever it wants now: they come
   *  first. */
  of({ id: sourceId, tenant, outlet }: SourceSpec): Spill | null {
    const { store } = this.#options;
    const name = formatAddress({ tenant, sourceId });
    const known = this.#bySource.get(name);
    if (known !== undefined && (outlet.overflow === 'spill' || !known.isEmpty)) return known;
    if (outlet.overflow !== 'spill' || store === null) return null;
    const spill = new Spill({ ...this.#options, store, tenant, sourceId }, null);
    this.#bySource.set(name, spill);
    return spill;
  }
  /** The run is over: nothing comes back any more. */
  close(): void {
    for (const spill of this.#bySource.values()) spill.close();
  }
}
