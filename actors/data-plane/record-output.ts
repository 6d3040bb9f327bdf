/** The exit: the end of the stages. Records are stored first, if they are kept, and then shown: to the
 *  observables, which hold nothing back, and to the consumers, which do. */

import { Buffer } from 'node:buffer';
import { Subject } from 'rxjs';
import type { Clock } from '../../src/domain/clock.ts';
import { checkFields, isCursorRow } from '../../src/domain/record-flaw.ts';
import { errorFacts, HeadgateError } from '../../src/domain/errors.ts';
import { writeJson } from '../../src/domain/json-text.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import {
  isPoison,
  RECEIPT,
  settleAll,
  type Batch,
  type FlowItem,
  type IngestRecord,
} from '../../src/domain/record.ts';
import type { OriginRemoval } from '../../src/domain/receipt.ts';
import { recordRow, type RecordRow } from '../../src/domain/record-row.ts';
import type { CursorRow } from '../../src/domain/timeline.ts';
import { Consumer } from '../../src/pipeline/consumer.ts';
import type { Downstream } from '../../src/pipeline/pump.ts';
import type { GroupCommitter } from '../persistence/group-committer.ts';

export interface RecordOutputOptions {
  readonly clock: Clock;
  /** Bytes of one record's data as JSON; a larger one is a dead letter. */
  readonly recordBytesMax: number;
  /** Keeps what cannot be stored as a record. */
  readonly deadLetter: (record: IngestRecord, stage: string, error: unknown) => void;
}

/** What a run lends the exit. */
export interface RunPart {
  readonly committer: GroupCommitter;
  readonly keepsRecords: boolean;
  /** Records were lost while the run goes on. Their cursors, and those of later records on their way, are not
   *  stored any more. */
  readonly onLost?: (records: Batch) => void;
}

/** No record is on its way for so long, unless the database is out of order. */
const FORGOTTEN_MS = 60 * 60_000;

export class RecordOutput implements Downstream {
  readonly batches$ = new Subject<Batch>();
  readonly #options: RecordOutputOptions;
  readonly #consumers = new Set<Consumer>();
  /** Null: no run is attached. */
  #committer: GroupCommitter | null = null;
  #keepsRecords = false;
  #onRoom: () => void = () => {};
  #onLost: (records: Batch) => void = () => {};
  /** Sources that went back, by tenant and id, and when: cursors of records that came before do not count. */
  readonly #wentBack = new Map<string, number>();
  /** Sources whose cursors were deleted, by tenant and id, and when. */
  readonly #forgotten = new Map<string, number>();
  /** Records on their way into the database. */
  #pending = 0;
  #pendingBytes = 0;
  #delivered = 0;
  #stored = 0;
  #poisonSeen = 0;
  #pendingRows = 0;
  #lost = 0;

  constructor(options: RecordOutputOptions) {
    this.#options = options;
  }

  /** Connects it to a run of the engine. Where records are not kept, dead letters are all the same. */
  attach({ committer, keepsRecords, onLost = () => {} }: RunPart, onRoom: () => void): void {
    this.#committer = committer;
    this.#stored = 0;
    this.#poisonSeen = 0;
    this.#keepsRecords = keepsRecords;
    this.#onRoom = onRoom;
    this.#onLost = onLost;
    this.#wentBack.clear();
    this.#forgotten.clear();
  }

  /** Records of this run that came to no end: not stored, not left out, not dropped, no dead letter. */
  get lost(): number {
    return this.#lost;
  }

  /** Counts records that were lost before they came here. */
  countLost(records: number): void {
    this.#lost += records;
  }

  /** The run is over. Returns how many records of it were lost. */
  detach(): number {
    const lost = this.#lost;
    this.#lost = 0;
    this.#committer = null;
    return lost;
  }

  get budget(): number {
    if (this.#pendingBytes >= LIMITS.recorderPendingBytesMax) return 0;
    let budget: number = LIMITS.recorderPendingRecordsMax;
    for (const consumer of this.#consumers) budget = Math.min(budget, consumer.budget);
    return budget - this.#pending;
  }

  /** Items that came through since the engine was made. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Records of this run that were stored; where nothing is stored, those that came through. */
  get stored(): number {
    return this.#stored;
  }

  /** Poison records of this run that came through. */
  get poisonSeen(): number {
    return this.#poisonSeen;
  }

  /** Items on their way into the database. */
  get pendingRecords(): number {
    return this.#pending;
  }

  /** As {@link pendingRecords}, without those that are dead letters already. */
  get pendingRows(): number {
    return this.#pendingRows;
  }

  get isIdle(): boolean {
    if (this.#pending > 0) return false;
    for (const consumer of this.#consumers) if (!consumer.isEmpty) return false;
    return true;
  }

  /** Consumers get what is pushed while they are there: one that comes while a batch is being stored has made
   *  no room for it, and would lose a part from the midst of the stream. */
  push(batch: Batch): void {
    const consumers = [...this.#consumers];
    const sinceMs = this.#options.clock.monotonicMs();
    if (this.#committer === null || !this.#keepsRecords) {
      this.#deliver(batch, consumers, sinceMs);
      this.#settleUnkept(batch);
      return;
    }
    const { records, cursors, marks, stored, bytes } = this.#rowsOf(batch);
    const refused = new Set<FlowItem>();
    this.#pending += batch.length;
    this.#pendingBytes += bytes;
    this.#pendingRows += records.length;
    this.#committer.addRecords({
      records,
      cursors,
      marks,
      onRefused: (row, error) => {
        const item = itemOf(row, records, stored);
        refused.add(item);
        this.#options.deadLetter(item, 'record', error);
        const mark = item[RECEIPT]?.mark;
        return mark?.kind === 'letter' ? mark : undefined;
      },
      onSettled: (outcome) => {
        this.#pending -= batch.length;
        this.#pendingBytes -= bytes;
        this.#pendingRows -= records.length;
        if (outcome === 'stored') this.#show(batch, without(stored, refused), consumers, sinceMs);
        else this.#giveUp(batch, records.length);
        this.#onRoom();
      },
    });
  }

  consume(capacityRecords: number): Consumer {
    const consumer = new Consumer(
      capacityRecords,
      this.#options.clock,
      () => this.#onRoom(),
      (left) => {
        this.#consumers.delete(left);
        this.#onRoom();
      },
    );
    this.#consumers.add(consumer);
    return consumer;
  }

  /** The engine stops: consumers read what they have, then end. */
  end(): void {
    for (const consumer of this.#consumers) consumer.end();
    this.#consumers.clear();
  }

  /** The deadline has come: what consumers have not read is gone for them. Returns how many records are lost
   *  by that: none where they are stored, else as many as the slowest consumer has not read. */
  clear(): number {
    const unread = Array.from(this.#consumers, (consumer) => consumer.clear());
    if (this.#committer !== null && this.#keepsRecords) return 0;
    const lost = Math.max(0, ...unread);
    this.#stored -= lost;
    return lost;
  }

  #deliver(batch: Batch, consumers: readonly Consumer[], sinceMs: number): void {
    if (batch.length === 0) return;
    this.#delivered += batch.length;
    this.batches$.next(batch);
    for (const consumer of consumers) if (this.#consumers.has(consumer)) consumer.push(batch, sinceMs);
  }

  /** Acknowledged first: what users do with a record is no part of its safety. */
  #show(batch: Batch, stored: Batch, consumers: readonly Consumer[], sinceMs: number): void {
    const kept = stored === batch ? null : new Set(stored);
    for (const item of batch) {
      const isKept = !isPoison(item) && (kept === null || kept.has(item));
      if (isKept) this.#stored++;
      item[RECEIPT]?.settle(isKept ? 'stored' : 'deadLettered');
    }
    this.#deliver(stored, consumers, sinceMs);
  }

  /** What came through is done with; a dead letter is when it is stored. */
  #settleUnkept(batch: Batch): void {
    const buried: FlowItem[] = [];
    for (const item of batch) {
      if (isPoison(item)) this.#poisonSeen++;
      else this.#stored++;
      const receipt = item[RECEIPT];
      if (receipt === undefined) continue;
      if (isPoison(item)) buried.push(item);
      else receipt.settle('stored');
    }
    if (buried.length === 0) return;
    const settle = (outcome: 'stored' | 'lost') =>
      settleAll(buried, outcome === 'stored' ? 'deadLettered' : 'lost');
    if (this.#committer === null) settle('lost');
    else this.#committer.addRecords({ onSettled: settle });
  }

  /** `records`: those among them that are no dead letters. */
  #giveUp(batch: Batch, records: number): void {
    this.#lost += records;
    settleAll(batch, 'lost');
    if (this.#committer === null || this.#committer.isClosed) return;
    const names = new Set<string>();
    for (const item of batch) if (item.cursor !== undefined) names.add(nameOf(item));
    const nowMs = this.#options.clock.monotonicMs();
    for (const name of names) this.#wentBack.set(name, nowMs);
    this.#committer.forgetCursors(names);
    this.#onLost(batch);
  }

  /** Cursors of records of these sources (`tenant/source`) are not stored until they are registered again:
   *  some may be on their way. */
  forgetCursors(names: ReadonlySet<string>): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [name, atMs] of this.#forgotten) {
      if (nowMs - atMs > FORGOTTEN_MS) this.#forgotten.delete(name);
    }
    for (const name of names) this.#forgotten.set(name, nowMs);
    this.#committer?.forgetCursors(names);
  }

  /** Cursors of this source count again. */
  rememberCursors(name: string): void {
    this.#forgotten.delete(name);
  }

  /** Whether the record came after its source went back. */
  #isCurrent(item: FlowItem): boolean {
    const wentBackMs = this.#wentBack.get(nameOf(item));
    return wentBackMs === undefined || item.receivedMonoMs > wentBackMs;
  }

  /** What is written of a batch. Records that cannot be are left out of `stored`, and are dead letters. */
  #rowsOf(batch: Batch): Rows {
    const records: RecordRow[] = [];
    const marks: OriginRemoval[] = [];
    const cursors = new Map<string, CursorRow>();
    const refused = new Set<FlowItem>();
    let bytes = 0;
    for (const item of batch) {
      const { tenant, sourceId, cursor } = item;
      if (cursor !== undefined && (this.#wentBack.size === 0 || this.#isCurrent(item)))
        cursors.set(`${String(tenant)}/${String(sourceId)}`, { tenant, sourceId, cursor });
      if (isPoison(item)) {
        this.#poisonSeen++;
        continue;
      }
      try {
        checkFields(item);
        const row = recordRow(item, this.#jsonOf(item));
        records.push(row);
        bytes += row.data.length + (row.dedupKey?.length ?? 0);
        const mark = item[RECEIPT]?.mark;
        if (mark !== undefined) marks.push(mark);
      } catch (error) {
        refused.add(item);
        this.#options.deadLetter(item, 'record', errorFacts(error, 'HG_RECORD_UNSTORABLE'));
      }
    }
    if (this.#forgotten.size > 0) {
      for (const name of cursors.keys()) if (this.#forgotten.has(name)) cursors.delete(name);
    }
    const kept = [...cursors.values()].filter(isCursorRow);
    return { records, marks, cursors: kept, stored: without(batch, refused), bytes };
  }

  /** @throws HeadgateError HG_RECORD_UNSTORABLE, HG_RECORD_TOO_LARGE */
  #jsonOf({ data }: IngestRecord): string {
    const { recordBytesMax } = this.#options;
    const json = writeJson(data, recordBytesMax);
    // A character takes three bytes at most: most records need not be measured.
    if (json.length * 3 <= recordBytesMax) return json;
    const bytes = Buffer.byteLength(json);
    if (bytes <= recordBytesMax) return json;
    throw new HeadgateError(
      'HG_RECORD_TOO_LARGE',
      `its data takes ${bytes} bytes; records.bytesMax allows ${recordBytesMax}`,
    );
  }
}

function nameOf({ tenant, sourceId }: FlowItem): string {
  return `${tenant}/${sourceId}`;
}

function without(batch: Batch, refused: ReadonlySet<FlowItem>): Batch {
  return refused.size === 0 ? batch : batch.filter((item) => !refused.has(item));
}

/** The item of which a row was made: poison has none, the others have theirs in order. */
function itemOf(row: RecordRow, rows: readonly RecordRow[], stored: Batch): FlowItem {
  return stored.filter((item) => !isPoison(item))[rows.indexOf(row)] as FlowItem;
}

interface Rows {
  readonly records: RecordRow[];
  readonly marks: OriginRemoval[];
  readonly cursors: CursorRow[];
  readonly stored: Batch;
  readonly bytes: number;
}
