// @module-tag full
/** Every measurement of the way from a transport into the file, at sizes that say nothing about speed: it
 *  runs, in a process of its own, and its figures fit what was done and how long that took. */

import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { measureInChild } from '../../bench/child.ts';
import type { MeasurementName, Measurements } from '../../bench/measure.ts';
import { MESSAGE_RECORDS, UPLOAD_RECORDS } from '../../bench/measurements/ingest-shape.ts';
import type { MqttFlowOptions } from '../../bench/measurements/mqtt-flow.ts';
import { isNodeRedInstalled } from '../../bench/measurements/node-red.ts';
import { countPassing, isPlausible, isWarm } from '../../bench/measurements/readings.ts';
import { mosquittoMissing } from '../support/mqtt-brokers.ts';
import { skipNote } from '../support/skip-note.ts';

const SIZES = { warmUpMessages: 150, messages: 1_250 };

/** A busy machine takes its time to start a process. */
const TIMEOUT_MS = 60_000;

const positive = (figure: number) => expect(figure).toBeGreaterThan(0);

/** Measures in a child, and how many seconds that took in all: what is measured is a part of them. */
async function timed<Name extends MeasurementName>(name: Name, ...args: Parameters<Measurements[Name]>) {
  const startedMs = performance.now();
  const figures = await measureInChild(name, ...args);
  return { figures, seconds: (performance.now() - startedMs) / 1_000 };
}

/** Records per second that `records` can have had within `seconds`: a wrong unit or a wrong count is not. */
function expectRate(rate: number, records: number, seconds: number): void {
  expect(rate).toBeGreaterThanOrEqual(records / seconds);
  expect(rate).toBeLessThan(RATE_MAX);
}

/** A wait, in milliseconds, within `seconds`. */
function expectWait(waitMs: number, seconds: number): void {
  expect(waitMs).toBeGreaterThan(WAIT_MS_MIN);
  expect(waitMs).toBeLessThanOrEqual(seconds * 1_000);
}

/** No machine stores a record in less than 100 ns, or commits one in less than a microsecond. */
const RATE_MAX = 10_000_000;
const WAIT_MS_MIN = 0.001;

test('how many readings pass a filter is known for any number of them', () => {
  expect(countPassing(2_345, isPlausible)).toBe(2_345);
  expect(countPassing(1_000, isWarm)).toBe(900);
  expect(countPassing(0, isWarm)).toBe(0);
  expect(countPassing(1_001, isWarm)).toBe(900);
  expect(countPassing(1_002, isWarm)).toBe(901);
});

test(
  'pushed payloads are stored, and the bare loop inserts as many rows',
  { timeout: TIMEOUT_MS },
  async () => {
    const { figures, seconds } = await timed('push', { runs: 1, batches: 3, batchRecords: 100 });
    const { engine, bare } = figures;
    expect([engine.length, bare.length]).toEqual([1, 1]);
    for (const rate of [...engine, ...bare]) expectRate(rate, 300, seconds);
  },
);

test.each(['engine', 'bare'] as const)(
  'what is sent to the %s over HTTP and WebSockets is stored',
  { timeout: TIMEOUT_MS },
  async (server) => {
    const http = await timed('httpIngest', { server, warmUpUploads: 5, uploads: 10 });
    expectRate(http.figures, 10 * UPLOAD_RECORDS, http.seconds);
    const ws = await timed('wsIngest', { server, warmUpMessages: 100, messages: 200 });
    expectRate(ws.figures, 200 * MESSAGE_RECORDS, ws.seconds);
  },
);

test('a flood of hostile connections is borne', { timeout: TIMEOUT_MS }, async () => {
  const sizes = { recordsPerSecond: 100, windowMs: 500, pauseMs: 20 };
  const { figures, seconds } = await timed('wsFlood', sizes);
  expectWait(figures.elsewhereP99Ms, seconds);
  expectWait(figures.floodedP99Ms, seconds);
  expect(figures.growthMb).toBeLessThan(500);
});

test(
  'records at a steady pace have latencies, and so has a bare commit',
  { timeout: TIMEOUT_MS },
  async () => {
    const { figures, seconds } = await timed('latency', {
      ...{ recordsPerSecond: 500, warmUpMs: 50, windowMs: 200 },
    });
    for (const { p50Ms, p99Ms } of [figures.engine, figures.bare]) {
      expectWait(p50Ms, seconds);
      expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    }
  },
);

test('a steady pace is kept, and nothing is lost', { timeout: TIMEOUT_MS }, async () => {
  const paces = { recordsPerSecond: 500, warmUpSeconds: 0.1, seconds: 1 };
  const { figures, seconds } = await timed('steady', paces);
  const { pushed, lost, p50Ms, p99Ms, maxMs } = figures;
  expect(pushed).toBeGreaterThan(400);
  expect(lost).toBe(0);
  expectWait(p50Ms, seconds);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  expect(maxMs).toBeGreaterThanOrEqual(p99Ms);
  expectWait(maxMs, seconds);
});

test('an engine that has nothing to do has a size', { timeout: TIMEOUT_MS }, async () => {
  const { rssMb, cpuPercent } = await measureInChild('idle', { sources: 10, restSeconds: 0, seconds: 1 });
  // No process of Node is smaller than 10 MB, and none of these has a gigabyte or more cores than there are.
  expect(rssMb).toBeGreaterThan(10);
  expect(rssMb).toBeLessThan(1_000);
  positive(cpuPercent);
  expect(cpuPercent).toBeLessThanOrEqual(100 * availableParallelism());
});

test('a history answers about a timeline that was made in bulk', { timeout: TIMEOUT_MS }, async () => {
  const sizes = { runs: 2, rows: 5_000, actors: 50, causes: 10 };
  const { figures, seconds } = await timed('history', sizes);
  for (const values of Object.values(figures)) {
    expect(values).toHaveLength(sizes.runs);
    for (const waitMs of values) expectWait(waitMs, seconds);
  }
});

test.each([true, false])(
  'a sink delivers, beside a dead one: %s',
  { timeout: TIMEOUT_MS },
  async (hasDeadSink) => {
    const sizes = { warmUpRecords: 150, records: 1_250 };
    const { figures, seconds } = await timed('sinks', { ...sizes, hasDeadSink });
    expectRate(figures.storedPerSecond, sizes.records, seconds);
    expectRate(figures.deliveredPerSecond, sizes.records, seconds);
  },
);

test(
  'expressions are evaluated at a rate, and the longest evaluation has a length',
  { timeout: TIMEOUT_MS },
  async () => {
    const { figures, seconds } = await timed('expressions', 2_000);
    for (const rate of [figures.filter, figures.bare]) expect(rate).toBeGreaterThanOrEqual(2_000 / seconds);
    expectWait(figures.longestMs, seconds);
  },
);

describe.skipIf(mosquittoMissing !== null)(
  `with Mosquitto${skipNote(mosquittoMissing)}`,
  { timeout: TIMEOUT_MS },
  () => {
    const flows: [string, Omit<MqttFlowOptions, keyof typeof SIZES>][] = [
      ['QoS 0 through a filter that takes some out', { consumer: 'engine', work: 'convert', qos: 0 }],
      ['QoS 1 through the engine', { consumer: 'engine', work: 'store', qos: 1 }],
      ['QoS 1 acknowledged first', { consumer: 'ackFirst', work: 'store', qos: 1 }],
      ['QoS 0 through the bare loop', { consumer: 'loop', work: 'store', qos: 0 }],
    ];
    test.each(flows)('%s', async (_name, options) => {
      const { figures, seconds } = await timed('mqttFlow', { ...SIZES, ...options });
      expectRate(figures.perSecond, SIZES.messages, seconds);
      positive(figures.cpuSecondsPerMillion);
      positive(figures.rssMb);
      if (options.consumer !== 'loop') positive(figures.writtenMbPerMillion);
    });

    const noNodeRed = isNodeRedInstalled() ? null : 'Node-RED is not installed: npm run bench does that';
    test.skipIf(noNodeRed !== null)(`QoS 0 through Node-RED${skipNote(noNodeRed)}`, async () => {
      const { figures, seconds } = await timed('nodeRed', SIZES);
      expectRate(figures, SIZES.messages, seconds);
    });
  },
);
