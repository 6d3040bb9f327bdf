/** The ledger before a store that is slow, busy, full or broken: everything added is written once, in order,
 *  and who waits for it is told when it is. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GroupCommitter } from '../../../actors/persistence/group-committer.ts';
import { HeadgateError, type ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import type { WriteBatch, SourceRow } from '../../../src/domain/timeline.ts';
import type { CommitResult } from '../../../storage/event-store.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { settled } from '../../pipeline/fixture.ts';
import { recordRow, sourceRow, timelineRow } from '../../storage/fixture.ts';

type Trouble = 'busy' | 'full' | 'refused' | 'gone';

const TROUBLES: Readonly<Record<Trouble, HeadgateError>> = {
  busy: new HeadgateError('HG_STORAGE_BUSY', 'another process holds a write lock'),
  full: new HeadgateError('HG_STORAGE_FULL', 'the disk is full'),
  refused: new HeadgateError('HG_STORAGE_FAILED', 'a row was refused', { remedy: 'drop' }),
  gone: new HeadgateError('HG_STORAGE_STOPPED', 'the thread has ended'),
};

class Desk {
  readonly clock = virtualClock();
  readonly ledger: GroupCommitter;
  readonly units: WriteBatch[] = [];
  readonly written: number[] = [];
  readonly edges: string[] = [];
  readonly givenUp: number[] = [];
  trouble: Trouble | null = null;
  latencyMs = 0;
  attempts: number[] = [];
  /** Names of everything added, and of everything committed, in order. */
  readonly added: string[] = [];
  readonly committed: string[] = [];
  versions = new Map<string, number>();
  #inFlight = 0;
  #names = 0;

  constructor() {
    this.ledger = new GroupCommitter({
      store: { commit: (unit) => this.#commit(unit) },
      clock: this.clock,
      onWritten: (rows) => this.written.push(...rows.map(({ seq }) => seq)),
      onGivenUp: (rows) => this.givenUp.push(rows),
      onFailed: ({ code }: ErrorFacts) => this.edges.push(code),
      onRecovered: (afterMs) => this.edges.push(`recovered after ${afterMs}`),
      onGone: ({ code }) => this.edges.push(`gone: ${code}`),
    });
  }

  async #commit(unit: WriteBatch): Promise<CommitResult> {
    expect(++this.#inFlight, 'commits at a time').toBe(1);
    this.attempts.push(this.clock.monotonicMs());
    try {
      if (this.latencyMs > 0) await this.clock.sleep(this.latencyMs);
      if (this.trouble !== null) throw TROUBLES[this.trouble];
      this.units.push(unit);
      this.committed.push(...namesOf(unit));
      for (const { sourceId, recordsProduced } of unit.sources) {
        expect(recordsProduced).toBeGreaterThanOrEqual(this.versions.get(sourceId) ?? 0);
        this.versions.set(sourceId, recordsProduced);
      }
      return { lastRecordSeq: 0, duplicates: 0 };
    } finally {
      this.#inFlight--;
    }
  }

  row(): void {
    const seq = ++this.#names;
    this.added.push(`row ${seq}`);
    this.ledger.addRow(timelineRow({ seq }));
  }

  /** Adds `count` records; `onSettled` hears what became of them. */
  records(count: number, onSettled: (outcome: 'stored' | 'lost') => void = () => {}): void {
    const rows = Array.from({ length: count }, () => recordRow({ sourceSeq: ++this.#names }));
    this.added.push(...rows.map(({ sourceSeq }) => `record ${sourceSeq}`));
    const cursors = [{ tenant: 'default', sourceId: 'plc-7', cursor: String(this.#names) }];
    this.ledger.addRecords({ records: rows, cursors, onSettled });
  }

  letter({ payload = '', isAwaited = false } = {}): void {
    const message = String(++this.#names);
    this.added.push(`letter ${message}`);
    const where = { tenant: 'default', sourceId: 'plc-7', stage: 'decode', code: 'HG_DECODE_FAILED' };
    const rest = { payload, attempts: 1, firstAtMs: 0, lastAtMs: 0, origin: null, isTruncated: false };
    this.ledger.addDeadLetter({ ...where, ...rest, message }, { isAwaited });
  }

  health(): void {
    const atMs = ++this.#names;
    this.added.push(`health ${atMs}`);
    const { tenant, sourceId, state, recordsProduced, consecutiveErrors, incarnation, restarts } =
      sourceRow();
    const counts = { recordsProduced, consecutiveErrors, incarnation, restarts };
    const rest = { lastReadTimestamp: null, rate1s: 0, queueDepth: 0, droppedCount: 0, deadLetteredCount: 0 };
    this.ledger.addHealth([{ atMs, tenant, sourceId, state, ...counts, ...rest }]);
  }

  /** What was added and has not been committed. */
  get missing(): string[] {
    const committed = new Set(this.committed);
    return this.added.filter((name) => !committed.has(name));
  }

  /** Names of one kind keep their order; nothing comes twice. */
  expectOrder(): void {
    expect(new Set(this.committed).size).toBe(this.committed.length);
    for (const kind of ['row', 'record', 'letter', 'health']) {
      const of = (names: readonly string[]) => names.filter((name) => name.startsWith(kind));
      const committed = of(this.committed);
      expect(committed).toEqual(of(this.added).slice(0, committed.length));
    }
  }
}

function namesOf({ timeline, records, deadLetters, health }: WriteBatch): string[] {
  return [
    ...timeline.map(({ seq }) => `row ${seq}`),
    ...records.map(({ sourceSeq }) => `record ${sourceSeq}`),
    ...deadLetters.map(({ message }) => `letter ${message}`),
    ...health.map(({ atMs }) => `health ${atMs}`),
  ];
}

/** A source whose row is as new as the moment it is asked for. */
class Counter {
  readonly sourceId: string;
  count = 0;
  constructor(sourceId: string) {
    this.sourceId = sourceId;
  }
  row(): SourceRow {
    return sourceRow({ sourceId: this.sourceId, recordsProduced: this.count });
  }
}

type Action =
  | { readonly kind: 'row' | 'letter' | 'health' | 'flush' }
  | { readonly kind: 'records' | 'tick' | 'touch' | 'latency'; readonly count: number }
  | { readonly kind: 'trouble'; readonly trouble: 'busy' | 'full' | null };

const numbered = (kind: 'records' | 'tick' | 'touch' | 'latency', max: number) =>
  fc.record({ kind: fc.constant(kind), count: fc.integer({ min: 0, max }) });

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('row' as const, 'letter' as const, 'health' as const, 'flush' as const),
  }),
  numbered('records', 5),
  { weight: 2, arbitrary: numbered('tick', 60) },
  numbered('touch', 2),
  numbered('latency', 30),
  fc.record({
    kind: fc.constant('trouble' as const),
    trouble: fc.constantFrom('busy' as const, 'full' as const, null),
  }),
);

class Player {
  readonly desk = new Desk();
  readonly counters = ['plc-1', 'plc-2', 'plc-3'].map((id) => new Counter(id));
  stored = 0;
  expectedStored = 0;
  flushes = 0;
  flushed = 0;

  async perform(step: Action): Promise<void> {
    const { desk } = this;
    switch (step.kind) {
      case 'row':
        return desk.row();
      case 'letter':
        return desk.letter();
      case 'health':
        return desk.health();
      case 'records':
        return this.#records(step.count);
      case 'flush':
        return this.#flush();
      case 'touch': {
        const counter = this.counters[step.count] as Counter;
        counter.count++;
        return desk.ledger.markDirty(counter);
      }
      case 'latency':
        desk.latencyMs = step.count;
        return;
      case 'trouble':
        desk.trouble = step.trouble;
        return;
      case 'tick':
        return desk.clock.advance(step.count);
    }
  }

  #records(count: number): void {
    const turn = this.expectedStored++;
    const before = this.desk.added.length + count;
    this.desk.records(count, () => {
      expect(turn, 'records are told of in order').toBe(this.stored++);
      this.#expectStored(before);
    });
  }

  #flush(): void {
    this.flushes++;
    const before = this.desk.added.length;
    const versions = new Map(this.counters.map(({ sourceId, count }) => [sourceId, count]));
    void this.desk.ledger.flush().then(() => {
      this.flushed++;
      this.#expectStored(before);
      for (const [sourceId, count] of versions) {
        expect(this.desk.versions.get(sourceId) ?? 0).toBeGreaterThanOrEqual(count);
      }
    });
  }

  #expectStored(before: number): void {
    const missing = new Set(this.desk.missing);
    expect(this.desk.added.slice(0, before).filter((name) => missing.has(name))).toEqual([]);
  }
}

test('whatever happens, all is written once, in order, and who waits is told when it is', () =>
  fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), async (actions) => {
      const player = new Player();
      const { desk, counters } = player;
      for (const step of actions) {
        await player.perform(step);
        await settled();
        desk.expectOrder();
      }
      desk.trouble = null;
      await desk.clock.advance(20_000);
      desk.expectOrder();
      expect(desk.missing).toEqual([]);
      expect([player.stored, player.flushed]).toEqual([player.expectedStored, player.flushes]);
      expect(counters.map(({ sourceId }) => desk.versions.get(sourceId) ?? 0)).toEqual(
        counters.map(({ count }) => count),
      );
      expect(desk.written).toEqual(desk.units.flatMap(({ timeline }) => timeline.map(({ seq }) => seq)));
      // Trouble and recovery take turns.
      expect(desk.edges.map((edge) => edge.startsWith('recovered'))).toEqual(
        desk.edges.map((_, index) => index % 2 === 1),
      );
      expect(await desk.clock.runUntil(desk.ledger.close())).toBe(0);
      expect(desk.clock.pendingTimers).toBe(0);
    }),
    { numRuns: 200 },
  ));

describe('the ledger', () => {
  test('lets rows wait a little for company', async () => {
    const desk = new Desk();
    desk.row();
    await desk.clock.advance(5);
    desk.row();
    desk.letter();
    await desk.clock.advance(4);
    expect(desk.units.length).toBe(0);
    await desk.clock.advance(1);
    expect(desk.units.map(namesOf)).toEqual([['row 1', 'row 2', 'letter 3']]);
  });

  test('lets no record wait, and writes the rows with it', async () => {
    const desk = new Desk();
    desk.row();
    desk.records(2);
    await desk.clock.advance(0);
    expect(desk.units.map(namesOf)).toEqual([['row 1', 'record 2', 'record 3']]);
    expect(desk.clock.pendingTimers).toBe(0);
  });

  test('gathers what comes during a commit for the next one', async () => {
    const desk = new Desk();
    desk.latencyMs = 20;
    desk.records(1);
    await desk.clock.advance(5);
    for (let count = 0; count < 3; count++) desk.records(1);
    await desk.clock.advance(100);
    expect(desk.units.map(namesOf)).toEqual([['record 1'], ['record 2', 'record 3', 'record 4']]);
  });

  test('keeps the last cursor of each source alone', async () => {
    const desk = new Desk();
    desk.records(2);
    desk.records(3);
    await desk.clock.advance(0);
    expect(desk.units[0]?.cursors).toEqual([{ tenant: 'default', sourceId: 'plc-7', cursor: '5' }]);
  });

  test('writes of a source what is true when the unit is made, once', async () => {
    const desk = new Desk();
    const counter = new Counter('plc-1');
    for (let touches = 1; touches <= 3; touches++) {
      counter.count = touches;
      desk.ledger.markDirty(counter);
    }
    counter.count = 9;
    await desk.clock.advance(10);
    expect(desk.units[0]?.sources.map(({ recordsProduced }) => recordsProduced)).toEqual([9]);
  });

  test('flushes at once, and at once where there is nothing', async () => {
    const desk = new Desk();
    await desk.ledger.flush();
    desk.row();
    await desk.ledger.flush();
    expect([desk.committed, desk.clock.monotonicMs(), desk.clock.pendingTimers]).toEqual([['row 1'], 0, 0]);
  });

  test('resolves a flush during a commit when that commit is through', async () => {
    const desk = new Desk();
    desk.latencyMs = 20;
    desk.row();
    await desk.clock.advance(15);
    let flushedMs = 0;
    void desk.ledger.flush().then(() => {
      flushedMs = desk.clock.monotonicMs();
    });
    await desk.clock.advance(50);
    expect(flushedMs).toBe(30);
  });

  test('lets nobody wait for company who flushes during a commit', async () => {
    const desk = new Desk();
    desk.latencyMs = 20;
    desk.row();
    await desk.clock.advance(15);
    desk.row();
    await desk.clock.runUntil(desk.ledger.flush());
    expect([desk.clock.monotonicMs(), desk.committed]).toEqual([50, ['row 1', 'row 2']]);
  });

  test('tries again with growing waits, up to five seconds, and tells of the edges alone', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(30_000);
    const waits = desk.attempts.slice(1).map((atMs, index) => atMs - (desk.attempts[index] as number));
    expect(waits).toEqual(
      [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000].slice(0, waits.length),
    );
    expect(waits.length).toBeGreaterThan(9);
    expect([desk.edges, desk.ledger.isStalled]).toEqual([['HG_STORAGE_FULL'], true]);
    desk.trouble = null;
    await desk.clock.advance(5_000);
    expect(desk.ledger.isStalled).toBe(false);
    expect(desk.edges[1]).toMatch(/^recovered after 3\d{4}$/);
  });

  test('begins with the shortest wait again after a recovery', async () => {
    const desk = new Desk();
    desk.trouble = 'busy';
    desk.row();
    await desk.clock.advance(1_000);
    desk.trouble = null;
    await desk.clock.advance(1_000);
    desk.trouble = 'busy';
    desk.attempts = [];
    desk.row();
    await desk.clock.advance(200);
    const [first = 0, second = 0, third = 0] = desk.attempts;
    expect([second - first, third - second]).toEqual([50, 100]);
  });

  test('takes whatever a store throws for trouble that passes', async () => {
    const desk = new Desk();
    const odd = new GroupCommitter({
      store: { commit: () => Promise.reject(new TypeError('undefined is not a function')) },
      clock: desk.clock,
      onWritten: () => {},
      onGivenUp: () => {},
      onFailed: ({ code, message }) => desk.edges.push(`${code} ${message}`),
      onRecovered: () => {},
    });
    odd.addRow(timelineRow({ seq: 1 }));
    await desk.clock.advance(100);
    expect(desk.edges).toEqual(['HG_STORAGE_FAILED undefined is not a function']);
    expect(odd.isStalled).toBe(true);
  });

  test('gives up what can never be written, says so, and goes on with the rest', async () => {
    const desk = new Desk();
    const told: string[] = [];
    desk.trouble = 'refused';
    desk.row();
    desk.records(2, (outcome) => told.push(outcome));
    await desk.clock.advance(20);
    desk.trouble = null;
    desk.row();
    await desk.clock.advance(20);
    expect([desk.givenUp, told, desk.committed]).toEqual([[3], ['lost'], ['row 4']]);
    expect(desk.ledger.isStalled).toBe(false);
  });

  test('tries nothing again once the storage has ended: all that waits is lost, and told so', async () => {
    const desk = new Desk();
    const outcomes: string[] = [];
    const parcel = { records: [recordRow({ sourceSeq: 1 })], onSettled: (it: string) => outcomes.push(it) };
    desk.trouble = 'gone';
    desk.row();
    desk.ledger.addRecords(parcel);
    await desk.clock.advance(60_000);
    desk.ledger.addRecords(parcel);
    desk.row();
    expect(desk.edges).toEqual(['gone: HG_STORAGE_STOPPED']);
    expect([desk.attempts.length, desk.givenUp, outcomes]).toEqual([1, [2], ['lost', 'lost']]);
    expect(await desk.ledger.close()).toBe(3);
  });

  test('without a store takes everything for written', async () => {
    const clock = virtualClock();
    const seen: number[] = [];
    const ledger = new GroupCommitter({
      store: null,
      clock,
      onWritten: (rows) => seen.push(...rows.map(({ seq }) => seq)),
      onGivenUp: () => seen.push(-1),
      onFailed: () => seen.push(-2),
      onRecovered: () => seen.push(-3),
    });
    ledger.addRow(timelineRow({ seq: 1 }));
    await ledger.flush();
    ledger.addRow(timelineRow({ seq: 2 }));
    expect(await ledger.close()).toBe(0);
    expect(seen).toEqual([1, 2]);
  });
});

describe('a backlog of rows', () => {
  const { commitTimelineRowsMax: max } = LIMITS;

  test('is written in parts; who flushes waits for all of them', async () => {
    const desk = new Desk();
    for (let count = 0; count < 2 * max + 1; count++) desk.row();
    let unitsWhenFlushed = 0;
    void desk.ledger.flush().then(() => {
      unitsWhenFlushed = desk.units.length;
    });
    await desk.clock.advance(100);
    expect(desk.units.map(({ timeline }) => timeline.length)).toEqual([max, max, 1]);
    expect(unitsWhenFlushed).toBe(3);
    desk.expectOrder();
  });

  test('holds records back that came after it, and goes first when the ledger is closed', async () => {
    const desk = new Desk();
    for (let count = 0; count < max + 1; count++) desk.row();
    for (let count = 0; count < max + 1; count++) desk.health();
    let missingWhenStored: string[] = ['never told'];
    desk.records(1, () => {
      missingWhenStored = desk.missing;
    });
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(0);
    expect(desk.units.map(({ timeline, health }) => [timeline.length, health.length])).toEqual([
      [max, max],
      [1, 1],
    ]);
    expect([missingWhenStored, desk.missing, desk.clock.pendingTimers]).toEqual([[], [], 0]);
  });
});

describe('dead letters that wait for a failing database', () => {
  const payload = 'x'.repeat(LIMITS.deadLetterPayloadCharsMax);
  const max = LIMITS.pendingLetterCharsMax / payload.length;

  test('give way beyond the bound, the oldest first, but not those that somebody waits for', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(10);
    desk.letter({ payload, isAwaited: true });
    const told: string[] = [];
    desk.ledger.addRecords({ onSettled: (outcome) => told.push(outcome) });
    for (let count = 0; count < max + 6; count++) desk.letter({ payload });
    await desk.clock.advance(20_000);
    expect([desk.givenUp, told]).toEqual([[6], []]);
    desk.trouble = null;
    await desk.clock.advance(20_000);
    const letters = desk.units.flatMap(({ deadLetters }) =>
      deadLetters.map(({ message }) => Number(message)),
    );
    expect(letters).toEqual([2, ...Array.from({ length: max }, (_, index) => 2 + 6 + 1 + index)]);
    expect(told).toEqual(['stored']);
  });

  test('are bounded before it is tried again, too', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(10_000);
    const attempts = desk.attempts.length;
    for (let count = 0; count < 3 * max; count++) desk.letter({ payload });
    expect(desk.attempts.length).toBe(attempts);
    expect(desk.givenUp).toEqual([max + 1]);
  });
});

describe('a ledger that is closed', () => {
  test('with nothing to write writes nothing', async () => {
    const desk = new Desk();
    expect(await desk.ledger.close()).toBe(0);
    expect(desk.units).toEqual([]);
  });

  test('writes what waits for company', async () => {
    const desk = new Desk();
    desk.row();
    expect(await desk.ledger.close()).toBe(0);
    expect([desk.committed, desk.clock.pendingTimers]).toEqual([['row 1'], 0]);
  });

  test('waits for the commit under way, and writes what came during it', async () => {
    const desk = new Desk();
    desk.latencyMs = 20;
    desk.records(1);
    await desk.clock.advance(5);
    desk.row();
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(0);
    expect(desk.units.map(namesOf)).toEqual([['record 1'], ['row 2']]);
  });

  test('writes what comes while it closes', async () => {
    const desk = new Desk();
    desk.latencyMs = 20;
    desk.records(1, () => desk.row());
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(0);
    expect(desk.committed).toEqual(['record 1', 'row 2']);
  });

  test('while the database fails tries once more, at once, and says what is lost', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(1_000);
    desk.records(3);
    const before = desk.attempts.length;
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(4);
    expect([desk.attempts.length, desk.clock.monotonicMs()]).toEqual([before + 1, 1_000]);
    expect([desk.givenUp, desk.committed, desk.clock.pendingTimers]).toEqual([[1, 3], [], 0]);
  });

  test('while the database fails, but is well again by then, writes everything', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(1_000);
    desk.records(3);
    desk.trouble = null;
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(0);
    expect([desk.missing, desk.clock.monotonicMs(), desk.clock.pendingTimers]).toEqual([[], 1_000, 0]);
  });

  test('comes to an end though the database fails only now, after a few tries', async () => {
    const desk = new Desk();
    desk.row();
    desk.trouble = 'full';
    expect(await desk.clock.runUntil(desk.ledger.close())).toBe(1);
    expect([desk.attempts.length, desk.givenUp]).toEqual([5, [1]]);
    expect(desk.clock.monotonicMs()).toBe(50 + 100 + 200 + 400);
  });

  test('loses nothing to a database that is busy for a moment', async () => {
    const desk = new Desk();
    desk.row();
    desk.trouble = 'busy';
    const closing = desk.ledger.close();
    desk.clock.setTimeout(() => {
      desk.trouble = null;
    }, 120);
    expect(await desk.clock.runUntil(closing)).toBe(0);
    expect(desk.missing).toEqual([]);
  });

  test('does not count what was refused long before among what it lost', async () => {
    const desk = new Desk();
    desk.trouble = 'refused';
    desk.row();
    await desk.clock.advance(20);
    desk.trouble = null;
    desk.row();
    expect(await desk.ledger.close()).toBe(0);
    expect([desk.givenUp, desk.written]).toEqual([[1], [2]]);
  });

  test('takes nothing more', async () => {
    const desk = new Desk();
    await desk.ledger.close();
    desk.row();
    desk.records(1);
    await desk.ledger.flush();
    await desk.clock.advance(1_000);
    expect([desk.units, desk.clock.pendingTimers]).toEqual([[], 0]);
  });

  test('may be closed again', async () => {
    const desk = new Desk();
    desk.row();
    await desk.ledger.close();
    expect(await desk.ledger.close()).toBe(0);
    expect(desk.units.length).toBe(1);
  });
});

describe('rows that wait for a failing database', () => {
  const max = LIMITS.journalPendingRowsMax;

  test('give way beyond the bound, the oldest first; one row says how many, however often', async () => {
    const desk = new Desk();
    desk.trouble = 'full';
    desk.row();
    await desk.clock.advance(10);
    for (let count = 0; count < max + 1_000; count++) desk.row();
    await desk.clock.advance(20_000);
    for (let count = 0; count < 500; count++) desk.row();
    await desk.clock.advance(20_000);
    desk.trouble = null;
    await desk.clock.advance(20_000);
    const [first, ...rest] = desk.units.map(({ timeline }) => timeline);
    expect(first?.length).toBe(1);
    const [second, third, ...others] = rest.flat();
    expect(2 + others.length).toBe(max);
    const lostRows = 1_000 + 500 + 1;
    expect(second).toMatchObject({ kind: 'gap', event: 'rows.lost', seq: 2, data: { lostRows } });
    expect(third?.seq).toBe(2 + lostRows);
  });
});
