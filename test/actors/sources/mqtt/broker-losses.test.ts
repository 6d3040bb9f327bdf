import { describe, expect, test } from 'vitest';
import { realClock } from '../../../../src/platform/real-clock.ts';
import type { Logger } from '../../../../src/domain/logger.ts';
import { mqttSource } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { mosquittoMissing, startMosquitto } from '../../../support/mqtt-brokers.ts';
import { startPublisher } from '../../../support/mqtt-publisher.ts';
import { startRun, type SourceRun } from '../../../support/mqtt-runs.ts';
import { field } from '../../../support/mqtt-simulated-field.ts';
import { skipNote } from '../../../support/skip-note.ts';

const DROPPED = '$SYS/broker/publish/messages/dropped';

/** The warnings of a run, from here on. */
function warningsOf(run: SourceRun, onWarning: () => void = () => {}): object[] {
  const warnings: object[] = [];
  const warn = (fields: object) => {
    warnings.push(fields);
    onWarning();
  };
  const log: Logger = { ...run.log, warn };
  Object.assign(run, { log });
  return warnings;
}

test('a rise of the broker’s counter is told, in numbers, and makes no record', async () => {
  const { clock, broker, start } = field();
  const run = start({ brokerLosses: true });
  const warnings = warningsOf(run);
  await clock.advance(10);
  // What was lost before; no change; 4 more; a broker started anew that lost 2; no number.
  for (const total of ['5', '5', '9', '2', 'many', '']) {
    broker.publish(DROPPED, total, { qos: 0 });
    await clock.advance(10);
  }
  expect(warnings).toMatchObject([
    { lost: 4, total: 9 },
    { lost: 2, total: 2 },
  ]);
  expect([run.values, run.undecodable]).toEqual([[], []]);
  await run.stop();
});

test('an alert says it at once, and then once a minute with the sum; one that is due outlives its link', async () => {
  const { clock, broker, start } = field();
  const run = start({ brokerLosses: true });
  const told: [atMs: number, dropped: unknown, total: unknown][] = [];
  run.alert = (event, _message, { dropped, total } = {}) => {
    if (event === 'BROKER_LOST_MESSAGES')
      told.push([Math.round(clock.monotonicMs() / 1_000), dropped, total]);
  };
  await clock.advance(10);
  const count = async (total: number, afterMs: number) => {
    broker.publish(DROPPED, String(total), { qos: 0, retain: true });
    await clock.advance(afterMs);
  };
  await count(100, 10_000);
  expect(told).toEqual([]);
  await count(103, 10_000);
  await count(107, 10_000);
  await count(112, 200_000);
  expect(told).toEqual([
    [10, 3, 103],
    [70, 9, 112],
  ]);
  await count(113, 10_000);
  await count(115, 10_000);
  await run.stop();
  // No timer is left that would speak for a run that is over.
  await clock.advance(120_000);
  expect(clock.pendingTimers).toBe(0);
  expect(told.slice(2)).toEqual([[230, 1, 113]]);
});

test('sources that share a connection tell it once, also after the one that opened it has gone', async () => {
  const { clock, broker, connectionOf } = field();
  const connection = connectionOf({ brokerLosses: true });
  const runs = ['a', 'b'].map((id) => startRun(mqttSource({ id, connection, topics: id }), clock));
  await clock.advance(10);
  const [first, second] = runs as [SourceRun, SourceRun];
  await count(1);
  await count(2);
  await first.stop();
  await clock.advance(60_000);
  await count(3);
  expect(first.alerts).toMatchObject([{ details: { dropped: 1, total: 2 } }]);
  expect(second.alerts).toMatchObject([{ details: { dropped: 1, total: 3 } }]);
  await second.stop();

  async function count(total: number): Promise<void> {
    broker.publish(DROPPED, String(total), { qos: 0 });
    await clock.advance(10);
  }
});

test('a source of the counter gets it as records, too', async () => {
  const { clock, broker, start } = field();
  const run = start({ brokerLosses: true, topics: DROPPED });
  await clock.advance(10);
  broker.publish(DROPPED, '5', { qos: 0 });
  await clock.advance(10);
  expect(run.values).toEqual([5]);
  await run.stop();
});

describe.skipIf(mosquittoMissing !== null)(`Mosquitto${skipNote(mosquittoMissing)}`, () => {
  test('tells what it throws away because a source is slow', { tags: 'full' }, async () => {
    const broker = await startMosquitto({
      config: ['max_queued_messages 10', 'max_inflight_messages 1', 'sys_interval 1'],
    });
    const spec = mqttSource({ id: 'm', url: broker.url, topics: 'a', brokerLosses: true });
    const run = startRun(spec, realClock, { settle: 'by hand' });
    const told = Promise.withResolvers<void>();
    const warnings = warningsOf(run, told.resolve);
    await run.whenOpened();
    const device = await startPublisher(broker.url);
    // The counter is first told as it is: before anything was lost.
    await device.publishNumbers('a', 5);
    const counter = startRun(mqttSource({ id: 'c', url: broker.url, topics: DROPPED }), realClock);
    await counter.records(1);
    await device.publishNumbers('a', 200, { from: 6 });
    await told.promise;
    expect(warnings[0]).toMatchObject({ url: broker.url });
    const { lost, total } = warnings[0] as { lost: number; total: number };
    expect(run.alerts[0]).toEqual({
      event: 'BROKER_LOST_MESSAGES',
      message: expect.stringContaining('max_queued_messages') as string,
      details: { url: broker.url, dropped: lost, total },
    });
    expect((warnings[0] as { lost: number }).lost).toBeGreaterThan(100);
    await Promise.all([run.stop(), counter.stop()]);
    await device.close();
    await broker.dispose();
  });
});
