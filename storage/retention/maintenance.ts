/** Retention: deletes what has been stored long enough or takes too much room, the oldest first, and gives
 *  the freed pages back to the disk.
 *
 *  One call does one small step, a transaction of a few milliseconds; `hasMore` asks for the next. So
 *  commits never wait for more than that, however much there is to delete. Numbers of deleted rows never
 *  come back.
 *
 *  The bound on the file is kept from both sides. Here rows are deleted beyond nine tenths of it, so that
 *  what comes until the next call finds room; and the connection itself refuses to grow the file beyond
 *  it, as a full disk would: where nothing may be deleted, sources are held back, and nothing is lost. */

import type Database from 'better-sqlite3';
import { statSync } from 'node:fs';
import { FILLED_SHARE_MAX } from '../../src/domain/retention.ts';
import { isInMemory } from '../file/database-path.ts';
import type { MaintenanceReport, MaintenanceRequest } from '../event-store.ts';
import { AgeClock, type AgeReading } from './age-clock.ts';
import { RetainedTable, type RetainedClass } from './retained-table.ts';
import { RowAgeIndex } from './row-age-index.ts';
import { TimelineArchive } from './timeline-archive.ts';

/** Free pages are kept for what comes; beyond this share of the file they are given back. */
const FREE_SHARE_MAX = 0.25;
/** Pages one call gives back. */
const VACUUMED_PAGES_MAX = 256;
/** What SQLite allows where there is no bound. */
const PAGES_MAX = 4_294_967_294;

type MarkedClass = RetainedClass | 'timeline';

interface Step {
  readonly deleted: MaintenanceReport['deleted'];
  readonly held: number;
  readonly undelivered: number;
  readonly hasMore: boolean;
}

export class Maintenance {
  readonly #db: Database.Database;
  readonly #file: string;
  readonly #marks: RowAgeIndex;
  readonly #ages: AgeClock;
  /** The last rows that were there at the opening, of classes that were not looked at since: an outage makes
   *  them older, and not those that came after it. */
  readonly #lastAtOpening = new Map<MarkedClass, number>();
  readonly #archive: TimelineArchive;
  readonly #tables: readonly RetainedTable[];
  readonly #pageBytes: number;
  readonly #isIncremental: boolean;

  constructor(db: Database.Database, file: string, dbUuid: string) {
    this.#db = db;
    this.#file = file;
    this.#marks = new RowAgeIndex(db);
    this.#ages = new AgeClock(db);
    this.#archive = new TimelineArchive(db, dbUuid);
    this.#tables = (['records', 'deadLetters', 'health'] as const).map((name) => new RetainedTable(db, name));
    for (const [name, bounds] of [
      ...this.#tables.map((table) => [table.name, table.bounds()] as const),
      ['timeline', this.#archive.bounds()] as const,
    ]) {
      if (bounds !== null) this.#lastAtOpening.set(name, bounds.last);
    }
    this.#pageBytes = this.#pragma('page_size');
    this.#isIncremental = this.#pragma('auto_vacuum') === 2;
  }

  /** One step. Throws SQLite's errors, and those of the archive's file system. */
  maintain(request: MaintenanceRequest): MaintenanceReport {
    const { fileBytesMax } = request.retention;
    // Deleting may need a page or two before it frees many.
    this.#boundFile(null);
    try {
      const step = this.#step(request);
      const isVacuuming = this.#giveBack(fileBytesMax);
      return {
        deleted: step.deleted,
        heldForSinks: step.held,
        undelivered: step.undelivered,
        fileBytes: this.#usedBytes(),
        walBytes: this.#walBytes(),
        hasMore: step.hasMore || isVacuuming,
      };
    } finally {
      this.#boundFile(fileBytesMax);
    }
  }

  /** Rows were deleted by somebody else. */
  forgetSizes(): void {
    for (const table of this.#tables) table.forgetSizes();
  }

  /** At the end of a run: what is known of the age of rows is kept. */
  close(): void {
    this.#ages.save();
  }

  #step(request: MaintenanceRequest): Step {
    const trimTables = this.#db.transaction(() => {
      const age = this.#ages.read(request);
      return { age, step: this.#trimTables(request, age) };
    });
    const { age, step } = trimTables.immediate();
    // One deletion a call.
    if (step.hasMore) return step;
    const timeline = this.#trimTimeline(request, age);
    const deleted = { ...step.deleted, timeline: timeline.rows };
    return { ...step, deleted, hasMore: timeline.hasMore };
  }

  /** Trims the first table that has something to trim. For the file's sake, only one that cannot be
   *  trimmed any more lets the next one go. */
  #trimTables(request: MaintenanceRequest, age: AgeReading): Step {
    const { retention, recordsNeededAfter } = request;
    const deleted = { records: 0, deadLetters: 0, health: 0, timeline: 0 };
    let held = 0;
    let isMeasured = true;
    for (const table of this.#tables) {
      const { ageMsMax, bytesMax } = retention[table.name];
      const { excessBytes, isKnown } = bytesMax === null ? SMALL_ENOUGH : table.measure(bytesMax);
      isMeasured &&= isKnown;
      const deletion = table.trim({
        agedKey: this.#agedSeq(table.name, table.bounds()?.last, age, ageMsMax),
        excessBytes,
        bytesToFree: this.#bytesToFree(request),
        neededAfter: table.name === 'records' ? recordsNeededAfter : null,
        spareNothing: retention.undelivered === 'delete',
      });
      held += deletion.held;
      if (deletion.rows === 0) continue;
      deleted[table.name] = deletion.rows;
      // Whether there is more for this table or the next one, the next call sees.
      return { deleted, held, undelivered: deletion.needed, hasMore: true };
    }
    return { deleted, held, undelivered: 0, hasMore: !isMeasured };
  }

  #trimTimeline(
    { retention, alertsNeededAfter }: MaintenanceRequest,
    age: AgeReading,
  ): { readonly rows: number; readonly hasMore: boolean } {
    if (retention.timeline === null) return { rows: 0, hasMore: false };
    const { ageMsMax, archiveFolder } = retention.timeline;
    const agedSeq = this.#agedSeq('timeline', this.#archive.bounds()?.last, age, ageMsMax);
    const isSpared = retention.undelivered === 'keep' && alertsNeededAfter !== null;
    const seqMax = isSpared ? Math.min(agedSeq, alertsNeededAfter) : agedSeq;
    return this.#archive.trim(seqMax, archiveFolder);
  }

  #agedSeq(
    name: MarkedClass,
    lastSeq: number | undefined,
    { ageTimeMs, begunAgeMs }: AgeReading,
    ageMsMax: number | null,
  ): number {
    if (ageMsMax === null || lastSeq === undefined) return Number.NEGATIVE_INFINITY;
    const atOpening = this.#lastAtOpening.get(name);
    if (atOpening !== undefined) {
      this.#marks.note(name, atOpening, begunAgeMs, 0);
      this.#lastAtOpening.delete(name);
    }
    this.#marks.note(name, lastSeq, ageTimeMs, ageMsMax);
    return this.#marks.agedSeq(name, ageTimeMs - ageMsMax);
  }

  #bytesToFree({ retention, filledShareMax = FILLED_SHARE_MAX }: MaintenanceRequest): number {
    const { fileBytesMax } = retention;
    return fileBytesMax === null ? 0 : Math.max(0, this.#usedBytes() - fileBytesMax * filledShareMax);
  }

  /** Gives free pages back in small steps. Returns whether there are more to give. */
  #giveBack(fileBytesMax: number | null): boolean {
    if (!this.#isIncremental) return false;
    const pages = this.#pragma('page_count');
    const free = this.#pragma('freelist_count');
    const pagesMax = fileBytesMax === null ? PAGES_MAX : Math.floor(fileBytesMax / this.#pageBytes);
    const surplus = Math.max(free - Math.ceil(pages * FREE_SHARE_MAX), Math.min(free, pages - pagesMax));
    if (surplus <= 0) return false;
    this.#db.pragma(`incremental_vacuum(${Math.min(surplus, VACUUMED_PAGES_MAX)})`);
    return surplus > VACUUMED_PAGES_MAX;
  }

  /** Beyond this size the file does not grow: what would make it grow fails as on a full disk. */
  #boundFile(fileBytesMax: number | null): void {
    const pages = fileBytesMax === null ? PAGES_MAX : Math.floor(fileBytesMax / this.#pageBytes);
    this.#db.pragma(`max_page_count = ${pages}`);
  }

  #usedBytes(): number {
    return (this.#pragma('page_count') - this.#pragma('freelist_count')) * this.#pageBytes;
  }

  #walBytes(): number {
    if (isInMemory(this.#file)) return 0;
    return statSync(`${this.#file}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  }

  #pragma(name: string): number {
    return this.#db.pragma(name, { simple: true }) as number;
  }
}

const SMALL_ENOUGH = { excessBytes: 0, isKnown: true } as const;
