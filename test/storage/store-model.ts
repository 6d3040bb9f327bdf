/** A toy of the store: what its tables must hold, kept in plain maps, and random units that are written into
 *  both. */

import type { Random } from '../../src/domain/random.ts';
import type { RecordRow } from '../../src/domain/record-row.ts';
import type { WriteBatch, DeadlineRow, LetterStatus, SinkCursor } from '../../src/domain/timeline.ts';
import { writeBatch, recordRow, sourceRow, START_MS, timelineRow } from './fixture.ts';

const SOURCES = ['plc-1', 'plc-2', 'plc-3'];

interface StoredRecord {
  readonly seq: number;
  readonly row: RecordRow;
}

export class StoreModel {
  timeline: number[] = [];
  timelineSeq = 0;
  records: StoredRecord[] = [];
  /** Of records whose row was changed in the file. */
  damaged = new Set<number>();
  recordSeq = 0;
  spill = new Map<number, string>();
  spillSeq = 0;
  letters = new Map<number, { code: string; attempts: number; status: LetterStatus }>();
  letterId = 0;
  /** Incarnation and state by source. */
  sources = new Map<string, string>();
  incarnations = new Map<string, number>();
  cursors = new Map<string, string>();
  sinkCursors = new Map<string, SinkCursor>();
  deadlines = new Map<string, unknown>();
  ends: ('clean' | 'crash' | null)[] = [];

  copy(): StoreModel {
    return Object.assign(new StoreModel(), structuredClone(Object.fromEntries(Object.entries(this))));
  }

  /** What a crash and the next opening make of the sources. */
  crash(): void {
    this.end('crash');
    for (const [id, told] of this.sources) this.sources.set(id, told.replace(/ \w+$/, ' stopped'));
  }

  end(end: 'clean' | 'crash'): void {
    this.ends[this.ends.length - 1] = end;
  }

  /** A unit of anything, with the numbers that are next; not yet written into the model. */
  randomUnit(random: Random, run: number): WriteBatch {
    const many = <Row>(max: number, make: (index: number) => Row) =>
      Array.from({ length: random.integer(0, max) }, (_, index) => make(index));
    const sourceId = () => pick(random, SOURCES);
    return writeBatch({
      timeline: many(150, (index) =>
        timelineRow({ seq: this.timelineSeq + index + 1, run, data: { index } }),
      ),
      records: many(30, () => this.#randomRecord(random)),
      spilled: many(10, () => ({ ...this.#randomRecord(random), cursor: pick(random, [null, 'c-1']) })),
      marks: [
        ...many(5, () => ({ kind: 'spill' as const, seq: random.integer(1, this.spillSeq + 1) })),
        ...many(2, () => ({ kind: 'letter' as const, id: random.integer(1, this.letterId + 1) })),
      ],
      deadLetters: many(4, (index) => ({
        ...{ tenant: 'default', sourceId: sourceId(), stage: 'decode', code: 'HG_DECODE_FAILED' },
        ...{ message: 'no', payload: `{${index}`, attempts: 1, firstAtMs: 1, lastAtMs: 1 },
        ...{ origin: null, isTruncated: false },
      })),
      letterFailures: many(2, () => ({
        ...{ id: random.integer(1, this.letterId + 1), code: 'HG_STAGE_THREW', message: 'again', atMs: 9 },
        status: pick(random, ['new', 'parked'] as const),
      })),
      sources: many(3, () =>
        sourceRow({
          sourceId: sourceId(),
          incarnation: random.integer(1, 20),
          state: pick(random, ['streaming', 'paused', 'stopped'] as const),
        }),
      ),
      cursors: many(2, () => ({
        tenant: 'default',
        sourceId: sourceId(),
        cursor: pick(random, [null, String(random.integer(0, 1_000))]),
      })),
      sinkCursors: many(2, () => ({
        tenant: 'default',
        sinkId: pick(random, ['cloud', 'archive']),
        reads: pick(random, ['records', 'alerts'] as const),
        seq: random.next() < 0.2 ? null : random.integer(0, this.recordSeq),
      })),
      deadlines: many(2, () => ({
        ...{ tenant: 'default', sourceId: sourceId(), state: 'backingOff' as const, failures: 1 },
        kind: pick(random, ['wait', 'poll'] as const),
        dueAtMs: random.next() < 0.3 ? null : START_MS + random.integer(1, 99),
        farEnd: {
          addressCrc: random.integer(0, 2 ** 32 - 1),
          optionsCrc: random.next() < 0.3 ? null : random.integer(0, 255),
        },
      })),
    });
  }

  /** Writes a unit into the model. Returns how many of its records were known already. */
  commit(unit: WriteBatch): number {
    for (const { seq } of unit.timeline) this.timeline.push(seq);
    this.timelineSeq = unit.timeline.at(-1)?.seq ?? this.timelineSeq;
    let duplicates = 0;
    for (const row of unit.records) {
      // A record that is passed over uses up a number all the same.
      const seq = ++this.recordSeq;
      if (this.#isKnown(row)) duplicates++;
      else this.records.push({ seq, row });
    }
    for (const row of unit.spilled) this.spill.set(++this.spillSeq, row.data);
    for (const { code, attempts } of unit.deadLetters) {
      this.letters.set(++this.letterId, { code, attempts, status: 'new' });
    }
    for (const mark of unit.marks) {
      if (mark.kind === 'spill') this.spill.delete(mark.seq);
      else this.#changeLetter(mark.id, { status: 'delivered' });
    }
    for (const { id, code, status } of unit.letterFailures) {
      this.#changeLetter(id, { code, status, attempts: (this.letters.get(id)?.attempts ?? 0) + 1 });
    }
    for (const row of unit.sources) {
      if (row.incarnation < (this.incarnations.get(row.sourceId) ?? 0)) continue;
      this.incarnations.set(row.sourceId, row.incarnation);
      this.sources.set(row.sourceId, `${row.incarnation} ${row.state}`);
    }
    for (const { sourceId, cursor } of unit.cursors) {
      if (cursor === null) this.cursors.delete(`default/${sourceId}`);
      else this.cursors.set(`default/${sourceId}`, cursor);
    }
    for (const { sinkId, reads, seq } of unit.sinkCursors) {
      if (seq === null) this.sinkCursors.delete(`default/${sinkId}`);
      else this.sinkCursors.set(`default/${sinkId}`, { reads, seq });
    }
    for (const row of unit.deadlines) this.#setDeadline(row);
    return duplicates;
  }

  #randomRecord(random: Random): RecordRow {
    return recordRow({
      sourceId: pick(random, SOURCES),
      sourceSeq: random.integer(1, 1_000_000),
      dedupKey: random.next() < 0.5 ? String(random.integer(1, 40)) : null,
      data: JSON.stringify({ value: random.integer(0, 1_000_000) }),
      contentType: pick(random, [null, 'text/csv']),
    });
  }

  #isKnown({ sourceId, dedupKey }: RecordRow): boolean {
    if (dedupKey === null) return false;
    return this.records.some(({ row }) => row.sourceId === sourceId && row.dedupKey === dedupKey);
  }

  #changeLetter(id: number, change: Partial<{ code: string; attempts: number; status: LetterStatus }>): void {
    const letter = this.letters.get(id);
    if (letter !== undefined) this.letters.set(id, { ...letter, ...change });
  }

  #setDeadline({ sourceId, kind, dueAtMs, farEnd }: DeadlineRow): void {
    if (dueAtMs === null) this.deadlines.delete(`${sourceId} ${kind}`);
    else this.deadlines.set(`${sourceId} ${kind}`, { dueAtMs, farEnd });
  }
}

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.integer(0, values.length - 1)] as Value;
}
