import { describe, expect, test } from 'vitest';
import type { IngestRecord } from '../../src/domain/record.ts';
import { createPump } from '../../src/pipeline/pump.ts';
import { records, seqsOf, settled } from './fixture.ts';

interface Rig {
  readonly supply: IngestRecord[];
  readonly batches: number[][];
  readonly failures: unknown[];
  budget: number;
  looks: number;
}

function rig(supply: IngestRecord[], onBatch: (rig: Rig) => void = () => {}) {
  const state: Rig = { supply, batches: [], failures: [], budget: 100, looks: 0 };
  const pump = createPump(
    {
      take: (max) => {
        state.looks++;
        return state.supply.splice(0, max);
      },
    },
    () => state.budget,
    (batch) => {
      state.budget -= batch.length;
      state.batches.push(seqsOf(batch));
      onBatch(state);
    },
    (error) => state.failures.push(error),
  );
  return { state, pump };
}

describe('a pump', () => {
  test('does nothing until it is poked, and nothing within the poke', async () => {
    const { state, pump } = rig(records(3));
    await settled();
    expect(state.batches).toEqual([]);
    pump.wake();
    expect(state.batches).toEqual([]);
    await settled();
    expect(state.batches).toEqual([[1, 2, 3]]);
  });

  test('makes one look of many pokes', async () => {
    const { state, pump } = rig([]);
    for (let pokes = 0; pokes < 100; pokes++) pump.wake();
    await settled();
    expect(state.looks).toBe(1);
  });

  test('fetches nothing that has no place to go', async () => {
    const { state, pump } = rig(records(9));
    state.budget = 4;
    pump.wake();
    await settled();
    expect(state.batches).toEqual([[1, 2, 3, 4]]);
    expect(state.supply.length).toBe(5);
    state.budget = 2;
    pump.wake();
    await settled();
    expect(state.batches.at(-1)).toEqual([5, 6]);
  });

  test('looks again when it was poked while at work', async () => {
    const { state, pump } = rig(records(1), ({ supply, batches }) => {
      if (batches.length > 3) return;
      supply.push(...records(1));
      pump.wake();
    });
    pump.wake();
    await settled();
    expect(state.batches.length).toBe(4);
  });

  test('stops in the midst of its work', async () => {
    const { state, pump } = rig(records(3), () => pump.stop());
    state.budget = 1;
    pump.wake();
    await settled();
    state.budget = 10;
    pump.wake();
    await settled();
    expect(state.batches).toEqual([[1]]);
  });

  test('that was stopped after a poke takes nothing', async () => {
    const { state, pump } = rig(records(3));
    pump.wake();
    pump.stop();
    await settled();
    expect([state.looks, state.batches]).toEqual([0, []]);
  });

  test('tells of a throw and ends', async () => {
    const { state, pump } = rig(records(3), () => {
      throw new Error('no place after all');
    });
    state.budget = 1;
    pump.wake();
    await settled();
    state.budget = 1;
    pump.wake();
    await settled();
    expect(state.failures).toEqual([new Error('no place after all')]);
    expect(state.batches).toEqual([[1]]);
  });
});
