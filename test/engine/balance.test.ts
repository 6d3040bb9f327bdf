/** The balance of a run adds up to the record, whatever happened to them: filters, poison, limits, full
 *  outlets and queues, spills, dead letters that are tried again, sources that come and go, a deadline that
 *  is too short. */

import { describe, expect, test } from 'vitest';
import {
  boundedQueue,
  createEngine,
  filter,
  pushSource,
  simulatedSource,
  transform,
  type EngineReport,
} from '../../src/index.ts';
import { seededRandom } from '../../src/domain/random.ts';
import { engineRig, memoryFile, type RigOptions } from '../support/engine-rig.ts';

function expectBalanced({ balance }: EngineReport, note = ''): void {
  const { received, ...ends } = balance;
  const sum = Object.values(ends).reduce((total, one) => total + one, 0);
  expect(sum, `${note} ${JSON.stringify(balance)}`).toBe(received);
}

/** A run with a bit of everything. Resolves with its report. */
async function randomRun(seed: number, file: string): Promise<EngineReport> {
  const random = seededRandom(seed);
  const maybe = <Value>(value: Value) => (random.next() < 0.5 ? [value] : []);
  const [limit] = maybe({
    recordsPerSecondMax: random.integer(20, 200),
    policy: (['auto', 'drop', 'delay'] as const)[random.integer(0, 2)] as 'auto',
  });
  const options: RigOptions = {
    ...{ file, seed },
    ...(limit === undefined ? {} : { rateLimit: limit }),
    records: { keep: random.next() < 0.8 },
    stages: [
      ...maybe(filter(({ data }) => (data as number) % 7 !== 0)),
      ...maybe(
        transform(({ data }) => {
          if ((data as number) % 5 === 0) throw new Error('bad');
          return (data as number) % 11 === 0 ? Number.NaN : data;
        }),
      ),
      ...maybe(boundedQueue({ stageName: 'q', capacityRecords: 5, overflow: 'drop-oldest' })),
    ],
  };
  const rig = engineRig(options);
  const { engine, clock } = rig;
  await engine.start();
  const overflows = ['block', 'drop-newest', 'drop-oldest', 'spill'] as const;
  const register = (id: string) =>
    engine.register(
      simulatedSource({
        id,
        intervalMs: random.integer(1, 20),
        value: (n) => n,
        outlet: {
          capacityRecords: random.integer(2, 30),
          overflow: options.records?.keep === false ? 'block' : overflows[random.integer(0, 3)],
        },
      }),
    );
  for (const id of ['a', 'b', 'c']) await register(id);
  const door = pushSource({ id: 'door', decode: 'json' });
  await engine.register(door);
  const slow = random.next() < 0.3 ? engine.consume({ capacityRecords: 20 }) : null;
  for (let step = 0; step < 20; step++) {
    const choice = random.integer(0, 5);
    if (choice === 0) void door.pushPayload('{').catch(() => undefined);
    if (choice === 1) void door.pushPayload(String(step)).catch(() => undefined);
    if (choice === 2) {
      void engine.deregister('b', { mode: random.next() < 0.5 ? 'now' : 'drain' }).catch(() => undefined);
    }
    if (choice === 3) await register('b').catch(() => undefined);
    if (choice === 4) await engine.deadLetters.retry({ stage: 'transform' }).catch(() => undefined);
    if (choice === 5 && slow !== null)
      await clock.runUntil(Promise.resolve(slow.next()).then(() => undefined));
    await clock.advance(random.integer(1, 300));
    expectBalanced(engine.report(), `seed ${seed}, step ${step}`);
  }
  return rig.stop({ deadlineMs: random.next() < 0.3 ? 0 : 5_000 });
}

describe('the balance of a run adds up', () => {
  test.each(Array.from({ length: 25 }, (_, seed) => seed))('(seed %i)', async (seed) => {
    const file = memoryFile();
    const first = await randomRun(seed, file);
    expectBalanced(first, `seed ${seed}`);
    // What waited on disk is received by the next run.
    expectBalanced(await randomRun(seed + 1_000, file), `seed ${seed}, second run`);
  });

  test('before the first start', () => {
    expectBalanced(createEngine({ timeline: false }).report());
  });
});
