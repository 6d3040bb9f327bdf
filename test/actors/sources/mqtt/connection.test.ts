import { describe, expect, test } from 'vitest';
import { mqttSource } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { startRun, type SourceRun } from '../../../support/mqtt-runs.ts';
import { field, KEPT, numbers } from '../../../support/mqtt-simulated-field.ts';

describe('several sources on one connection', () => {
  test('open one link, and each gets what its filters match', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf();
    const a = startRun(mqttSource({ id: 'a', connection, topics: 'plant/a' }), clock);
    const b = startRun(mqttSource({ id: 'b', connection, topics: ['plant/b', 'plant/+/x'] }), clock);
    const c = startRun(mqttSource({ id: 'c', connection, topics: 'plant/a' }), clock);
    await clock.advance(10);
    expect(broker.connections).toBe(1);
    broker.publish('plant/a', '1');
    broker.publish('plant/b', '2');
    broker.publish('plant/q/x', '3');
    await clock.advance(10);
    expect(a.values).toEqual([1]);
    expect(b.values).toMatchObject([{ payload: 2 }, { topic: 'plant/q/x', payload: 3 }]);
    expect(c.values).toEqual([1]);
    await Promise.all([a.stop(), c.stop()]);
    expect(broker.connections).toBe(1);
    broker.publish('plant/b', '4');
    await clock.advance(10);
    expect(b.values).toHaveLength(3);
    await b.stop();
    expect(broker.connections).toBe(0);
  });

  test('never say that a link stands where there is no broker', async () => {
    const { clock, broker, connectionOf } = field();
    broker.down();
    const run = startRun(mqttSource({ id: 'a', connection: connectionOf(), topics: 'plant/a' }), clock);
    await clock.advance(10);
    expect(await run.over).toMatchObject({ code: 'HG_LINK_REFUSED' });
    expect(run.state.opened).toBe(false);
  });

  test('fail together when the link fails, and the next runs share a new one', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf();
    const specs = ['a', 'b'].map((id) => mqttSource({ id, connection, topics: `plant/${id}` }));
    const runs = specs.map((spec) => startRun(spec, clock));
    await clock.advance(10);
    broker.cut();
    await clock.advance(1);
    for (const run of runs) expect(await run.over).toMatchObject({ code: 'HG_LINK_LOST' });
    const again = specs.map((spec) => startRun(spec, clock));
    await clock.advance(10);
    expect(broker.connections).toBe(1);
    for (const run of again) expect(run.state.opened).toBe(true);
    await Promise.all(again.map((run) => run.stop()));
  });

  test('hold each other back rather than lose a message', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf(KEPT);
    const full = startRun(mqttSource({ id: 'full', connection, topics: 'plant/#', envelope: false }), clock, {
      room: 2,
    });
    const free = startRun(mqttSource({ id: 'free', connection, topics: 'plant/#', envelope: false }), clock);
    await clock.advance(10);
    for (const n of numbers(10)) broker.publish('plant/a', String(n));
    await clock.advance(1_000);
    expect(full.values).toEqual([1, 2]);
    expect(free.values).toEqual([1, 2]);
    full.makeRoom(100);
    await clock.advance(100);
    expect(full.values).toEqual(numbers(10));
    expect(free.values).toEqual(numbers(10));
    await Promise.all([full.stop(), free.stop()]);
  });

  test('of a kept session wait for one another: what came for the later one is not lost', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf(KEPT);
    const specs = ['a', 'b'].map((id) => mqttSource({ id, connection, topics: `plant/${id}` }));
    const first = specs.map((spec) => startRun(spec, clock));
    await clock.advance(10);
    // They stop one after the other, with messages coming in between and after.
    await first[0]?.stop();
    for (const n of numbers(5)) broker.publish('plant/a', String(n));
    await clock.advance(100);
    await clock.runUntil((first[1] as SourceRun).stop());
    for (const n of numbers(5, 6)) broker.publish('plant/a', String(n));
    const b = startRun(specs[1] as (typeof specs)[0], clock);
    await clock.advance(1_000);
    const a = startRun(specs[0] as (typeof specs)[0], clock);
    await clock.advance(100);
    expect(a.values).toEqual(numbers(10));
    expect(b.values).toEqual([]);
    await Promise.all([a.stop(), b.stop()]);
  });

  test('of a kept session do not wait for ever: what comes for one that stays away is thrown away', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf(KEPT);
    const [away, here] = ['away', 'here'].map((id) => mqttSource({ id, connection, topics: `plant/${id}` }));
    const runs = [away, here].map((spec) => startRun(spec as NonNullable<typeof spec>, clock));
    await clock.advance(10);
    await runs[0]?.stop();
    broker.publish('plant/away', '1');
    broker.publish('plant/here', '2');
    await clock.advance(4_900);
    expect(runs[1]?.values).toEqual([]);
    await clock.advance(200);
    expect(runs[1]?.values).toEqual([2]);
    for (const n of numbers(50, 3)) broker.publish(n % 2 ? 'plant/away' : 'plant/here', String(n));
    await clock.advance(200);
    expect(runs[1]?.values).toHaveLength(26);
    await runs[1]?.stop();
  });

  test('of a kept session get a message that waited for them on a lost link once, over the next one', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf(KEPT);
    const [here, late] = ['here', 'late'].map((id) => mqttSource({ id, connection, topics: `plant/${id}` }));
    const open = (spec: typeof here) => startRun(spec as NonNullable<typeof spec>, clock);
    const before = [open(here), open(late)];
    await clock.advance(10);
    await before[1]?.stop();
    broker.publish('plant/late', '1');
    await clock.advance(100);
    broker.cut();
    expect(await before[0]?.over).toMatchObject({ code: 'HG_LINK_LOST' });
    const after = [open(here), open(late)];
    await clock.advance(100);
    expect(after.map((run) => run.values)).toEqual([[], [1]]);
    await Promise.all(after.map((run) => run.stop()));
  });

  test('of a clean session lose no time over one that is not running', async () => {
    const { clock, broker, connectionOf } = field();
    const connection = connectionOf();
    const [away, here] = ['away', 'here'].map((id) => mqttSource({ id, connection, topics: `plant/${id}` }));
    const runs = [away, here].map((spec) => startRun(spec as NonNullable<typeof spec>, clock));
    await clock.advance(10);
    await runs[0]?.stop();
    broker.publish('plant/away', '1');
    broker.publish('plant/here', '2');
    await clock.advance(10);
    expect(runs[1]?.values).toEqual([2]);
    await runs[1]?.stop();
  });
});
