import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import { arrivalsUntil, expectedBurst } from './burst-oracle.ts';
import {
  DEMO_MODULES,
  expectCleanEnd,
  REPORT_SCHEMAS,
  runDemo,
  temporaryDb,
  type DemoName,
} from './demo-runs.ts';

const NAMES = Object.keys(DEMO_MODULES) as DemoName[];
const START_MS = Date.UTC(2020, 0, 1);

function timelineOf(db: string): Row[] {
  const reader = openTimelineReader(db);
  try {
    return reader.timeline();
  } finally {
    reader.close();
  }
}

function rowsOf(db: string, sql: 'alerts' | 'sources'): Row[] {
  const reader = openTimelineReader(db);
  try {
    return reader[sql]();
  } finally {
    reader.close();
  }
}

test.for(NAMES)('%s gives the document it promises', async (name) => {
  const { report, lastFrame } = await runDemo(name, { virtual: true });
  expect(REPORT_SCHEMAS[name].safeParse(report).error).toBeUndefined();
  expect(lastFrame.sources.length).toBeGreaterThan(0);
  expect(JSON.parse(JSON.stringify(report))).toEqual(report);
});

test.for(NAMES)(
  '%s under one seed gives one timeline to the byte, a hundred times',
  { tags: 'full', timeout: 120_000 },
  async (name) => {
    const digests = new Set<string>();
    const reports = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const db = temporaryDb();
      const { report } = await runDemo(name, { virtual: true, seed: 3, db });
      const rows = timelineOf(db);
      expect(rows.length).toBeGreaterThan(10);
      digests.add(createHash('sha256').update(JSON.stringify(rows)).digest('hex'));
      reports.add(JSON.stringify({ ...report, db: null }));
    }
    expect([digests.size, reports.size]).toEqual([1, 1]);
  },
);

test('another seed gives another course of events', async () => {
  const course = async (seed: number) => {
    const { report } = await runDemo('health', { virtual: true, seed });
    return report.healthSummaries.map(({ sources }) => sources.map((source) => source.recordsProduced));
  };
  expect(await course(1)).not.toEqual(await course(2));
});

test.for(NAMES)('%s leaves every cause before its effect, and a run that ended cleanly', async (name) => {
  const db = temporaryDb();
  await runDemo(name, { virtual: true, db });
  const rows = timelineOf(db);
  for (const row of rows) if (row['cause'] !== null) expect(row['cause']).toBeLessThan(row['seq'] as number);
  expect(rows[0]?.['at_ms']).toBe(START_MS);
  expectCleanEnd(rows);
});

test.for(NAMES)('%s ends early, drained and in order, when it is told to', async (name) => {
  const stop = new AbortController();
  const db = temporaryDb();
  const options = { virtual: true, db, signal: stop.signal, onTold: () => stop.abort() };
  const { report } = await runDemo(name, options);
  expect(REPORT_SCHEMAS[name].safeParse(report).error).toBeUndefined();
  expectCleanEnd(timelineOf(db));
});

test('health: totals, records produced and rows drained are the same number', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { report } = await runDemo('health', { virtual: true, seed });
    const produced = report.sources.reduce((sum, source) => sum + source.recordsProduced, 0);
    const totals = Object.values(report.totalsByType).reduce((sum, records) => sum + records, 0);
    expect([totals, report.drained], `seed ${seed}`).toEqual([produced, produced]);
  }
});

test('health: six summaries, each of all five sources, half a second apart', async () => {
  const { report } = await runDemo('health', { virtual: true });
  expect(report.healthSummaries.map(({ atMs }) => atMs)).toEqual([500, 1_000, 1_500, 2_000, 2_500, 3_000]);
  for (const { sources } of report.healthSummaries) {
    expect(sources.map(({ sourceId, type }) => [sourceId, type])).toEqual([
      ['http-1', 'http'],
      ['http-2', 'http'],
      ['http-3', 'http'],
      ['mqtt-1', 'mqtt'],
      ['mqtt-2', 'mqtt'],
    ]);
  }
});

test('health: about a tenth of the HTTP reads fail, and a failed read is no record', async () => {
  let produced = 0;
  const seeds = 40;
  for (let seed = 1; seed <= seeds; seed++) {
    const { report } = await runDemo('health', { virtual: true, seed });
    produced += report.totalsByType['http'] ?? 0;
  }
  // 29 reads of three sensors in less than 3 s. Six standard deviations of a binomial with p = 0.1.
  const reads = seeds * 3 * 29;
  const failed = reads - produced;
  expect(Math.abs(failed - reads * 0.1)).toBeLessThan(6 * Math.sqrt(reads * 0.09));
});

test('health: MQTT sensors speak in bursts of 3 to 5, ten a second', async () => {
  const { report } = await runDemo('health', { virtual: true });
  for (const { atMs, sources } of report.healthSummaries) {
    for (const source of sources.filter(({ type }) => type === 'mqtt')) {
      const bursts = atMs / 100;
      expect(source.recordsProduced).toBeGreaterThanOrEqual(3 * bursts);
      expect(source.recordsProduced).toBeLessThanOrEqual(5 * (bursts + 1));
    }
  }
});

test('backpressure: of P readings kept, all but ten wait, each as long as the consumer pauses', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { report, told } = await runDemo('backpressure', { virtual: true, seed });
    const { passed, queueWaitMs } = report;
    const waiting = Math.max(0, passed - 10);
    expect([report.produced, passed + report.filtered, report.consumed], `seed ${seed}`).toEqual([
      100,
      100,
      passed,
    ]);
    expect(waiting, 'the seed shows something').toBeGreaterThan(0);
    expect(queueWaitMs).toEqual({ avg: (10 * waiting) / passed, max: 10, over5ms: waiting });
    expect(report.highWater).toBe(10);
    const indices = Array.from({ length: Math.floor(passed / 10) }, (_, index) => 10 * (index + 1));
    expect(report.printed).toEqual(indices.map((index) => ({ index, queueWaitMs: index <= 10 ? 0 : 10 })));
    expect(told).toHaveLength(indices.length);
  }
});

test('registry: the timeline is the plan, to the millisecond', async () => {
  const { report } = await runDemo('registry', { virtual: true });
  const marks = report.timeline.map(
    ({ atMs, event, sourceId }) => `${atMs}${event === 'registered' ? '+' : '-'}${sourceId}`,
  );
  expect(marks).toEqual(['0+a', '0+b', '0+c', '1000+d', '2000-a', '3000+e', '3000+f']);
});

test('registry: the database tells the same, and that no source was restarted', async () => {
  const db = temporaryDb();
  const { report } = await runDemo('registry', { virtual: true, db });
  const told = timelineOf(db)
    .filter((row) => row['kind'] === 'registered' || row['kind'] === 'deregistered')
    .map((row) => ({
      atMs: (row['at_ms'] as number) - START_MS,
      event: row['kind'],
      sourceId: row['actor'],
    }));
  expect(told).toEqual(report.timeline);
  const sources = rowsOf(db, 'sources');
  expect(sources.map((row) => row['source_id'])).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(sources.every((row) => row['restarts'] === 0)).toBe(true);
  const born = timelineOf(db).filter(
    (row) => row['kind'] === 'born' && 'abcdef'.includes(row['actor'] as string),
  );
  expect(born).toHaveLength(6);
});

test('registry: the parts sum up to the whole, a record every 100 ms of each stay', async () => {
  const { report } = await runDemo('registry', { virtual: true });
  expect(Object.values(report.perSource).reduce((sum, records) => sum + records, 0)).toBe(report.total);
  const stayMs = { a: 2_000, b: 5_000, c: 5_000, d: 4_000, e: 2_000, f: 2_000 };
  for (const [sourceId, ms] of Object.entries(stayMs)) {
    const records = report.perSource[sourceId] ?? 0;
    expect(Math.abs(records - ms / 100), sourceId).toBeLessThanOrEqual(1);
  }
});

test('burst: counts and alerts are those of the oracle, in both scenarios', async () => {
  const { report } = await runDemo('burst', { virtual: true });
  expect(report.scenarios.map(({ limitPerSecond }) => limitPerSecond)).toEqual([100, 20]);
  for (const scenario of report.scenarios) {
    const expected = expectedBurst(10_000, scenario.limitPerSecond);
    expect(scenario.ingested).toBe(expected.ingested);
    expect(scenario.dropped).toBe(expected.dropped);
    expect(
      scenario.alerts.map(({ timestamp, start, end, windowRecords, windowDurationMs, rate }) => ({
        ...{ timestamp, start, end, windowRecords, windowDurationMs, rate },
      })),
    ).toEqual(
      expected.alerts.map(({ atMs, oldestMs, windowRecords }) => ({
        ...{ timestamp: START_MS + atMs, start: START_MS + oldestMs, end: START_MS + atMs },
        ...{ windowRecords, windowDurationMs: atMs - oldestMs },
        rate: (windowRecords / (atMs - oldestMs)) * 1_000,
      })),
    );
  }
  const { scenarios, demo, db, ...first } = report;
  expect([demo, db.length > 0]).toEqual(['burst', true]);
  expect(first).toEqual(scenarios[0]);
});

test('burst: the first scenario drops nothing and the second one does', () => {
  const arrivals = arrivalsUntil(10_000).length;
  const [open, limited] = [expectedBurst(10_000, 100), expectedBurst(10_000, 20)];
  expect([open.ingested, open.dropped]).toEqual([arrivals, 0]);
  expect(limited.dropped).toBeGreaterThan(0);
  expect(limited.ingested + limited.dropped).toBe(arrivals);
});

test('burst: every alert reported has its row', async () => {
  const db = temporaryDb();
  const { report } = await runDemo('burst', { virtual: true, db });
  const stored = rowsOf(db, 'alerts').filter((row) => row['event'] === 'BURST');
  expect(stored.length).toBeGreaterThan(0);
  for (const [index, { alerts }] of report.scenarios.entries()) {
    const sourceId = ['bursty', 'bursty-20'][index];
    expect(alerts.every((alert) => alert.sourceId === sourceId)).toBe(true);
    expect(stored.filter((row) => row['actor'] === sourceId).map((row) => row['at_ms'])).toEqual(
      alerts.map(({ timestamp }) => timestamp),
    );
  }
  expect(stored).toHaveLength(report.scenarios.flatMap(({ alerts }) => alerts).length);
});

test('demos in virtual time leave nothing behind that keeps the process alive', async () => {
  const resources = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = resources();
  for (const name of NAMES) await runDemo(name, { virtual: true });
  await nextTurn();
  expect(resources()).toBeLessThanOrEqual(before);
});
