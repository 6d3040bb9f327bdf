/** The export of metrics as an operator meets it: a whole gateway, and a collector that may be ill. */

import { describe, expect, test, type TestContext } from 'vitest';
import { query } from '../storage/fixture.ts';
import { startOtlpCollector, valueIn } from '../metrics/otlp-collector.ts';
import { startGateway, type GatewayProcess } from '../security/gateway-process.ts';

const NEVER_MS = 3_600_000;

type Finish = TestContext['onTestFinished'];

async function start(otlp: object, onTestFinished: Finish) {
  const collector = await startOtlpCollector();
  onTestFinished(() => collector.close());
  const gateway = await startGateway({
    config: {
      sinks: { archive: { type: 'file', path: 'archive.ndjson' } },
      metrics: { otlp: { url: collector.url, ...otlp } },
    },
  });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  const last = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    valueIn(collector.received.at(-1)?.body, name, labels);
  return { collector, gateway, last };
}

async function send(gateway: GatewayProcess, records: number): Promise<void> {
  const body = JSON.stringify(Array.from({ length: records }, (_, n) => ({ n })));
  const headers = { 'content-type': 'application/json' };
  const { status } = await gateway.ask({ method: 'POST', path: '/api/ingest/line', headers, body });
  expect(status).toBe(200);
}

const LINE = { source: 'line', tenant: 'default' };
const ARCHIVE = { sink: 'archive', tenant: 'default' };

test('the figures of a source and of a sink arrive with their labels, and rise', async ({
  onTestFinished,
}) => {
  const { gateway, last } = await start({ intervalMs: 100 }, onTestFinished);
  await send(gateway, 3);
  await expect.poll(() => last('headgate_source_records_total', LINE)).toBe(3);
  await expect.poll(() => last('headgate_sink_delivered_records_total', ARCHIVE)).toBe(3);
  expect(last('headgate_source_state', { ...LINE, type: 'push', state: 'streaming' })).toBe(1);
  expect(last('headgate_sink_state', { ...ARCHIVE, type: 'file', state: 'delivering' })).toBe(1);
  await send(gateway, 2);
  await expect.poll(() => last('headgate_source_records_total', LINE)).toBe(5);
  expect(await gateway.stop()).toBe(0);
});

test('what is sent last, at SIGTERM, is what became of all after the drain', async ({ onTestFinished }) => {
  const { gateway, collector, last } = await start({ intervalMs: NEVER_MS }, onTestFinished);
  await expect.poll(() => collector.received.length).toBe(1);
  await send(gateway, 7);
  expect(await gateway.stop()).toBe(0);
  expect(collector.received).toHaveLength(2);
  expect(last('headgate_engine_state', { state: 'stopped' })).toBe(1);
  expect(last('headgate_source_records_total', LINE)).toBe(7);
  expect(last('headgate_storage_records_total')).toBe(7);
  expect(last('headgate_sink_delivered_records_total', ARCHIVE)).toBe(7);
});

describe.concurrent('the gateway works, drains and ends well beside a collector', { tags: 'full' }, () => {
  /** With the defaults of `engine.stopDeadlineMs` and `metrics.otlp.timeoutMs`. */
  const check = (title: string, answer: number | 'nothing' | 'gone', intervalMs: number) =>
    test(title, async ({ expect, onTestFinished }) => {
      const { gateway, collector } = await start({ intervalMs }, onTestFinished);
      await expect.poll(() => collector.received.length).toBeGreaterThan(0);
      if (answer === 'gone') collector.close();
      else collector.answerWith(answer);
      const before = collector.asked();
      if (answer !== 'gone' && intervalMs < NEVER_MS) {
        await expect.poll(() => collector.asked()).toBeGreaterThan(before);
      }
      await send(gateway, 5);
      expect(await gateway.stop()).toBe(0);
      const said = gateway.logLines().map(({ msg }) => msg);
      expect(said).toContain('the engine has drained');
      expect(said).not.toContain('the gateway did not stop within its deadline and is left behind');
      expect(query(gateway.file, 'SELECT end FROM runs')).toEqual([{ end: 'clean' }]);
      expect(query(gateway.file, 'SELECT count(*) AS stored FROM records')).toEqual([{ stored: 5 }]);
    });

  check('that refuses', 400, 100);
  check('that is overloaded, so that each export is tried again', 503, 100);
  check('that hangs from one export to the next', 'nothing', 100);
  check('that hangs at the end', 'nothing', NEVER_MS);
  check('that is gone', 'gone', 100);
});
