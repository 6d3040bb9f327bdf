/** Rows that wait for the next transaction. Records come in groups; a transaction takes as many groups as its
 *  limits allow. Lifecycle rows, dead letters and samples go with them. Where many of those wait, a part of
 *  them goes first, by itself. */

import type { ErrorFacts } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { OriginRemoval } from '../../src/domain/receipt.ts';
import { PendingDeadLetters } from '../dead-letters/pending-dead-letters.ts';
import type { RecordRow } from '../../src/domain/record-row.ts';
import {
  writeBatch,
  type WriteBatch,
  type CursorRow,
  type DeadLetter,
  type DeadlineRow,
  type HealthRow,
  type LetterFailure,
  type SinkCursorRow,
  type SinkRow,
  type SourceRow,
  type SpillRow,
  type TimelineRow,
} from '../../src/domain/timeline.ts';

/** Records that are stored together, and who hears of it. */
export interface RecordWrite {
  readonly records?: readonly RecordRow[];
  readonly spilled?: readonly SpillRow[];
  /** Where sources go on after these records. */
  readonly cursors?: readonly CursorRow[];
  readonly marks?: readonly OriginRemoval[];
  /** Told once: when it is stored, and with it everything that was added before it; or that it never will be.
   *  */
  readonly onSettled: (outcome: 'stored' | 'lost') => void;
  /** The database refuses one of its rows. Called before `onSettled`, which then holds for the other
   *  rows. Adds the dead letter that the record becomes, and returns the mark that no longer holds, if
   *  there is one. */
  readonly onRefused?: (row: RecordRow, error: ErrorFacts) => OriginRemoval | undefined;
}

/** Bounds of the records in one transaction. It takes at least one group, however large. */
export interface CommitLimits {
  readonly rowsMax: number;
  readonly bytesMax: number;
}

/** A row of a table that says what is so now; it is made when the transaction is. */
interface RowOf<Row> {
  row(): Row;
}

export interface NextBatch {
  readonly unit: WriteBatch;
  readonly writes: readonly RecordWrite[];
}

export class PendingWrites {
  #timeline: TimelineRow[] = [];
  readonly #deadLetters = new PendingDeadLetters();
  #letterFailures: LetterFailure[] = [];
  #health: HealthRow[] = [];
  #marks: OriginRemoval[] = [];
  #writes: RecordWrite[] = [];
  #sources = new Set<RowOf<SourceRow>>();
  #sinks = new Set<RowOf<SinkRow>>();
  #sinkCursors = new Map<string, SinkCursorRow>();
  #deadlines = new Map<string, DeadlineRow>();
  #parcelRows = 0;
  #parcelBytes = 0;

  /** Rows of the timeline. */
  get timelineRows(): number {
    return this.#timeline.length;
  }

  /** Rows in writes. */
  get parcelRows(): number {
    return this.#parcelRows;
  }

  get hasParcels(): boolean {
    return this.#writes.length > 0;
  }

  get isEmpty(): boolean {
    return (
      this.#writes.length === 0 &&
      this.#timeline.length === 0 &&
      this.#deadLetters.count === 0 &&
      this.#letterFailures.length === 0 &&
      this.#health.length === 0 &&
      this.#marks.length === 0 &&
      this.#sources.size === 0 &&
      this.#sinks.size === 0 &&
      this.#sinkCursors.size === 0 &&
      this.#deadlines.size === 0
    );
  }

  /** Whether the writes fill a transaction. */
  fills({ rowsMax, bytesMax }: CommitLimits): boolean {
    return this.#parcelRows >= rowsMax || this.#parcelBytes >= bytesMax;
  }

  /** Rows, letters and records in it: what would be lost with it. */
  get worth(): number {
    return this.#timeline.length + this.#deadLetters.count + this.#parcelRows;
  }

  addRow(row: TimelineRow): void {
    this.#timeline.push(row);
  }

  /** `isAwaited`: somebody acts on it once it is stored. */
  addDeadLetter(letter: DeadLetter, isAwaited: boolean): void {
    this.#deadLetters.add(letter, isAwaited);
  }

  addLetterFailure(failure: LetterFailure): void {
    this.#letterFailures.push(failure);
  }

  addHealth(rows: readonly HealthRow[]): void {
    for (const row of rows) this.#health.push(row);
  }

  addOriginRemoval(mark: OriginRemoval): void {
    this.#marks.push(mark);
  }

  addRecords(write: RecordWrite): void {
    this.#writes.push(write);
    this.#parcelRows += rowsOf(write);
    this.#parcelBytes += bytesOf(write);
  }

  /** Takes the cursors of these sources out of the writes that wait. */
  forgetCursors(names: ReadonlySet<string>): void {
    this.#writes = this.#writes.map((write) => {
      const { cursors } = write;
      if (cursors === undefined) return write;
      return { ...write, cursors: cursors.filter((row) => !names.has(`${row.tenant}/${row.sourceId}`)) };
    });
  }

  touchSource(source: RowOf<SourceRow>): void {
    this.#sources.add(source);
  }

  touchSink(sink: RowOf<SinkRow>): void {
    this.#sinks.add(sink);
  }

  setSinkCursor(cursor: SinkCursorRow): void {
    this.#sinkCursors.set(`${cursor.tenant}/${cursor.sinkId}`, cursor);
  }

  setDeadline(deadline: DeadlineRow): void {
    this.#deadlines.set(`${deadline.tenant}/${deadline.sourceId}/${deadline.kind}`, deadline);
  }

  /** Takes out what the next transaction writes. */
  take(limits: CommitLimits): NextBatch {
    const { commitTimelineRowsMax: max } = LIMITS;
    if (this.#timeline.length > max || this.#health.length > max) {
      // Whoever waits was promised all that came before: they go with the rest.
      const part = { timeline: this.#timeline.splice(0, max), health: this.#health.splice(0, max) };
      return { unit: writeBatch(part), writes: [] };
    }
    return this.#takeAll(limits);
  }

  #takeAll(limits: CommitLimits): NextBatch {
    const writes = this.#takeParcels(limits);
    const cursors = new Map<string, CursorRow>();
    for (const write of writes) {
      for (const cursor of write.cursors ?? []) cursors.set(`${cursor.tenant}/${cursor.sourceId}`, cursor);
    }
    const unit = writeBatch({
      timeline: this.#timeline,
      records: writes.flatMap(({ records }) => records ?? []),
      spilled: writes.flatMap(({ spilled }) => spilled ?? []),
      marks: [...this.#marks, ...writes.flatMap(({ marks }) => marks ?? [])],
      cursors: [...cursors.values()],
      sources: Array.from(this.#sources, (source) => source.row()),
      sinks: Array.from(this.#sinks, (sink) => sink.row()),
      deadLetters: this.#deadLetters.takeAll(),
      letterFailures: this.#letterFailures,
      health: this.#health,
      sinkCursors: [...this.#sinkCursors.values()],
      deadlines: [...this.#deadlines.values()],
    });
    this.#timeline = [];
    this.#letterFailures = [];
    this.#health = [];
    this.#marks = [];
    this.#sources = new Set();
    this.#sinks = new Set();
    this.#sinkCursors = new Map();
    this.#deadlines = new Map();
    return { unit, writes };
  }

  #takeParcels({ rowsMax, bytesMax }: CommitLimits): RecordWrite[] {
    let rows = 0;
    let bytes = 0;
    let count = 0;
    for (const write of this.#writes) {
      rows += rowsOf(write);
      bytes += bytesOf(write);
      if (count > 0 && (rows > rowsMax || bytes > bytesMax)) {
        rows -= rowsOf(write);
        bytes -= bytesOf(write);
        break;
      }
      count++;
    }
    this.#parcelRows -= rows;
    this.#parcelBytes -= bytes;
    return this.#writes.splice(0, count);
  }

  /** Takes out the letters that wait, for a unit that others were taken out of. */
  takeLetters(): Pick<WriteBatch, 'deadLetters' | 'letterFailures'> {
    const letterFailures = this.#letterFailures;
    this.#letterFailures = [];
    return { deadLetters: this.#deadLetters.takeAll(), letterFailures };
  }

  /** Tells everyone who waits that it will not be. */
  lose(): void {
    for (const { onSettled } of this.#writes.splice(0)) onSettled('lost');
  }

  /** So many letters wait that it is time to {@link boundWaitingRows}. */
  get isOverfull(): boolean {
    return this.#deadLetters.isOverfull;
  }

  /** Rows beyond the bound give way, the oldest first; the row at their place says how many. Returns how many
   *  dead letters did. */
  boundWaitingRows(): number {
    const { journalPendingRowsMax: max } = LIMITS;
    this.#health.splice(0, Math.max(0, this.#health.length - max));
    this.#boundTimeline(max);
    return this.#deadLetters.bound();
  }

  #boundTimeline(max: number): void {
    const excess = this.#timeline.length - max;
    if (excess <= 0) return;
    // One more than that: the row that says so takes a place of its own.
    const gone = this.#timeline.splice(0, excess + 1);
    const first = gone[0] as TimelineRow;
    const lostRows = gone.reduce((sum, row) => sum + (row.event === ROWS_LOST ? lostIn(row) : 1), 0);
    const data = { reason: 'the database could not be written', lostRows };
    this.#timeline.unshift({ ...first, kind: 'gap', event: ROWS_LOST, cause: null, data });
  }
}

function rowsOf({ records, spilled }: RecordWrite): number {
  return (records?.length ?? 0) + (spilled?.length ?? 0);
}

function bytesOf({ records, spilled }: RecordWrite): number {
  let bytes = 0;
  for (const rows of [records, spilled]) {
    for (const row of rows ?? []) bytes += row.data.length + (row.dedupKey?.length ?? 0);
  }
  return bytes;
}

const ROWS_LOST = 'rows.lost';

function lostIn(row: TimelineRow): number {
  return Number(row.data?.['lostRows'] ?? 0);
}
