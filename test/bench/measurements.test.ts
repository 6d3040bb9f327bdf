/** Every measurement of the way from a transport into the file, at sizes that say nothing about speed: it runs,
 *  in a process of its own, and what it says is a number. */

import { describe, expect, test } from 'vitest';
import { measureInChild } from '../../bench/child.ts';
import type { MqttFlowOptions } from '../../bench/measurements/mqtt-flow.ts';
import { isNodeRedInstalled } from '../../bench/measurements/node-red.ts';
import { countPassing, isPlausible, isWarm } from '../../bench/measurements/readings.ts';
import { mosquittoMissing } from '../support/mqtt-brokers.ts';
import { skipNote } from '../support/skip-note.ts';

const SIZES = { warmUpMessages: 150, messages: 1_250 };

/** A busy machine takes its time to start a process. */
const TIMEOUT_MS = 60_000;

const positive = (figure: number) => expect(figure).toBeGreaterThan(0);

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
    const { engine, bare } = await measureInChild('push', { runs: 1, batches: 3, batchRecords: 100 });
    expect([engine.length, bare.length]).toEqual([1, 1]);
    for (const rate of [...engine, ...bare]) positive(rate);
  },
);

test.each(['engine', 'bare'] as const)(
  'what is sent to the %s over HTTP and WebSockets is stored',
  { timeout: TIMEOUT_MS },
  async (server) => {
    positive(await measureInChild('httpIngest', { server, warmUpUploads: 5, uploads: 10 }));
    positive(await measureInChild('wsIngest', { server, warmUpMessages: 100, messages: 200 }));
  },
);

test('a flood of hostile connections is borne', { timeout: TIMEOUT_MS }, async () => {
  const figures = await measureInChild('wsFlood', { recordsPerSecond: 100, windowMs: 500, pauseMs: 20 });
  positive(figures.elsewhereP99Ms);
  positive(figures.floodedP99Ms);
  expect(figures.growthMb).toBeLessThan(500);
});

test(
  'records at a steady pace have latencies, and so has a bare commit',
  { timeout: TIMEOUT_MS },
  async () => {
    const { engine, bare } = await measureInChild('latency', {
      ...{ recordsPerSecond: 500, warmUpMs: 50, windowMs: 200 },
    });
    for (const { p50Ms, p99Ms } of [engine, bare]) {
      positive(p50Ms);
      expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    }
  },
);

test('a steady pace is kept, and nothing is lost', { timeout: TIMEOUT_MS }, async () => {
  const paces = { recordsPerSecond: 500, warmUpSeconds: 0.1, seconds: 1 };
  const { pushed, lost, p50Ms, p99Ms, maxMs } = await measureInChild('steady', paces);
  expect(pushed).toBeGreaterThan(400);
  expect(lost).toBe(0);
  positive(p50Ms);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  expect(maxMs).toBeGreaterThanOrEqual(p99Ms);
});

test('an engine that has nothing to do has a size', { timeout: TIMEOUT_MS }, async () => {
  const { rssMb, cpuPercent } = await measureInChild('idle', { sources: 10, restSeconds: 0, seconds: 1 });
  expect(rssMb).toBeGreaterThan(10);
  positive(cpuPercent);
});

test('a history answers about a timeline that was made in bulk', { timeout: TIMEOUT_MS }, async () => {
  const sizes = { runs: 2, rows: 5_000, actors: 50, causes: 10 };
  const figures = await measureInChild('history', sizes);
  for (const values of Object.values(figures)) {
    expect(values).toHaveLength(sizes.runs);
    values.forEach(positive);
  }
});

test.each([true, false])(
  'a sink delivers, beside a dead one: %s',
  { timeout: TIMEOUT_MS },
  async (hasDeadSink) => {
    const sizes = { warmUpRecords: 150, records: 1_250 };
    const { storedPerSecond, deliveredPerSecond } = await measureInChild('sinks', { ...sizes, hasDeadSink });
    positive(storedPerSecond);
    positive(deliveredPerSecond);
  },
);

test(
  'expressions are evaluated at a rate, and the longest evaluation has a length',
  { timeout: TIMEOUT_MS },
  async () => {
    const { filter, bare, longestMs } = await measureInChild('expressions', 2_000);
    for (const figure of [filter, bare, longestMs]) positive(figure);
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
      const figures = await measureInChild('mqttFlow', { ...SIZES, ...options });
      positive(figures.perSecond);
      positive(figures.cpuSecondsPerMillion);
      positive(figures.rssMb);
      if (options.consumer !== 'loop') positive(figures.writtenMbPerMillion);
    });

    const noNodeRed = isNodeRedInstalled() ? null : 'Node-RED is not installed: npm run bench does that';
    test.skipIf(noNodeRed !== null)(`QoS 0 through Node-RED${skipNote(noNodeRed)}`, async () => {
      positive(await measureInChild('nodeRed', SIZES));
    });
  },
);
