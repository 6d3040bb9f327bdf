/** Retention by age while the wall clock does what it likes: nothing goes because of a jump. */

import Database from 'better-sqlite3';
import fc from 'fast-check';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_RETENTION, type RetentionOptions } from '../../src/domain/retention.ts';
import type { EventStore } from '../../storage/event-store.ts';
import {
  writeBatch,
  openStore,
  query,
  recordRow,
  START_MS,
  temporaryFile,
  temporaryFolder,
  timelineRow,
} from './fixture.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const TO_1970_MS = -START_MS;

/** A machine: true time, a wall clock that is wrong by so much, a monotonic clock that begins with each boot.
 *  */
class Machine {
  readonly file = temporaryFile();
  readonly retention: RetentionOptions;
  trueMs = START_MS;
  errorMs = 0;
  #bootMs = START_MS;
  #store: EventStore | null = null;
  #rows = 0;
  /** True times at which rows came, by their numbers. */
  readonly cameMs: number[] = [];

  constructor(retention: Partial<RetentionOptions> = {}) {
    this.retention = { ...DEFAULT_RETENTION, ...retention };
  }

  async on(): Promise<EventStore> {
    return (this.#store ??= await openStore(this.file, { nowMs: this.trueMs + this.errorMs }));
  }

  /** Ends the run and stays off for so long. */
  async off(outageMs: number, how: 'clean' | 'killed' = 'clean'): Promise<void> {
    const end = how === 'clean' ? { atMs: this.trueMs + this.errorMs } : null;
    await this.#store?.close(end);
    this.#store = null;
    this.trueMs += outageMs;
    this.#bootMs = this.trueMs;
  }

  async row(): Promise<void> {
    const store = await this.on();
    await store.commit(writeBatch({ records: [recordRow({ sourceSeq: ++this.#rows })] }));
    this.cameMs.push(this.trueMs);
  }

  /** Runs for so long, with a look at retention now and then. */
  async run(ms: number, stepMs = ms / 4): Promise<void> {
    const endMs = this.trueMs + ms;
    await this.look();
    while (this.trueMs < endMs) {
      this.trueMs = Math.min(endMs, this.trueMs + stepMs);
      await this.look();
    }
  }

  async look(): Promise<void> {
    const store = await this.on();
    const nowMs = this.trueMs + this.errorMs;
    const monoMs = this.trueMs - this.#bootMs;
    const needs = { recordsNeededAfter: null, alertsNeededAfter: null };
    for (;;) {
      const report = await store.maintain({ nowMs, monoMs, retention: this.retention, ...needs });
      if (!report.hasMore) return;
    }
  }

  rows(table = 'records'): number {
    return query(this.file, `SELECT count(*) AS n FROM ${table}`)[0]?.['n'] as number;
  }
}

async function threeRows(machine: Machine): Promise<void> {
  for (let row = 0; row < 3; row++) await machine.row();
  await machine.run(20 * MINUTE_MS);
}

describe('nothing is deleted since the wall clock jumped', () => {
  test.each([
    ['begins in 1970 and is then set', TO_1970_MS],
    ['begins at the time of another year', -2 * 365 * DAY_MS],
    ['runs a month ahead and is set back', 30 * DAY_MS],
  ])('where it %s', async (_, errorMs) => {
    const machine = new Machine();
    await threeRows(machine);
    await machine.off(MINUTE_MS);
    machine.errorMs = errorMs;
    await machine.row();
    await machine.run(9 * MINUTE_MS, 10_000);
    machine.errorMs = 0;
    await machine.row();
    await machine.run(DAY_MS, HOUR_MS);
    expect(machine.rows()).toBe(5);
  });

  test('where it jumps to and fro while the engine runs', async () => {
    const machine = new Machine();
    for (const errorMs of [TO_1970_MS, 0, 40 * DAY_MS, -DAY_MS, 400 * DAY_MS, 0]) {
      machine.errorMs = errorMs;
      await machine.row();
      // Long enough to be believed.
      await machine.run(2 * HOUR_MS);
    }
    expect(machine.rows()).toBe(6);
  });

  test('where a month ahead lasts for an hour from the start', async () => {
    const machine = new Machine();
    await threeRows(machine);
    await machine.off(MINUTE_MS, 'killed');
    machine.errorMs = 30 * DAY_MS;
    await machine.row();
    await machine.run(HOUR_MS, MINUTE_MS);
    machine.errorMs = 0;
    await machine.row();
    await machine.run(3 * HOUR_MS, MINUTE_MS);
    expect(machine.rows()).toBe(5);
  });

  test('where the first run never knew the time', async () => {
    const machine = new Machine();
    machine.errorMs = TO_1970_MS;
    await threeRows(machine);
    await machine.off(MINUTE_MS);
    machine.errorMs = 0;
    await machine.row();
    await machine.run(3 * DAY_MS, HOUR_MS);
    expect(machine.rows()).toBe(4);
  });

  test('nor samples, dead letters or the timeline', async () => {
    const archiveFolder = join(temporaryFolder(), 'archive');
    const machine = new Machine({ timeline: { ageMsMax: DAY_MS, archiveFolder } });
    const store = await machine.on();
    const letter = {
      ...{ tenant: 'default', sourceId: 'a', stage: 'decode', code: 'HG_DECODE_FAILED', message: 'no JSON' },
      ...{ payload: '{', attempts: 1, firstAtMs: START_MS, lastAtMs: START_MS, origin: null },
      isTruncated: false,
    };
    const sample = {
      ...{ atMs: START_MS, tenant: 'default', sourceId: 'a', state: 'streaming' as const, rate1s: 0 },
      ...{ recordsProduced: 1, lastReadTimestamp: null, consecutiveErrors: 0, incarnation: 1, restarts: 0 },
      ...{ queueDepth: 0, droppedCount: 0, deadLetteredCount: 0 },
    };
    const unit = { deadLetters: [letter, letter], health: [sample, sample] };
    await store.commit(writeBatch({ ...unit, timeline: [timelineRow({ seq: 1 }), timelineRow({ seq: 2 })] }));
    await machine.run(MINUTE_MS);
    for (const errorMs of [TO_1970_MS, 0, 90 * DAY_MS, 0]) {
      machine.errorMs = errorMs;
      await machine.off(MINUTE_MS);
      await machine.run(5 * MINUTE_MS);
    }
    expect(['dead_letters', 'health', 'timeline'].map((table) => machine.rows(table))).toEqual([2, 2, 2]);
    expect(existsSync(archiveFolder)).toBe(false);
  });

  test('where an older version noted ages by the wall clock', async () => {
    const machine = new Machine();
    await threeRows(machine);
    await machine.off(MINUTE_MS);
    const db = new Database(machine.file);
    db.exec(`DELETE FROM meta WHERE key = 'age_clock';
      INSERT OR REPLACE INTO retention_marks VALUES ('records', 2, ${START_MS}), ('records', 3, 60000)`);
    db.close();
    await machine.row();
    await machine.run(DAY_MS, HOUR_MS);
    expect(machine.rows()).toBe(4);
  });
});

describe('an outage', () => {
  test('makes older what came before it, once the clock that tells it was believed for a while', async () => {
    const machine = new Machine();
    await threeRows(machine);
    await machine.off(8 * DAY_MS);
    await machine.row();
    await machine.run(6 * HOUR_MS, 5 * MINUTE_MS);
    await machine.row();
    expect(machine.rows()).toBe(5);
    await machine.run(HOUR_MS, 5 * MINUTE_MS);
    expect(machine.rows()).toBe(2);
  });

  test('makes nothing older that came after it, however many there were', async () => {
    const machine = new Machine();
    await threeRows(machine);
    for (let boot = 0; boot < 8; boot++) {
      await machine.off(DAY_MS, boot % 2 === 0 ? 'clean' : 'killed');
      await machine.row();
      await machine.run(MINUTE_MS);
    }
    expect(machine.rows()).toBe(11);
    await machine.run(9 * HOUR_MS, 5 * MINUTE_MS);
    expect(machine.rows()).toBe(8);
  });
});

test('whatever the clock does for a while, no row goes before its time, and each goes at last', async () => {
  const ageMsMax = DAY_MS;
  const wrong = fc.constantFrom(
    TO_1970_MS,
    -400 * DAY_MS,
    -HOUR_MS,
    2 * HOUR_MS,
    30 * DAY_MS,
    9_000 * DAY_MS,
  );
  const step = fc.oneof(
    fc.record({ runMs: fc.integer({ min: 1_000, max: 5 * HOUR_MS }) }),
    fc.record({ wrongMs: wrong, forMs: fc.integer({ min: 1_000, max: 9 * MINUTE_MS }) }),
    fc.record({ offMs: fc.integer({ min: 0, max: 2 * DAY_MS }), isKilled: fc.boolean(), wrongMs: wrong }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 15 }), async (steps) => {
      const machine = new Machine({ records: { ageMsMax, bytesMax: null } });
      const check = () => {
        const first = query(machine.file, 'SELECT min(seq) AS seq FROM records')[0]?.['seq'] as number;
        const youngestGoneMs = machine.cameMs[first - 2];
        if (youngestGoneMs !== undefined) {
          expect(machine.trueMs - youngestGoneMs).toBeGreaterThanOrEqual(ageMsMax);
        }
      };
      for (const action of steps) {
        await machine.row();
        if ('runMs' in action) await machine.run(action.runMs);
        else if ('forMs' in action) {
          machine.errorMs = action.wrongMs;
          await machine.run(action.forMs);
        } else {
          await machine.off(action.offMs, action.isKilled ? 'killed' : 'clean');
          machine.errorMs = action.wrongMs;
          await machine.run(5 * MINUTE_MS);
        }
        machine.errorMs = 0;
        await machine.look();
        check();
      }
      await machine.row();
      await machine.run(ageMsMax * 1.1, HOUR_MS);
      expect(machine.rows()).toBe(1);
      await machine.off(0);
    }),
    { numRuns: 15 },
  );
}, 60_000);
