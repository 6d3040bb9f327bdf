/** What goes wrong over and over: neighbours do what they do alone, nobody misses a record, and the log stays
 *  readable. */

import { describe, expect, test } from 'vitest';
import { simulatedSource, transform, type SourceSpec } from '../../src/index.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { startedRig, type EngineRig, type LogLine } from '../support/engine-rig.ts';
import { throwing } from '../support/engine-faulty-sources.ts';

const MINUTES = 2;

const neighbours = (): SourceSpec[] => [
  simulatedSource({ id: 'ticks', intervalMs: 200 }),
  simulatedSource({ id: 'bursts', burst: { recordsMin: 20, recordsMax: 40, gapMs: 1_000 } }),
];

const countsOf = (rig: EngineRig) =>
  ['ticks', 'bursts'].map((id) => rig.delivered.filter(({ sourceId }) => sourceId === id).length);

async function alone(): Promise<number[]> {
  const rig = await startedRig({ health: { intervalMs: 60_000 } }, ...neighbours());
  await rig.clock.advance(MINUTES * 60_000);
  await rig.stop();
  return countsOf(rig);
}

/** Lines that read alike, and how many more they stand for. */
function tellingOf(rig: EngineRig, wanted: (line: LogLine) => boolean) {
  const lines = rig.lines.filter(({ level }) => level === 'warn' || level === 'error').filter(wanted);
  const suppressed = lines.reduce((sum, { fields }) => sum + Number(fields['suppressed'] ?? 0), 0);
  return { written: lines.length, suppressed };
}

describe('a source that crashes ten times a second, and may', () => {
  const restart = {
    restartsMax: 1_000_000,
    backoff: { kind: 'constant', initialMs: 100, jitter: 'none' },
  } as const;

  test('leaves its neighbours as they are, and the log readable', async () => {
    const faulty = throwing('faulty', new Error('for the test'), { restart });
    const rig = await startedRig({ health: { intervalMs: 60_000 } }, ...neighbours(), faulty);
    await rig.clock.advance(MINUTES * 60_000);
    const { restarts, state } = rig.engine.health('faulty');
    await rig.stop();
    const crashes = rig.timeline("actor = 'faulty' AND event = 'link.failed'").length;
    expect([restarts, state]).toEqual([crashes - 1, 'backingOff']);
    expect(crashes).toBeGreaterThan(MINUTES * 500);
    const [expected, counts] = [await alone(), countsOf(rig)];
    for (const [index, count] of counts.entries()) {
      expect(Math.abs(count / Number(expected[index]) - 1)).toBeLessThanOrEqual(0.05);
    }
    const told = tellingOf(rig, ({ message }) => message.startsWith('faulty crashed'));
    expect(told.written).toBeLessThanOrEqual((MINUTES + 1) * LIMITS.logLinesPerMinuteMax);
    expect(told.written).toBeGreaterThanOrEqual(MINUTES * LIMITS.logLinesPerMinuteMax);
    // Those of the last minute are told with the next line, which never comes.
    expect(told.written + told.suppressed).toBeGreaterThan(0.4 * crashes);
    expect(told.written + told.suppressed).toBeLessThanOrEqual(crashes);
    expect(rig.engine.state).toBe('stopped');
  }, 240_000);
});

test('a subscriber that throws at every record costs nobody one, and fills no log', async () => {
  const rig = await startedRig({}, simulatedSource({ id: 'n', intervalMs: 20, value: (n) => n }));
  rig.engine.records$.subscribe(() => {
    throw new Error('for the test');
  });
  await rig.clock.advance(61_000);
  const report = await rig.stop();
  expect(rig.delivered).toHaveLength(report.delivered);
  expect(report).toMatchObject({ lost: 0, delivered: report.sources[0]?.recordsProduced });
  const told = tellingOf(rig, ({ message }) => message.startsWith('a subscriber threw'));
  expect(told.written).toBeLessThanOrEqual(2 * LIMITS.logLinesPerMinuteMax);
  expect(told.written + told.suppressed).toBeGreaterThan(2_000);
}, 240_000);

test('a stage that throws at every record of one source poisons those, and is told of in two lines', async () => {
  const stage = transform(({ sourceId, data }) => {
    if (sourceId === 'bad') throw new Error('for the test');
    return data;
  });
  const rig = await startedRig(
    { stages: [stage] },
    simulatedSource({ id: 'bad', intervalMs: 2 }),
    simulatedSource({ id: 'good', intervalMs: 2 }),
  );
  await rig.clock.advance(10_000);
  const report = await rig.stop();
  const [bad, good] = report.sources.map(({ recordsProduced }) => recordsProduced);
  expect(rig.query('SELECT source_id, count(*) AS n FROM records GROUP BY 1')).toEqual([
    { source_id: 'good', n: good },
  ]);
  expect(rig.query('SELECT count(*) AS n FROM dead_letters')).toEqual([{ n: bad }]);
  const dead = 'records became dead letters; `headgate dead-letters list` shows them';
  expect(rig.complaints().filter((line) => line === dead)).toHaveLength(2);
  expect(rig.complaints().length).toBeLessThanOrEqual(3);
}, 60_000);
