/** What sources beside one that goes wrong notice of it: counted under the virtual clock, so that the
 *  machine has no part in it. */

import { expect, test } from 'vitest';
import { defineSource, simulatedSource, transform } from '../../src/index.ts';
import { startedRig } from '../support/engine-rig.ts';

const NEIGHBOURS = ['a', 'b', 'c', 'd'];
const SHARE_MIN = 0.95;

const crashes = defineSource({
  type: 'crashing',
  stream: () => {
    throw new Error('a defect in the source');
  },
});

const falters = defineSource({
  type: 'crashing',
  async *stream(io) {
    for (let n = 1; !io.signal.aborted; n++) {
      await io.clock.sleep(4, io.signal);
      if (n % 3 === 0) throw new Error('a defect in the source');
      yield n;
    }
  },
});

const backoff = { kind: 'constant', initialMs: 10, maxMs: 10, jitter: 'none' } as const;
const FAULTY = {
  'that throws whenever it is started': () => crashes({ id: 'faulty' }),
  'that throws after every few records': () =>
    falters({ id: 'faulty', restart: { restartsMax: 100_000, windowMs: 60_000, backoff } }),
  'whose records make a stage throw': () => simulatedSource({ id: 'faulty', intervalMs: 4 }),
};

/** Records of each neighbour that were stored in three seconds. */
async function storedBeside(faulty: keyof typeof FAULTY | null): Promise<number[]> {
  const stage = transform(({ sourceId, data }) => {
    if (sourceId === 'faulty') throw new Error('a defect in the stage');
    return data;
  }, 'faulty');
  const neighbours = NEIGHBOURS.map((id) => simulatedSource({ id, intervalMs: 4 }));
  const sources = faulty === null ? neighbours : [FAULTY[faulty](), ...neighbours];
  const rig = await startedRig({ stages: [stage] }, ...sources);
  rig.engine.records$.subscribe(() => {
    if (faulty !== null) throw new Error('a defect in a subscriber');
  });
  await rig.clock.advance(3_000);
  await rig.stop();
  return NEIGHBOURS.map(
    (id) => rig.query('SELECT count(*) AS n FROM records WHERE source_id = ?', id)[0]?.['n'] as number,
  );
}

test(
  'neighbours of a source that goes wrong store what they would without it, within 5 %',
  { tags: 'full' },
  async () => {
    const alone = await storedBeside(null);
    expect(Math.min(...alone)).toBeGreaterThan(600);
    for (const faulty of Object.keys(FAULTY) as (keyof typeof FAULTY)[]) {
      const beside = await storedBeside(faulty);
      const shares = beside.map((count, at) => count / (alone[at] as number));
      expect({ faulty, share: Math.min(...shares) >= SHARE_MIN }).toEqual({ faulty, share: true });
    }
  },
);
