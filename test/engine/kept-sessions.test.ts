/** What a broker keeps for a source that is changed or removed: nothing it is not asked for any more. */

import { expect, test } from 'vitest';
import { mqttConnection, mqttSource, type Alert, type SourceSpec } from '../../src/index.ts';
import { simulatedMqttBroker } from '../../src/testing/simulated-mqtt.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { memoryFile, startedRig, type RigOptions } from '../support/engine-rig.ts';

const KEPT = { clean: false, clientId: 'gw-1' };

/** An engine, a broker, and a source with a kept session. */
async function field(options: RigOptions = {}) {
  const clock = virtualClock();
  const broker = simulatedMqttBroker({ clock });
  const { transport } = broker;
  const source = (more: object = {}): SourceSpec =>
    mqttSource({
      ...{ id: 'plant', url: 'mqtt://simulated', topics: ['a/#', 'b/#'], envelope: false, transport },
      ...KEPT,
      ...more,
    });
  const start = async (...specs: SourceSpec[]) => {
    const rig = await startedRig({ clock, ...options }, ...specs);
    const alerts: Alert[] = [];
    rig.engine.alerts$.subscribe((alert) => void alerts.push(alert));
    await clock.advance(100);
    return { ...rig, alerts: () => alerts.filter(({ event }) => event === 'BROKER_SESSION_LEFT') };
  };
  const filters = (clientId = 'gw-1') => broker.session(clientId)?.filters.toSorted() ?? null;
  return { clock, broker, source, start, filters };
}

test('filters that an update leaves out are unsubscribed, and what is common goes on', async () => {
  const { clock, broker, source, start, filters } = await field();
  const rig = await start(source());
  expect(filters()).toEqual(['a/#', 'b/#']);
  rig.engine.send({ type: 'registry.update', spec: source({ topics: ['b/#', 'c/#'] }) });
  await clock.advance(1_000);
  expect(filters()).toEqual(['b/#', 'c/#']);
  broker.publish('a/1', '1');
  broker.publish('b/1', '2');
  await clock.advance(100);
  expect(rig.query('SELECT data FROM records')).toHaveLength(1);
  expect(rig.alerts()).toEqual([]);
});

test('filters that the configuration lost while the engine was off are unsubscribed at its start', async () => {
  const { clock, source, start, filters } = await field({ file: memoryFile() });
  const first = await start(source());
  await first.stop();
  expect(filters()).toEqual(['a/#', 'b/#']);
  await start(source({ topics: 'b/#' }));
  expect(filters()).toEqual(['b/#']);
  await clock.advance(100);
});

test('a stop, a pause and a restart keep the session and its subscriptions', async () => {
  const { clock, broker, source, start, filters } = await field({ file: memoryFile() });
  const first = await start(source());
  first.engine.send({ type: 'registry.pause', id: 'plant' });
  await clock.advance(100);
  broker.publish('a/1', '1');
  expect(broker.session('gw-1')).toMatchObject({ queued: 1 });
  await first.stop();
  expect(filters()).toEqual(['a/#', 'b/#']);
  const second = await start(source());
  await clock.advance(100);
  expect(second.query('SELECT data FROM records')).toHaveLength(1);
});

test('the session of a source that is removed is ended, and is no alert', async () => {
  const { clock, broker, source, start, filters } = await field();
  const rig = await start(source());
  await clock.runUntil(rig.engine.deregister('plant'));
  await clock.advance(1_000);
  expect(filters()).toBeNull();
  expect(broker.connections).toBe(0);
  expect(rig.alerts()).toEqual([]);
  // One of the same name begins anew.
  await clock.runUntil(rig.engine.register(source({ topics: 'c/#' })));
  await clock.advance(100);
  expect(filters()).toEqual(['c/#']);
});

test('a session that cannot be ended is an alert that names it', async () => {
  const { clock, broker, source, start } = await field();
  const rig = await start(source());
  broker.down();
  await clock.runUntil(rig.engine.deregister('plant'));
  await clock.advance(1_000);
  expect(rig.alerts()).toMatchObject([
    { sourceId: 'plant', details: { url: 'mqtt://simulated', clientId: 'gw-1' } },
  ]);
  expect(rig.alerts()[0]).toMatchObject({
    message: expect.stringMatching(/goes on queueing for the kept session "gw-1".*nothing listens there/),
  });
});

test('a broker that does not answer is not waited for without an end', async () => {
  const { clock, broker, source, start } = await field();
  const rig = await start(source({ connectTimeoutMs: 3_000 }));
  broker.freeze();
  await clock.runUntil(rig.engine.deregister('plant'));
  await clock.advance(4_500);
  expect(rig.alerts()).toMatchObject([{ message: expect.stringContaining('did not answer within 3000 ms') }]);
});

test('another client id, or no kept session any more, ends the one before', async () => {
  const { clock, source, start, filters } = await field();
  const rig = await start(source());
  rig.engine.send({ type: 'registry.update', spec: source({ clientId: 'gw-2' }) });
  await clock.advance(1_000);
  expect([filters('gw-1'), filters('gw-2')]).toEqual([null, ['a/#', 'b/#']]);
  rig.engine.send({ type: 'registry.update', spec: source({ clean: true, clientId: 'gw-3' }) });
  await clock.advance(1_000);
  expect([filters('gw-2'), filters('gw-3')]).toEqual([null, ['a/#', 'b/#']]);
  expect(rig.alerts()).toEqual([]);
});

test('another client id after a restart ends the one before, and another broker is an alert', async () => {
  const { clock, source, start, filters } = await field({ file: memoryFile() });
  await (await start(source())).stop();
  const second = await start(source({ clientId: 'gw-2' }));
  await clock.advance(1_000);
  expect([filters('gw-1'), filters('gw-2')]).toEqual([null, ['a/#', 'b/#']]);
  await second.stop();
  const third = await start(source({ clientId: 'gw-2', url: 'mqtt://elsewhere' }));
  expect(third.alerts()).toMatchObject([{ details: { url: 'mqtt://simulated', clientId: 'gw-2' } }]);
});

test('of sources that share a session the last one ends it; before, only its own filters go', async () => {
  const { clock, broker, start, filters } = await field();
  const connection = mqttConnection({ url: 'mqtt://simulated', transport: broker.transport, ...KEPT });
  const of = (id: string, ...topics: string[]) => mqttSource({ id, connection, topics });
  const rig = await start(of('one', 'a/#', 'b/#'), of('two', 'b/#', 'c/#'));
  await clock.advance(100);
  expect(filters()).toEqual(['a/#', 'b/#', 'c/#']);
  await clock.runUntil(rig.engine.deregister('one'));
  await clock.advance(100);
  expect(filters()).toEqual(['b/#', 'c/#']);
  await clock.runUntil(rig.engine.deregister('two'));
  await clock.advance(1_000);
  expect(filters()).toBeNull();
});

test('a stop under a limit says how many messages come again', async () => {
  const { clock, broker, source, start } = await field({
    rateLimit: { recordsPerSecondMax: 10, policy: 'delay' },
  });
  const rig = await start(source());
  for (let n = 1; n <= 18; n++) broker.publish('a/1', String(n));
  await clock.advance(100);
  await rig.stop({ deadlineMs: 100 });
  const stored = rig.query('SELECT data FROM records').length;
  const said = rig.lines.filter(({ message }) => message.includes('sends them again at the next connection'));
  expect(said.map(({ level, fields }) => [level, fields['messages']])).toEqual([['warn', 18 - stored]]);
  expect(stored).toBeGreaterThanOrEqual(10);
  expect(stored).toBeLessThan(18);
  expect(broker.session('gw-1')).toMatchObject({ queued: 18 - stored });
});
