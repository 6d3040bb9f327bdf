// @module-tag full
import { expect, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { expectCleanEnd, REPORT_SCHEMAS, runDemo, temporaryDb, type DemoName } from './demo-runs.ts';
import { childrenOf, isPublisher } from './processes.ts';

/** On real brokers, servers and processes, in real time. They run side by side: the longest one takes ten
 *  seconds. */
const TIMEOUT = { timeout: 60_000 };

test.concurrent('health: real sensors fail, and nothing that was read is lost', TIMEOUT, async () => {
  const { report, lastFrame } = await runReal('health');
  expect(report.healthSummaries).toHaveLength(6);
  const produced = report.sources.reduce((sum, source) => sum + source.recordsProduced, 0);
  expect(report.drained).toBe(produced);
  expect(report.totalsByType['http']).toBeGreaterThan(20);
  // Two sensors, at least 3 records in each of the bursts 100 ms apart.
  expect(report.totalsByType['mqtt']).toBeGreaterThan(100);
  expect(lastFrame.queue?.records).toBe(0);
});

test.concurrent(
  'backpressure: a real consumer that takes its time makes real records wait',
  TIMEOUT,
  async () => {
    const { report } = await runReal('backpressure');
    expect([report.produced, report.passed + report.filtered, report.consumed]).toEqual([
      100,
      100,
      report.passed,
    ]);
    expect(report.highWater).toBe(10);
    // Storing takes a part of the consumer's 10 ms, so that a record waits less than that, but it does wait.
    expect(report.queueWaitMs.over5ms).toBeGreaterThan(0);
    expect(report.queueWaitMs.avg).toBeGreaterThan(0);
    expect(report.printed).toHaveLength(Math.floor(report.passed / 10));
  },
);

test.concurrent(
  'registry: real sources come and go in the planned order, without a restart',
  TIMEOUT,
  async () => {
    const { report, db } = await runReal('registry');
    expect(report.timeline.map(({ event, sourceId }) => `${event} ${sourceId}`)).toEqual([
      ...['registered a', 'registered b', 'registered c', 'registered d', 'deregistered a'],
      ...['registered e', 'registered f'],
    ]);
    const planned = [0, 0, 0, 1_000, 2_000, 3_000, 3_000];
    // A timer of Node rounds down to whole milliseconds, and so does each of the two times.
    report.timeline.forEach(({ atMs }, index) =>
      expect(atMs).toBeGreaterThanOrEqual((planned[index] ?? 0) - 2),
    );
    expect(Object.keys(report.perSource).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(Object.values(report.perSource).reduce((sum, records) => sum + records, 0)).toBe(report.total);
    const reader = openTimelineReader(db);
    expect(reader.sources().map((row) => row['restarts'])).toEqual([0, 0, 0, 0, 0, 0]);
    reader.close();
  },
);

test.concurrent('burst: real bursts raise alerts, and the lower limit drops records', TIMEOUT, async () => {
  const { report } = await runReal('burst');
  const [open, limited] = report.scenarios;
  expect(open?.dropped).toBe(0);
  expect(limited?.dropped).toBeGreaterThan(0);
  for (const scenario of report.scenarios) {
    expect(scenario.ingested + scenario.dropped).toBeGreaterThan(200);
    expect(scenario.alerts).toHaveLength(5);
    for (const alert of scenario.alerts) {
      expect(alert.windowRecords).toBe(31);
      expect(alert.timestamp - alert.start).toBeLessThanOrEqual(500);
    }
  }
});

test.runIf(process.platform === 'linux')('no publisher outlives the demos', () => {
  expect(childrenOf(process.ppid)).toContain(String(process.pid));
  expect(childrenOf(process.pid).filter(isPublisher)).toEqual([]);
});

async function runReal<Name extends DemoName>(name: Name) {
  const db = temporaryDb();
  const run = await runDemo(name, { virtual: false, db });
  expect(REPORT_SCHEMAS[name].safeParse(run.report).error).toBeUndefined();
  const reader = openTimelineReader(db);
  expectCleanEnd(reader.timeline());
  reader.close();
  return { ...run, db };
}
