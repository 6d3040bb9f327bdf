import { describe, expect, test } from 'vitest';
import type { MqttTransport } from '../../../../actors/protocols/mqtt/transport.ts';
import type { Logger } from '../../../../src/domain/logger.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import { field, KEPT, numbers } from '../../../support/mqtt-simulated-field.ts';

describe('what a record is', () => {
  test('the payload alone, where the one topic is known', async () => {
    const { clock, broker, start } = field();
    const run = start();
    await clock.advance(10);
    broker.publish('plant/a', '{"speed":7}');
    await clock.advance(10);
    expect(run.values).toEqual([{ speed: 7 }]);
    await run.stop();
  });

  test.each([
    { topics: 'plant/+' },
    { topics: 'plant/#' },
    { topics: ['plant/a', 'plant/b'] },
    { topics: 'plant/+', sharedGroup: 'g' },
    { topics: 'plant/a', envelope: true },
  ])('the payload in an envelope with its topic: %o', async (options) => {
    const { clock, broker, start } = field();
    const run = start({ ...options, decode: 'ndjson' });
    await clock.advance(10);
    broker.publish('plant/a', '1\n2\n', { qos: 0 });
    await clock.advance(10);
    const envelope = { topic: 'plant/a', qos: 0, retain: false };
    expect(run.values).toEqual([
      { ...envelope, payload: 1 },
      { ...envelope, payload: 2 },
    ]);
    await run.stop();
  });

  test.each([
    { topics: 'plant/a', sharedGroup: 'g' },
    { topics: 'plant/+', envelope: false },
  ])('the payload alone: %o', async (options) => {
    const { clock, broker, start } = field();
    const run = start(options);
    await clock.advance(10);
    broker.publish('plant/a', '1');
    await clock.advance(10);
    expect(run.values).toEqual([1]);
    await run.stop();
  });

  test.each([true, false])(
    'what cannot be decoded goes to the dead letters alone, envelope %s',
    async (envelope) => {
      const { clock, broker, start } = field();
      const run = start({ envelope, decode: 'ndjson' });
      await clock.advance(10);
      broker.publish('plant/a', '1\n{"x\n3');
      broker.publish('plant/a', '4');
      await clock.advance(10);
      expect(run.undecodable).toHaveLength(1);
      expect(run.undecodable[0]?.error).toMatchObject({ code: 'HG_DECODE_FAILED' });
      expect(run.values.map((value) => (envelope ? (value as { payload: unknown }).payload : value))).toEqual(
        [1, 3, 4],
      );
      await run.stop();
    },
  );

  test.each([true, false])(
    'a decoder that throws or gives no list harms its message only, envelope %s',
    async (envelope) => {
      const { clock, broker, start } = field();
      const decode = (payload: Uint8Array) => {
        if (payload[0] === 0x78) throw new Error('an x');
        return [payload.length];
      };
      const run = start({ envelope, decode });
      await clock.advance(10);
      for (const text of ['x', 'ab', 'x', 'abc']) broker.publish('plant/a', text);
      await clock.advance(10);
      expect(run.undecodable).toHaveLength(2);
      expect(run.values).toHaveLength(2);
      await run.stop();
    },
  );
});

describe('the link', () => {
  test('is open once the broker granted the topics', async () => {
    const { clock, start } = field({ latencyMs: 10 });
    const run = start();
    await clock.advance(29);
    expect(run.state.opened).toBe(false);
    await clock.advance(2);
    expect(run.state.opened).toBe(true);
    await run.stop();
  });

  test('refused, lost and unauthorised ends the run with an error that asks for a retry', async () => {
    const { clock, broker, start } = field({ credentials: { username: 'u', password: 's3cret' } });
    const login = { username: 'u', password: 's3cret' };
    broker.down();
    const refused = start(login);
    await clock.advance(10);
    expect(await refused.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    broker.up();
    const wrong = start({ username: 'u', password: 'wr0ng' });
    await clock.advance(10);
    const unauthorised = await wrong.over;
    expect(unauthorised).toMatchObject({ code: 'HG_LINK_UNAUTHORISED', remedy: 'retry' });
    expect(unauthorised?.message).not.toContain('wr0ng');
    const run = start(login);
    await clock.advance(10);
    expect(run.state.opened).toBe(true);
    broker.cut();
    await clock.advance(1);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(broker.connections).toBe(0);
  });

  test('that is not accepted in time is given up', async () => {
    const { clock, broker, start } = field();
    broker.freeze();
    const run = start({ connectTimeoutMs: 2_000 });
    await clock.advance(1_999);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_TIMEOUT', remedy: 'retry' });
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([0, 1, 2, 3, 4, 5, 500])(
    'an abort %i ms after the start ends the run and leaves nothing behind',
    async (ms) => {
      const { clock, broker, start } = field();
      const run = start();
      await clock.advance(ms);
      run.abort();
      await clock.advance(10);
      expect(await run.over).toBeNull();
      expect(broker.connections).toBe(0);
      await clock.advance(20_000);
      expect(clock.pendingTimers).toBe(0);
    },
  );

  test('an abort at once opens no link', async () => {
    const { clock, broker, start } = field();
    const run = start();
    run.abort();
    await clock.advance(10);
    expect(await run.over).toBeNull();
    expect(broker.connections).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  test('waits until the one before is closed, and is not opened for a run that has ended by then', async () => {
    const { clock, broker, sourceOf } = field();
    let links = 0;
    const transport: MqttTransport = (...args) => {
      links++;
      const link = broker.transport(...args);
      return { ...link, close: () => clock.sleep(500).then(() => link.close()) };
    };
    const spec = sourceOf({ transport });
    const first = startRun(spec, clock);
    await clock.advance(10);
    first.abort();
    await clock.advance(100);
    const second = startRun(spec, clock);
    await clock.advance(100);
    second.abort();
    await clock.advance(1_000);
    expect([await first.over, await second.over]).toEqual([null, null]);
    expect(links).toBe(1);
    const third = startRun(spec, clock);
    await clock.advance(10);
    expect(third.state.opened).toBe(true);
    third.abort();
    await clock.advance(1_000);
    expect([links, broker.connections, clock.pendingTimers]).toEqual([2, 0, 0]);
  });

  test('an abort while the broker hangs ends the run', async () => {
    const { clock, broker, start } = field();
    broker.freeze();
    const run = start();
    await clock.advance(100);
    run.abort();
    await clock.advance(0);
    expect(await run.over).toBeNull();
  });

  test('a thousand runs one after the other leave nothing behind', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf();
    for (let round = 0; round < 1_000; round++) {
      const run = startRun(spec, clock);
      await clock.runUntil(run.whenOpened());
      await clock.runUntil(run.stop());
    }
    expect(broker.connections).toBe(0);
    await clock.advance(20_000);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a kept session', () => {
  test('gives what was published while the source was away, in order, before anything new', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf(KEPT);
    const first = startRun(spec, clock);
    await clock.advance(10);
    broker.publish('plant/a', '1');
    await clock.advance(10);
    await first.stop();
    for (const n of numbers(500, 2)) broker.publish('plant/a', String(n));
    const second = startRun(spec, clock);
    await clock.advance(2_000);
    expect(first.values).toEqual([1]);
    expect(second.values).toEqual(numbers(500, 2));
    await second.stop();
  });

  test('loses nothing when the broker dies again and again in mid-stream', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf(KEPT);
    const received = new Set<unknown>();
    const run0 = startRun(spec, clock);
    await clock.advance(10);
    await run0.stop();
    let published = 0;
    for (let round = 0; round < 50; round++) {
      const run = startRun(spec, clock);
      for (let n = 0; n < 7; n++) broker.publish('plant/a', String(++published));
      await clock.advance(round % 9);
      broker.cut();
      await clock.advance(5);
      run.abort();
      await clock.advance(5);
      for (const value of run.values) received.add(value);
    }
    const last = startRun(spec, clock);
    await clock.advance(1_000);
    for (const value of last.values) received.add(value);
    expect([...received].sort((a, b) => Number(a) - Number(b))).toEqual(numbers(published));
    await last.stop();
  });
});

describe('a full outlet', () => {
  test('holds the link back without ending it, and nothing is lost', async () => {
    const { clock, broker, start } = field();
    const run = start(KEPT, 3);
    await clock.advance(10);
    for (const n of numbers(10)) broker.publish('plant/a', String(n));
    await clock.advance(4_000);
    expect(run.values).toEqual([1, 2, 3]);
    expect(broker.connections).toBe(1);
    run.makeRoom(2);
    await clock.advance(4_000);
    expect(run.values).toEqual([1, 2, 3, 4, 5]);
    run.makeRoom(100);
    await clock.advance(100);
    expect(run.values).toEqual(numbers(10));
    expect(broker.connections).toBe(1);
    await run.stop();
  });

  test('for half the keepalive gives the link up, and the kept session gives the rest, each message once', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf(KEPT);
    const run = startRun(spec, clock, { room: 2 });
    await clock.advance(10);
    for (const n of numbers(6)) broker.publish('plant/a', String(n));
    await clock.advance(4_990);
    expect(broker.connections).toBe(1);
    await clock.advance(100);
    const error = await run.over;
    expect(error).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(error?.message).toContain('held back');
    const next = startRun(spec, clock);
    await clock.advance(100);
    expect([...run.values, ...next.values]).toEqual(numbers(6));
    await next.stop();
  });

  test('from the run before gets nothing more until it has room', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf(KEPT);
    const run = startRun(spec, clock, { room: 0 });
    await clock.advance(10);
    expect(run.state.opened).toBe(true);
    broker.publish('plant/a', '1');
    await clock.advance(1_000);
    expect(run.values).toEqual([]);
    run.makeRoom(1);
    await clock.advance(10);
    expect(run.values).toEqual([1]);
    await run.stop();
  });

  test('takes a message of many rows piece by piece', async () => {
    const { clock, broker, start } = field();
    const run = start({ ...KEPT, decode: 'ndjson' }, 300);
    await clock.advance(10);
    broker.publish('plant/a', numbers(2_000).join('\n'));
    await clock.advance(1_000);
    expect(run.values.length).toBeGreaterThanOrEqual(300);
    expect(run.values.length).toBeLessThan(1_000);
    run.makeRoom(2_000);
    await clock.advance(10);
    expect(run.values).toEqual(numbers(2_000));
    await run.stop();
  });

  test('at the moment of the abort keeps what it took, and the rest comes to the next run', async () => {
    const { clock, broker, sourceOf } = field();
    const spec = sourceOf(KEPT);
    const run = startRun(spec, clock, { room: 2 });
    await clock.advance(10);
    for (const n of numbers(5)) broker.publish('plant/a', String(n));
    await clock.advance(100);
    await clock.runUntil(run.stop());
    const next = startRun(spec, clock);
    await clock.advance(100);
    expect(new Set([...run.values, ...next.values])).toEqual(new Set(numbers(5)));
    await next.stop();
  });
});

test('a kept subscription that no source has any more brings a warning and no records', async () => {
  const { clock, broker, sourceOf } = field();
  await clock.runUntil(openAndStop(sourceOf({ ...KEPT, topics: ['plant/a', 'old/a'] })));
  broker.publish('old/a', '1');
  broker.publish('plant/a', '2');
  const warnings: object[] = [];
  const log: Logger = { debug() {}, info() {}, error() {}, warn: (fields) => warnings.push(fields) };
  const run = startRun(sourceOf(KEPT), clock);
  Object.assign(run, { log });
  await clock.advance(100);
  expect(run.values).toEqual([2]);
  expect(warnings).toMatchObject([{ topic: 'old/a', clientId: 'gateway' }]);
  await run.stop();

  async function openAndStop(spec: ReturnType<typeof sourceOf>) {
    const first = startRun(spec, clock);
    await first.whenOpened();
    await first.stop();
  }
});

test('sources of one group share the messages', async () => {
  const { clock, broker, start } = field();
  const runs = [start({ id: 'a', sharedGroup: 'g' }), start({ id: 'b', sharedGroup: 'g' })];
  await clock.advance(10);
  for (const n of numbers(10)) broker.publish('plant/a', String(n));
  await clock.advance(100);
  expect(runs.map((run) => run.values.length)).toEqual([5, 5]);
  expect(new Set(runs.flatMap((run) => run.values))).toEqual(new Set(numbers(10)));
  await Promise.all(runs.map((run) => run.stop()));
});

test('a will is published when the link is lost, not when the source stops', async () => {
  const { clock, broker, start } = field();
  const will = { topic: 'wills/m', payload: '"gone"', retain: true };
  const seen = async () => {
    const watcher = start({ id: 'watcher', topics: 'wills/m' });
    await clock.advance(10);
    await watcher.stop();
    return watcher.values;
  };
  const stopped = start({ will });
  await clock.advance(10);
  await stopped.stop();
  expect(await seen()).toEqual([]);
  const lost = start({ will });
  await clock.advance(10);
  broker.cut();
  expect(await lost.over).toMatchObject({ code: 'HG_LINK_LOST' });
  expect(await seen()).toEqual(['gone']);
});
