/** Hands dead letters that are tried again to a link, and writes down what became of each. One that is
 *  refused, or at which the link breaks time and again, has failed once more: it no longer waits for another
 *  try, so that the records behind it go on. */

import { errorFacts, remedyOf, type ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { OutboundRecord, SinkLink } from '../../../src/domain/sink.ts';
import type { OutboundItem } from './outbound-batch.ts';
import { RUN_IS_OVER, type HandOverPorts } from './hand-over.ts';
import { rejectionsOf, type RejectedItem } from './rejections.ts';
import type { SinkRuntime } from './sink-runtime.ts';
import { mayBeARecords } from './undecided.ts';
import { deliveryUndone } from './timed-call.ts';

export class LetterHandOver {
  readonly #ports: HandOverPorts;
  readonly #runtime: SinkRuntime;

  constructor(ports: HandOverPorts, runtime: SinkRuntime) {
    this.#ports = ports;
    this.#runtime = runtime;
  }

  /** @throws what a delivery throws */
  async handOver(link: SinkLink, pieces: readonly OutboundItem[]): Promise<void> {
    for (let at = 0; at < pieces.length;) {
      if (at > 0 && this.#ports.isOver()) throw RUN_IS_OVER;
      const { rowsMax } = this.#runtime.letterBreaks;
      const end = Math.min(at + rowsMax, pieces.length);
      await this.#deliver(link, pieces.slice(at, end));
      at = end;
    }
    this.#runtime.letterBreaks.rowsMax = Number.POSITIVE_INFINITY;
  }

  async #deliver(link: SinkLink, pieces: readonly OutboundItem[]): Promise<void> {
    const going = pieces.filter(({ outbound }) => outbound !== null);
    for (const piece of pieces) if (piece.outbound === null) this.#settle(piece, null);
    if (going.length === 0) return;
    const batch = going.map(({ outbound }) => outbound as OutboundRecord);
    const taken = new Set<OutboundItem>();
    const progress = { taken: (index: number) => void taken.add(going[index] as OutboundItem) };
    let refusals: ReadonlyMap<OutboundItem, RejectedItem>;
    try {
      const { spec } = this.#runtime;
      const undone = () => deliveryUndone(spec);
      const outcome = await this.#ports.calls.run(undone, spec.deliverTimeoutMs, () =>
        link.deliver(batch, progress),
      );
      refusals = rejectionsOf(outcome, going);
    } catch (error) {
      if (remedyOf(error) === 'drop') {
        await this.#refused(link, going, error);
        return;
      }
      for (const piece of going) if (taken.has(piece)) this.#settle(piece, null);
      if (taken.size === 0 && !this.#ports.isOver() && mayBeARecords(error)) this.#broke(going, error);
      // Their outcome is stored before they are read again.
      await this.#ports.books.flush(this.#runtime);
      throw error;
    }
    for (const piece of going) this.#settle(piece, refusals.get(piece)?.facts ?? null);
    const delivered = going.length - refusals.size;
    if (delivered > 0 && this.#runtime.countDelivery(delivered) && !this.#ports.isOver())
      this.#ports.recovered();
  }

  async #refused(link: SinkLink, going: readonly OutboundItem[], error: unknown): Promise<void> {
    const [only] = going;
    if (only !== undefined && going.length === 1) {
      this.#settle(only, errorFacts(error, 'HG_SINK_REFUSED'));
      return;
    }
    await this.#deliver(link, going.slice(0, going.length >> 1));
    if (this.#ports.isOver()) throw RUN_IS_OVER;
    await this.#deliver(link, going.slice(going.length >> 1));
  }

  #broke([only, ...others]: readonly OutboundItem[], error: unknown): void {
    const breaks = this.#runtime.letterBreaks;
    breaks.rowsMax = 1;
    if (others.length > 0 || only === undefined || only.letter === null) return;
    const { id } = only.letter;
    breaks.count = breaks.id === id ? breaks.count + 1 : 1;
    breaks.id = id;
    if (breaks.count >= LIMITS.sinkBreaksGreeted) this.#settle(only, errorFacts(error, 'HG_SINK_FAILED'));
  }

  #settle(piece: OutboundItem, failure: ErrorFacts | null): void {
    this.#ports.books.settle(this.#runtime, piece, failure);
  }
}
