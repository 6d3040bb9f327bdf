/** What every kind of sink owes the engine, with real far ends: the contract of SinkLink. */

import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';
import { outboundRange, sinkBench } from '../../support/sink-bench.ts';
import { SINK_KITS, type SinkFarEnd } from '../../support/sink-kits.ts';

const CYCLES = 200;
const TURNS_MAX = 50_000;

const keysOf = (records: readonly OutboundRecord[]) => records.map(({ key }) => key);

async function openLink({ spec }: SinkFarEnd, bench = sinkBench()) {
  const link = await bench.open(spec);
  onTestFinished(() => link.close());
  return link;
}

/** How a promise ended, or that it has not. */
function watch(work: Promise<unknown>): { state: 'pending' | 'resolved' | 'rejected'; error?: unknown } {
  const outcome: ReturnType<typeof watch> = { state: 'pending' };
  work.then(
    () => (outcome.state = 'resolved'),
    (error: unknown) => Object.assign(outcome, { state: 'rejected', error }),
  );
  return outcome;
}

async function expectRetry(work: Promise<unknown>): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  expect((error as HeadgateError).remedy).toBe('retry');
}

/** Resources that keep the process alive, counted. */
function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** Timers of the test runner that come and go. */
const FOREIGN_TIMERS_MAX = 3;

/** What there is more of now. */
function moreThan(before: ReadonlyMap<string, number>): string[] {
  return [...activeResources()].flatMap(([name, count]) => {
    const more = count - (before.get(name) ?? 0);
    return more > (name === 'Timeout' ? FOREIGN_TIMERS_MAX : 0) ? [`${name}: ${more} more`] : [];
  });
}

for (const [name, start] of Object.entries(SINK_KITS)) {
  describe(name, () => {
    test('delivers in order, and all of it is there when a delivery resolves', async () => {
      const farEnd = await start();
      const link = await openLink(farEnd);
      for (const [first, last] of [
        [1, 300],
        [301, 301],
        [302, 700],
      ] as const) {
        expect((await link.deliver(outboundRange(first, last))) ?? []).toEqual([]);
        expect(await farEnd.received(last)).toEqual(keysOf(outboundRange(1, last)));
      }
    });

    test('an empty batch is delivered', async () => {
      const link = await openLink(await start());
      expect((await link.deliver([])) ?? []).toEqual([]);
    });

    test('a link can be closed twice', async () => {
      const link = await openLink(await start());
      await link.deliver(outboundRange(1, 1));
      await link.close();
      await link.close();
    });

    test('a signal that has aborted keeps a link from opening, or ends it', async () => {
      const bench = sinkBench();
      bench.abort();
      const { spec } = await start();
      const opening = bench.open(spec).then((link) => link.close());
      await opening.catch((error: unknown) => expect(error).toBeInstanceOf(HeadgateError));
    });

    test(`${CYCLES} links that were opened, used and closed leave nothing behind`, async () => {
      const farEnd = await start();
      const cycle = async (seq: number) => {
        const link = await farEnd.spec.logic.open(sinkBench().io);
        await link.deliver(outboundRange(seq, seq));
        await link.close();
      };
      // What is made once, at the first use, is there before and after.
      await cycle(1);
      farEnd.tidy();
      for (let turns = 0; turns < 100; turns++) await turn();
      const before = activeResources();
      for (let seq = 2; seq <= CYCLES; seq++) await cycle(seq);
      farEnd.tidy();
      // Connections take some turns to end.
      for (let turns = 0; turns < TURNS_MAX && moreThan(before).length > 0; turns++) await turn();
      expect(moreThan(before)).toEqual([]);
      expect(await farEnd.received(CYCLES)).toHaveLength(CYCLES);
    }, 60_000);
  });
}

for (const [name, start] of Object.entries(SINK_KITS).filter(([kind]) => kind !== 'file')) {
  describe(`${name}, while the far end is silent`, () => {
    const stalled = async (bench = sinkBench()) => {
      const farEnd = await start();
      const { link: wire } = farEnd;
      if (wire === null) throw new Error(`${name} has no link`);
      const link = await openLink(farEnd, bench);
      wire.stall();
      const delivery = link.deliver(outboundRange(1, 50));
      delivery.catch(() => {});
      await wire.reached();
      return { farEnd, wire, link, delivery };
    };

    test('a delivery does not resolve before the far end has it', async () => {
      const { farEnd, wire, delivery } = await stalled();
      const outcome = watch(delivery);
      for (let turns = 0; turns < 200; turns++) await turn();
      expect(outcome.state).toBe('pending');
      wire.resume();
      await delivery;
      expect(await farEnd.received(50)).toEqual(keysOf(outboundRange(1, 50)));
    });

    test('a link that is lost ends the delivery, which is worth another try over a new one', async () => {
      const { farEnd, wire, link, delivery } = await stalled();
      wire.lose();
      await expectRetry(delivery);
      await link.close();
      if (name === 'function') return;
      const again = await openLink(farEnd);
      await again.deliver(outboundRange(1, 50));
      expect(new Set(await farEnd.received(50))).toEqual(new Set(keysOf(outboundRange(1, 50))));
    });

    test('a link that is closed ends the delivery', async () => {
      const { wire, link, delivery } = await stalled();
      const outcome = watch(delivery);
      const closed = link.close();
      if (name === 'function') wire.resume();
      await closed;
      await expect.poll(() => outcome.state).not.toBe('pending');
    });

    test('a signal that aborts ends the delivery at once', async () => {
      const bench = sinkBench();
      const { delivery, link } = await stalled(bench);
      const outcome = watch(delivery);
      bench.abort();
      for (let turns = 0; turns < 10; turns++) await turn();
      expect(outcome.state).toBe('rejected');
      await expectRetry(delivery);
      await link.close();
      expect(bench.failures).toEqual([]);
    });
  });
}
