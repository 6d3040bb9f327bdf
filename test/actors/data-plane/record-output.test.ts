/** The exit with and without a ledger behind it: what is stored, who is shown what, who holds back whom. */

import { describe, expect, test } from 'vitest';
import { RecordOutput } from '../../../actors/data-plane/record-output.ts';
import { GroupCommitter } from '../../../actors/persistence/group-committer.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { poison, type FlowItem } from '../../../src/domain/record.ts';
import type { WriteBatch } from '../../../src/domain/timeline.ts';
import type { Consumed, Consumer } from '../../../src/pipeline/consumer.ts';
import { createPump, type Pump } from '../../../src/pipeline/pump.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { record, records, seqsOf, settled, tracked } from '../../pipeline/fixture.ts';

class Field {
  readonly clock = virtualClock();
  readonly supply: FlowItem[] = [];
  readonly letters: { readonly seq: number; readonly stage: string; readonly error: unknown }[] = [];
  readonly units: WriteBatch[] = [];
  readonly shown: number[] = [];
  readonly exit: RecordOutput;
  /** How long a commit takes. */
  commitMs = 5;
  #pump: Pump;

  constructor({ keep }: { keep: boolean }) {
    this.exit = new RecordOutput({
      clock: this.clock,
      recordBytesMax: 1_000_000,
      deadLetter: ({ seq }, stage, error) => this.letters.push({ seq, stage, error }),
    });
    const commit = async (unit: WriteBatch) => {
      await this.clock.sleep(this.commitMs);
      this.units.push(unit);
      return { lastRecordSeq: 0, duplicates: 0 };
    };
    const ledger = new GroupCommitter({
      store: { commit },
      clock: this.clock,
      onWritten: () => {},
      onGivenUp: () => {},
      onFailed: () => {},
      onRecovered: () => {},
    });
    this.#pump = createPump(
      { take: (max) => this.supply.splice(0, Math.min(max, 100)) },
      () => this.exit.budget,
      (batch) => this.exit.push(batch),
      (error) => {
        throw error;
      },
    );
    this.exit.attach({ committer: ledger, keepsRecords: keep }, () => this.#pump.wake());
    this.exit.batches$.subscribe((batch) => this.shown.push(...seqsOf(batch)));
  }

  send(items: readonly FlowItem[]): void {
    for (const item of items) this.supply.push(item);
    this.#pump.wake();
  }

  get stored(): number[] {
    return this.units.flatMap(({ records: rows }) => rows.map(({ sourceSeq }) => sourceSeq));
  }
}

/** Reads to the end, sleeping before each read; gives back what it read. */
async function readItems(field: Field, consumer: Consumer, sleepMs = 0): Promise<Consumed[]> {
  const items: Consumed[] = [];
  for (;;) {
    if (sleepMs > 0) await field.clock.sleep(sleepMs);
    const { done, value } = (await consumer.next()) as IteratorResult<Consumed, undefined>;
    if (done === true) return items;
    items.push(value);
  }
}

async function read(field: Field, consumer: Consumer, sleepMs = 0): Promise<number[]> {
  return seqsOf(await readItems(field, consumer, sleepMs));
}

describe('the exit', () => {
  test('shows records once they are stored, in order', async () => {
    const field = new Field({ keep: true });
    field.exit.batches$.subscribe((batch) => {
      for (const { seq } of batch) expect(field.stored).toContain(seq);
    });
    field.send(records(500));
    await field.clock.advance(4);
    expect([field.shown.length, field.exit.isIdle]).toEqual([0, false]);
    await field.clock.advance(100);
    expect(field.shown).toEqual(seqsOf(records(500)));
    expect(field.stored).toEqual(field.shown);
    expect([field.exit.delivered, field.exit.isIdle]).toEqual([500, true]);
  });

  test('shows records at once where nothing is kept', async () => {
    const field = new Field({ keep: false });
    field.send(records(500));
    await settled();
    expect(field.shown.length).toBe(500);
    expect(field.units).toEqual([]);
  });

  test('where nothing is kept, a dead letter counts as one when it is stored', async () => {
    const field = new Field({ keep: false });
    const told: string[] = [];
    const tell = (name: string) => (outcome: string) => void told.push(`${name} ${outcome}`);
    const error = { code: 'HG_STAGE_THREW', message: 'no' };
    field.send([
      poison(error, tracked(record(1), tell('first'))),
      tracked(record(2), tell('second')),
      poison(error, record(3)),
    ]);
    await settled();
    expect([field.shown, told]).toEqual([[1, 2, 3], ['second stored']]);
    await field.clock.advance(20);
    expect([told, field.units.length]).toEqual([['second stored', 'first deadLettered'], 1]);
  });

  test('has no more records on their way to the database than the limit', async () => {
    const field = new Field({ keep: true });
    field.commitMs = 1_000;
    field.send(records(LIMITS.recorderPendingRecordsMax + 5_000));
    await field.clock.advance(500);
    expect(field.exit.budget).toBe(0);
    expect(field.supply.length).toBe(5_000);
    await field.clock.advance(10_000);
    expect(field.shown.length).toBe(LIMITS.recorderPendingRecordsMax + 5_000);
  });

  test('stores rows as records are, poison left out but shown in its place', async () => {
    const field = new Field({ keep: true });
    const error = { code: 'HG_STAGE_THREW', message: 'no' };
    field.send([
      record(1, { key: 'k', atMs: 77, tenant: 'north', data: { a: [1, 'x'] } }),
      poison(error, record(2)),
      record(3),
    ]);
    await field.clock.advance(20);
    expect(field.shown).toEqual([1, 2, 3]);
    expect(field.units.flatMap((unit) => unit.records)).toEqual([
      {
        contentType: null,
        tenant: 'north',
        sourceId: 'plc-7',
        incarnation: 1,
        sourceSeq: 1,
        dedupKey: 'k',
        atMs: 77,
        data: '{"a":[1,"x"]}',
      },
      expect.objectContaining({ sourceSeq: 3, dedupKey: null, data: '{"n":3}' }),
    ]);
  });

  test('keeps what cannot be written as JSON as a dead letter, and shows the rest', async () => {
    const field = new Field({ keep: true });
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    field.send([record(1), record(2, { data: circular }), record(3, { data: new Map() }), record(4)]);
    await field.clock.advance(20);
    expect([field.stored, field.shown]).toEqual([
      [1, 4],
      [1, 4],
    ]);
    expect(field.letters).toEqual([
      {
        seq: 2,
        stage: 'record',
        error: expect.objectContaining({ code: 'HG_RECORD_UNSTORABLE' }) as unknown,
      },
      {
        seq: 3,
        stage: 'record',
        error: expect.objectContaining({ code: 'HG_RECORD_UNSTORABLE' }) as unknown,
      },
    ]);
    expect(field.exit.isIdle).toBe(true);
  });

  test('stores the last cursor of each source, that of a poison record too', async () => {
    const field = new Field({ keep: true });
    const error = { code: 'HG_STAGE_THREW', message: 'no' };
    field.send([
      record(1, { cursor: 'a1' }),
      record(1, { cursor: 'b1', sourceId: 'plc-8' }),
      record(2, { cursor: 'a2' }),
      poison(error, record(3, { cursor: 'a3' })),
      record(4),
    ]);
    await field.clock.advance(20);
    expect(field.units[0]?.cursors).toEqual([
      { tenant: 'default', sourceId: 'plc-7', cursor: 'a3' },
      { tenant: 'default', sourceId: 'plc-8', cursor: 'b1' },
    ]);
  });
});

describe.each([true, false])('consumers (records kept: %s)', (keep) => {
  test('all get everything, and the slowest sets the pace', async () => {
    const field = new Field({ keep });
    const [slow, fast] = [field.exit.consume(4), field.exit.consume(100)];
    field.send(records(40));
    const [fromSlow, fromFast] = [read(field, slow, 10), read(field, fast)];
    await field.clock.advance(200);
    expect(slow.report().consumed).toBe(20);
    expect(fast.report().consumed).toBeLessThanOrEqual(20 + 4 + 1);
    await field.clock.advance(1_000);
    field.exit.end();
    expect(await fromFast).toEqual(seqsOf(records(40)));
    await field.clock.advance(100);
    expect(await fromSlow).toEqual(seqsOf(records(40)));
  });

  test('count the wait for a slot from the end of the stages', async () => {
    const field = new Field({ keep });
    const consumer = field.exit.consume(10);
    field.send(records(30));
    const items = readItems(field, consumer, 10);
    await field.clock.advance(320);
    field.exit.end();
    const waits = (await items).map(({ queueWaitMs }) => queueWaitMs);
    expect(waits.slice(0, 10)).toEqual(Array(10).fill(0));
    expect(waits.slice(11)).toEqual(Array(19).fill(10));
  });

  test('that leave let the others go on', async () => {
    const field = new Field({ keep });
    const [leaver, stayer] = [field.exit.consume(2), field.exit.consume(2)];
    field.send(records(30));
    const fromStayer = read(field, stayer);
    await field.clock.advance(100);
    expect(stayer.report().consumed).toBeLessThan(10);
    await leaver.return();
    await field.clock.advance(200);
    field.exit.end();
    expect(await fromStayer).toEqual(seqsOf(records(30)));
  });

  test('that left while records were on their way read none of them', async () => {
    const field = new Field({ keep });
    const [leaver, stayer] = [field.exit.consume(10), field.exit.consume(10)];
    field.send(records(5));
    await settled();
    await leaver.return();
    await field.clock.advance(50);
    expect(await leaver.next()).toEqual({ done: true, value: undefined });
    expect([leaver.report().size, stayer.report().size]).toEqual([0, 5]);
  });

  test('that all left hold nothing back', async () => {
    const field = new Field({ keep });
    const consumer = field.exit.consume(2);
    field.send(records(300));
    await field.clock.advance(100);
    expect(field.shown.length).toBeLessThan(10);
    await consumer.return();
    await field.clock.advance(200);
    expect(field.shown.length).toBe(300);
  });

  test('are not idle until they have read what they have', async () => {
    const field = new Field({ keep });
    const consumer = field.exit.consume(10);
    field.send(records(3));
    await field.clock.advance(50);
    expect(field.exit.isIdle).toBe(false);
    for (let reads = 0; reads < 3; reads++) await consumer.next();
    expect(field.exit.isIdle).toBe(true);
  });

  test('that never read lose what they have when the time is up, which is lost where nothing is stored', async () => {
    const field = new Field({ keep });
    const consumers = [field.exit.consume(10), field.exit.consume(5)];
    field.send(records(100));
    await field.clock.advance(100);
    expect(consumers.map((consumer) => consumer.report().size)).toEqual([6, 5]);
    expect(field.exit.clear()).toBe(keep ? 0 : 6);
    expect(consumers.map((consumer) => consumer.report().size)).toEqual([0, 0]);
  });

  test('that come later get everything from then on, without a gap', async () => {
    const field = new Field({ keep });
    field.commitMs = 50;
    // Five batches are on their way into the database, or through, when it comes.
    field.send(records(500));
    await settled();
    const late = field.exit.consume(10);
    field.send(records(700).slice(500));
    const fromLate = read(field, late, 1);
    await field.clock.advance(20_000);
    field.exit.end();
    const seqs = await fromLate;
    expect(seqs.length).toBeGreaterThanOrEqual(200);
    expect(seqs).toEqual(seqsOf(records(700)).slice(-seqs.length));
    expect(late.report().highWater).toBe(10);
  });
});

test('an exit that is detached from its run stores no more', async () => {
  const field = new Field({ keep: true });
  field.send(records(2));
  await field.clock.advance(20);
  field.exit.detach();
  field.exit.push(records(4).slice(2));
  expect([field.stored, field.shown]).toEqual([
    [1, 2],
    [1, 2, 3, 4],
  ]);
});
