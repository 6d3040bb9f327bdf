import { describe, expect, test } from 'vitest';
import { headgateError, timelineRow } from './fixture.ts';
import { readerOf, seqs, SCENARIO } from './scenario.ts';

describe('explain', () => {
  test('gives the chain of causes across actors, the first cause first', async () => {
    const reader = await readerOf(SCENARIO);
    expect(seqs(reader.explain('plc-7'))).toEqual([1, 2, 3, 5]);
    expect(reader.explain('plc-7').at(-1)).toMatchObject({ to_state: 'backingOff', data: { attempt: 1 } });
    expect(seqs(reader.explain('default/plc-7'))).toEqual([1, 2, 3, 5]);
    expect(seqs(reader.explain('north/plc-8'))).toEqual([7]);
  });

  test('gives the chain of an earlier time', async () => {
    const reader = await readerOf(SCENARIO);
    expect(seqs(reader.explain('plc-7', 139))).toEqual([1, 2, 3]);
    expect(seqs(reader.explain('plc-7', 140))).toEqual([1, 2, 3, 5]);
    expect(seqs(reader.explain('plc-7', 119))).toEqual([]);
  });

  test('takes the last row of an actor that has no states', async () => {
    const reader = await readerOf(SCENARIO);
    expect(seqs(reader.explain('registry'))).toEqual([1, 2]);
  });

  test('names the nearest actors for one it does not know', async () => {
    const reader = await readerOf([
      ...SCENARIO,
      timelineRow({ seq: 8, actor: 'plc-71' }),
      timelineRow({ seq: 9, actor: 'boiler' }),
    ]);
    const error = await headgateError(() => reader.explain('pcl-7'), 'HG_SOURCE_UNKNOWN');
    expect(error.details['nearest']).toEqual(['plc-7', 'plc-71']);
    expect(error.message).toContain('"pcl-7"');
    const nothingNear = await headgateError(() => reader.explain('q'), 'HG_SOURCE_UNKNOWN');
    expect(nothingNear.details['nearest']).toEqual([]);
    const empty = await readerOf([]);
    await headgateError(() => empty.explain('plc-7'), 'HG_SOURCE_UNKNOWN');
  });

  test('ends after a thousand causes, with the nearest ones', async () => {
    const rows = Array.from({ length: 1_500 }, (_, index) =>
      timelineRow({ seq: index + 1, cause: index === 0 ? null : index }),
    );
    const chain = (await readerOf(rows)).explain('plc-7');
    expect(chain).toHaveLength(1_000);
    expect([chain.at(0)?.['seq'], chain.at(-1)?.['seq']]).toEqual([501, 1_500]);
  });

  test('does not follow causes in a circle, nor one that is not there', async () => {
    const reader = await readerOf([
      timelineRow({ seq: 3, cause: 2 }),
      timelineRow({ seq: 4, cause: 5 }),
      timelineRow({ seq: 5, cause: 4 }),
      timelineRow({ seq: 6, cause: 6, actor: 'plc-8' }),
      timelineRow({ seq: 7, cause: 3, actor: 'plc-9' }),
    ]);
    expect(seqs(reader.explain('plc-7'))).toEqual([4, 5]);
    expect(seqs(reader.explain('plc-8'))).toEqual([6]);
    expect(seqs(reader.explain('plc-9'))).toEqual([3, 7]);
  });
});

describe('the states at a time', () => {
  test('are those of each actor that was born by then, by name', async () => {
    const reader = await readerOf(SCENARIO);
    expect(reader.stateAt(145)).toEqual([
      { actor: 'engine', tenant: 'default', state: 'running', since_ms: 100, seq: 1, incarnation: 1 },
      { actor: 'north/plc-8', tenant: 'north', state: 'streaming', since_ms: 130, seq: 4, incarnation: 1 },
      { actor: 'plc-7', tenant: 'default', state: 'backingOff', since_ms: 140, seq: 5, incarnation: 1 },
    ]);
    expect(reader.stateAt(119).map((row) => row['actor'])).toEqual(['engine']);
    expect(reader.stateAt(99)).toEqual([]);
    expect(reader.stateAt(10_000).map((row) => row['state'])).toEqual(['running', 'stopped', 'backingOff']);
  });

  test('are refused for a time that is no number', async () => {
    const reader = await readerOf(SCENARIO);
    await headgateError(() => reader.stateAt(Number.NaN), 'HG_OPTION_INVALID');
    await headgateError(() => reader.explain('plc-7', Number.NaN), 'HG_OPTION_INVALID');
  });
});
