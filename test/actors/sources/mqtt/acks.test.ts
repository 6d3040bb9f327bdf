/** Acknowledgements: when they leave, in which order, and what happens to those that may not. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAckQueue } from '../../../../actors/sources/mqtt/acks.ts';
import { mqttSource } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import type { MqttTransport, OwedAck } from '../../../../actors/protocols/mqtt/transport.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import type { Receipt } from '../../../../src/domain/receipt.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import { field, KEPT, numbers } from '../../../support/mqtt-simulated-field.ts';

function queue() {
  const sent: number[][] = [];
  const counts = { refused: 0, room: 0 };
  const takenIds = new Set<number>();
  const acks = createAckQueue({
    session: { takenIds },
    send: (some) => sent.push(some.map(({ packetId }) => packetId)),
    refused: () => counts.refused++,
    onRoom: () => counts.room++,
  });
  return { acks, sent, counts, takenIds };
}

const turn = () => Promise.resolve();
const qos1 = (packetId: number): OwedAck => ({ packetId, qos: 1 });

describe('a queue of acknowledgements', () => {
  test('sends them in the order of arrival, however they become free, those of one turn together', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }).chain((count) =>
          fc.record({
            order: fc.shuffledSubarray(numbers(count), { minLength: count, maxLength: count }),
            turns: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
            lost: fc.option(fc.integer({ min: 1, max: count }), { nil: 0 }),
          }),
        ),
        async ({ order, turns, lost }) => {
          const { acks, sent, counts } = queue();
          const receipts = new Map<number, Receipt>();
          for (const id of numbers(order.length)) {
            const receipt = acks.owe(qos1(id), 10);
            receipt.add(1);
            receipt.seal();
            receipts.set(id, receipt);
          }
          const settled = new Set<number>();
          let expected = 0;
          for (let at = 0, index = 0; at < order.length; index++) {
            const some = order.slice(at, at + (turns[index % turns.length] ?? 1));
            at += some.length;
            for (const id of some) {
              settled.add(id);
              receipts.get(id)?.settle(id === lost ? 'lost' : 'stored');
            }
            const before = sent.length;
            await turn();
            const reached = expected;
            while (settled.has(expected + 1) && expected + 1 !== lost) expected++;
            expect(sent.slice(before)).toEqual(
              expected === reached ? [] : [numbers(expected - reached, reached + 1)],
            );
            expect(counts.refused).toBe(lost > 0 && expected === lost - 1 && settled.has(lost) ? 1 : 0);
          }
          await acks.settled();
        },
      ),
    );
  });

  test('is full at its bounds of messages and of bytes, until half of it is settled', async () => {
    const { mqttPendingAcksMax, mqttPendingBytesMax } = LIMITS;
    for (const [count, bytes] of [
      [mqttPendingAcksMax, 1],
      [16, mqttPendingBytesMax / 16],
    ] as const) {
      const { acks, counts } = queue();
      const receipts = numbers(count).map((id) => {
        expect(acks.isFull).toBe(false);
        const receipt = acks.owe(qos1(id), bytes);
        receipt.add(1);
        receipt.seal();
        return receipt;
      });
      expect(acks.isFull).toBe(true);
      for (const receipt of receipts.slice(0, count / 2 - 1)) receipt.settle('stored');
      await turn();
      expect([acks.isFull, counts.room]).toEqual([true, 0]);
      receipts[count / 2 - 1]?.settle('filtered');
      await turn();
      expect([acks.isFull, counts.room]).toEqual([false, 1]);
    }
  });

  test('remembers QoS 2 messages from their acknowledgement on, as taken', async () => {
    const { acks, sent, takenIds } = queue();
    const receipt = acks.owe({ packetId: 7, qos: 2 }, 1);
    receipt.add(1);
    receipt.seal();
    // Known while it is owed, so that a repetition is not handed in again; taken only when it is stored.
    expect([acks.isKnown(7), acks.isKnown(8), takenIds.size]).toEqual([true, false, 0]);
    acks.oweAtOnce({ packetId: 7, qos: 2 });
    await turn();
    expect(sent).toEqual([]);
    receipt.settle('stored');
    await turn();
    expect(sent).toEqual([[7, 7]]);
    expect([...takenIds]).toEqual([7]);
  });

  test('whose link is gone sends nothing, whatever is settled', async () => {
    const { acks, sent, counts } = queue();
    const receipts = numbers(3).map((id) => acks.owe(qos1(id), 1));
    for (const receipt of receipts) receipt.add(1);
    acks.end();
    await acks.settled();
    for (const receipt of receipts) {
      receipt.seal();
      receipt.settle('lost');
    }
    await turn();
    expect([sent, counts.refused]).toEqual([[], 0]);
  });
});

/** A field whose links tell what they acknowledge: `link:packetId`. */
function watched() {
  const simulated = field();
  const acknowledged: string[] = [];
  const came: string[] = [];
  let links = 0;
  const transport: MqttTransport = (options, events, clock) => {
    const name = ++links;
    const link = simulated.broker.transport(
      options,
      {
        ...events,
        message(message, packetId) {
          came.push(`${name}:${packetId}`);
          return events.message(message, packetId);
        },
      },
      clock,
    );
    return {
      ...link,
      acknowledge(acks) {
        acknowledged.push(acks.map(({ packetId }) => `${name}:${packetId}`).join(' '));
        link.acknowledge(acks);
      },
    };
  };
  const run = (options = {}, settle: 'at once' | 'by hand' = 'by hand') =>
    startRun(simulated.sourceOf({ transport, ...options }), simulated.clock, { settle });
  return { ...simulated, transport, acknowledged, came, run };
}

describe('a message of QoS 1', () => {
  test('is acknowledged when its records are stored, not before', async () => {
    const { clock, broker, acknowledged, run: start } = watched();
    const run = start({ decode: 'ndjson' });
    await clock.advance(10);
    broker.publish('plant/a', '1\n2\n3');
    await clock.advance(5_000);
    expect(run.values).toEqual([1, 2, 3]);
    expect(acknowledged).toEqual([]);
    run.owed[0]?.settle('stored');
    run.owed[1]?.settle('filtered');
    await clock.advance(5_000);
    expect(acknowledged).toEqual([]);
    run.owed[2]?.settle('dropped');
    await clock.advance(1);
    expect(acknowledged).toEqual(['1:1']);
    await run.stop();
  });

  test('that cannot be decoded is acknowledged as a dead letter', async () => {
    const { clock, broker, acknowledged, run: start } = watched();
    const run = start();
    await clock.advance(10);
    broker.publish('plant/a', '{"');
    await clock.advance(10);
    expect(run.undecodable).toHaveLength(1);
    expect(acknowledged).toEqual(['1:1']);
    await run.stop();
  });

  test('for two sources is acknowledged when both have stored it', async () => {
    const { clock, transport, acknowledged, broker, connectionOf } = watched();
    const connection = connectionOf({ transport });
    const runs = ['a', 'b'].map((id) =>
      startRun(mqttSource({ id, connection, topics: 'plant/a' }), clock, { settle: 'by hand' }),
    );
    await clock.advance(10);
    broker.publish('plant/a', '1');
    await clock.advance(10);
    expect(runs.map(({ values }) => values)).toEqual([[1], [1]]);
    runs[0]?.owed[0]?.settle('stored');
    await clock.advance(10);
    expect(acknowledged).toEqual([]);
    runs[1]?.owed[0]?.settle('stored');
    await clock.advance(10);
    expect(acknowledged).toEqual(['1:1']);
    await Promise.all(runs.map((each) => each.stop()));
  });

  test('lets those behind it in while it is not stored, and they are acknowledged after it', async () => {
    const { clock, broker, acknowledged, run: start } = watched();
    const run = start();
    await clock.advance(10);
    for (const n of numbers(5)) broker.publish('plant/a', String(n));
    await clock.advance(10);
    expect(run.values).toEqual(numbers(5));
    for (const index of [4, 1, 2]) run.owed[index]?.settle('stored');
    await clock.advance(10);
    expect(acknowledged).toEqual([]);
    run.owed[0]?.settle('stored');
    await clock.advance(1);
    expect(acknowledged).toEqual(['1:1 1:2 1:3']);
    run.owed[3]?.settle('stored');
    await clock.advance(1);
    expect(acknowledged).toEqual(['1:1 1:2 1:3', '1:4 1:5']);
    await run.stop();
  });

  test('that is lost ends the link, and it comes again with those behind it', async () => {
    const { clock, broker, acknowledged, run: start } = watched();
    const first = start(KEPT);
    await clock.advance(10);
    for (const n of numbers(4)) broker.publish('plant/a', String(n));
    await clock.advance(10);
    for (const index of [0, 2, 3]) first.owed[index]?.settle('stored');
    first.owed[1]?.settle('lost');
    await clock.advance(3_000);
    const error = await first.over;
    expect(error).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
    expect(error?.message).toContain('lost before it was stored');
    expect(acknowledged).toEqual(['1:1']);
    const second = start(KEPT, 'at once');
    await clock.advance(10);
    expect(second.values).toEqual([2, 3, 4]);
    await second.stop();
  });

  test('stored after its link has gone is not acknowledged over the next, where its id stands for another', async () => {
    const { clock, broker, acknowledged, came, run: start } = watched();
    const first = start(KEPT);
    await clock.advance(10);
    for (const n of numbers(3)) broker.publish('plant/a', String(n));
    await clock.advance(10);
    broker.cut();
    expect(await first.over).toMatchObject({ code: 'HG_LINK_LOST' });
    const second = start(KEPT);
    await clock.advance(10);
    expect(came).toEqual(['1:1', '1:2', '1:3', '2:1', '2:2', '2:3']);
    for (const receipt of first.owed) receipt.settle('stored');
    await clock.advance(10);
    expect(acknowledged).toEqual([]);
    for (const receipt of second.owed) receipt.settle('stored');
    await clock.advance(10);
    expect(acknowledged).toEqual(['2:1 2:2 2:3']);
    await second.stop();
  });

  test('that is stored soon after the stop is acknowledged, and does not come again', async () => {
    const { clock, broker, acknowledged, run: start } = watched();
    const first = start(KEPT);
    await clock.advance(10);
    for (const n of numbers(2)) broker.publish('plant/a', String(n));
    await clock.advance(10);
    first.abort();
    await clock.advance(1_000);
    for (const receipt of first.owed) receipt.settle('stored');
    await clock.advance(1_000);
    expect(await first.over).toBeNull();
    expect(acknowledged).toEqual(['1:1 1:2']);
    expect(clock.pendingTimers).toBe(0);
    const second = start(KEPT);
    await clock.advance(100);
    expect(second.values).toEqual([]);
    await second.stop();
  });

  test('that is not stored keeps a stop waiting for two seconds at most, and comes again', async () => {
    const { clock, broker, run: start } = watched();
    const first = start(KEPT);
    await clock.advance(10);
    broker.publish('plant/a', '1');
    await clock.advance(10);
    first.abort();
    await clock.advance(2_100);
    expect(await first.over).toBeNull();
    expect([broker.connections, clock.pendingTimers]).toEqual([0, 0]);
    const second = start(KEPT, 'at once');
    await clock.advance(10);
    expect(second.values).toEqual([1]);
    await second.stop();
  });
});

test('a message of QoS 0 has no receipt', async () => {
  const { clock, broker, acknowledged, run: start } = watched();
  const run = start();
  await clock.advance(10);
  broker.publish('plant/a', '1', { qos: 0 });
  await clock.advance(10);
  expect([run.values, run.metas, acknowledged]).toEqual([[1], [{}], []]);
  await run.stop();
});

test('so much that is owed holds the link back, alive for as long as the storing takes', async () => {
  const simulated = field({ inflightMessagesMax: 100_000, queuedMessagesMax: 100_000 });
  const { clock, broker, sourceOf } = simulated;
  const run = startRun(sourceOf(KEPT), clock, { settle: 'by hand' });
  await clock.advance(10);
  const total = LIMITS.mqttPendingAcksMax + 1_000;
  for (const n of numbers(total)) broker.publish('plant/a', String(n));
  // Many times what a full outlet would be given.
  await clock.advance(600_000);
  expect(run.values).toHaveLength(LIMITS.mqttPendingAcksMax);
  expect(broker.connections).toBe(1);
  for (const receipt of run.owed.splice(0)) receipt.settle('stored');
  await clock.advance(100);
  expect(run.values).toEqual(numbers(total));
  for (const receipt of run.owed.splice(0)) receipt.settle('stored');
  await run.stop();
});

test('what is paused again and again while nothing is stored comes again each time, and none is missing', async () => {
  const { clock, broker, run: start } = watched();
  for (let round = 1; round <= 5; round++) {
    const run = start(KEPT);
    await clock.advance(10);
    for (const n of numbers(3, 3 * round - 2)) broker.publish('plant/a', String(n));
    await clock.advance(10);
    expect(run.values).toEqual(numbers(3 * round));
    run.abort();
    await clock.advance(5_000);
    expect(await run.over).toBeNull();
  }
  const last = start(KEPT, 'at once');
  await clock.advance(100);
  expect(last.values).toEqual(numbers(15));
  await last.stop();
});
