/** Far ends that are away for long, and the moment they come back, under the virtual clock: what could not
 *  be delivered waits on disk and leaves in order, what comes in does not notice; ten thousand sources do not
 *  come back all at once. */

import { expect, test } from 'vitest';
import {
  defineSource,
  functionSink,
  HeadgateError,
  type OutboundRecord,
  type SourceIo,
  type SourceSpec,
} from '../../src/index.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Twenty records every ten minutes. */
const meter = defineSource({
  type: 'meter',
  async stream(io) {
    for (let n = 0; !io.signal.aborted; n += 20) {
      io.emitAll(Array.from({ length: 20 }, (_, index) => n + index + 1));
      await io.clock.sleep(10 * MINUTE_MS, io.signal);
    }
  },
});

const stored = (rig: EngineRig) =>
  rig.query('SELECT seq FROM records ORDER BY seq').map(({ seq }) => Number(seq));

test(
  'a day without upstream is a backlog on disk; it leaves in order, and what comes in never notices',
  { tags: 'full', timeout: 120_000 },
  async () => {
    let isUp = false;
    const far: { seq: number; atMs: number }[] = [];
    const rig = await startedRig({ health: { intervalMs: 10 * MINUTE_MS } }, meter({ id: 'a' }));
    let underWay = 0;
    let underWayMax = 0;
    await rig.engine.registerSink(
      functionSink({
        id: 'cloud',
        batch: { rowsMax: 50 },
        deliver: async (batch) => {
          underWay += batch.length;
          underWayMax = Math.max(underWayMax, underWay);
          // The far end takes its time: 50 records a second at most.
          await rig.clock.sleep(1_000);
          underWay -= batch.length;
          if (!isUp) throw new HeadgateError('HG_LINK_TIMEOUT', 'the upstream is away');
          far.push(...batch.map(({ seq }: OutboundRecord) => ({ seq, atMs: rig.clock.monotonicMs() })));
        },
      }),
    );
    await rig.clock.advance(24 * HOUR_MS);
    const backlog = rig.engine.sinkHealth('cloud').lagRecords;
    expect(far).toEqual([]);
    expect(backlog).toBe((24 * 6 + 1) * 20);
    // Live intake: every record went its way at once, none was dropped, none waits.
    expect(rig.engine.health('a')).toMatchObject({ state: 'streaming', droppedCount: 0, queueDepth: 0 });
    expect(rig.delivered).toHaveLength(stored(rig).length);
    expect(rig.course('a')).toEqual(['connecting>streaming']);
    expect(rig.course('recorder')).toEqual([]);

    isUp = true;
    await rig.clock.advance(3 * MINUTE_MS);
    expect(far.map(({ seq }) => seq)).toEqual(stored(rig));
    const tookMs = (far[backlog - 1]?.atMs ?? 0) - (far[0]?.atMs ?? 0);
    // Back to back at what the far end takes, and never more than a batch on its way.
    // After the outage the first go alone, then deliveries double up to a batch.
    const deliveries = backlog / 50 + 12;
    expect(tookMs).toBeLessThanOrEqual(deliveries * 1_000 * 1.1);
    expect(underWayMax).toBeLessThanOrEqual(50);
    expect(rig.engine.sinkHealth('cloud')).toMatchObject({ state: 'delivering', cursor: backlog });
    const attempts = rig.query(
      "SELECT count(*) AS n FROM timeline WHERE actor = 'sink:cloud' AND kind = 'transition'",
    );
    // It was asked at most every half minute, not in a frenzy.
    expect(attempts[0]?.['n']).toBeLessThanOrEqual(24 * 120 * 3);
  },
);

/** A far end that many sources connect to: there or not, and it counts. */
class Plant {
  isUp = true;
  /** Times of the attempts since they were last forgotten. */
  triesMs: number[] = [];
  #losses: ((error: unknown) => void)[] = [];

  sources(count: number): SourceSpec[] {
    const source = defineSource({ type: 'plc', connects: true, stream: (io) => this.#stream(io) });
    return Array.from({ length: count }, (_, n) => source({ id: `plc-${n}` }));
  }

  goDown(): void {
    this.isUp = false;
    for (const lose of this.#losses.splice(0)) lose(new HeadgateError('HG_LINK_LOST', 'for the test'));
  }

  /** The most attempts in any stretch of so many milliseconds, counted from each attempt on. */
  peak(widthMs: number): number {
    const times = this.triesMs;
    let first = 0;
    return times.reduce((most, time, last) => {
      while ((times[first] as number) <= time - widthMs) first++;
      return Math.max(most, last - first + 1);
    }, 0);
  }

  async #stream(io: SourceIo): Promise<void> {
    this.triesMs.push(io.clock.monotonicMs());
    await io.clock.sleep(5);
    if (!this.isUp) throw new HeadgateError('HG_LINK_REFUSED', 'nobody is there');
    io.opened();
    const lost = new Promise<never>((_, reject) => this.#losses.push(reject));
    await Promise.race([
      lost,
      new Promise<void>((resolve) => io.signal.addEventListener('abort', () => resolve())),
    ]);
  }
}

test(
  'a thousand sources whose broker was away for a minute come back in turn, each in its own',
  { tags: 'full', timeout: 60_000 },
  async () => {
    const plant = new Plant();
    const count = 1_000;
    const perSecondMax = 100;
    const rig = await startedRig(
      { health: { intervalMs: MINUTE_MS }, reconnectsPerSecondMax: perSecondMax },
      ...plant.sources(count),
    );
    await rig.clock.advance(20_000);
    plant.triesMs = [];
    plant.goDown();
    await rig.clock.advance(MINUTE_MS);
    // Nor do they storm while it is away.
    expect(plant.peak(1_000)).toBeLessThanOrEqual(perSecondMax);
    plant.isUp = true;
    plant.triesMs = [];
    await rig.clock.advance(45_000);
    expect(plant.triesMs).toHaveLength(count);
    expect(rig.engine.health().every(({ state }) => state === 'streaming')).toBe(true);
    expect(plant.peak(1_000)).toBeLessThanOrEqual(perSecondMax);
  },
);

test('a link that flaps is opened ever more seldom', async () => {
  const times: number[] = [];
  const source = defineSource({
    type: 'plc',
    connects: true,
    async stream(io) {
      times.push(io.clock.monotonicMs());
      io.opened();
      await io.clock.sleep(50);
      throw new HeadgateError('HG_LINK_LOST', 'it was closed');
    },
  });
  const rig = await startedRig({ health: { intervalMs: MINUTE_MS } }, source({ id: 'flapping' }));
  await rig.clock.advance(30 * MINUTE_MS);
  // Ten tries until the circuit opens, and then one in each cool-down of half a minute or a little less.
  expect(times.length).toBeGreaterThan(60);
  expect(times.length).toBeLessThan(10 + (30 * 60) / 26);
});
