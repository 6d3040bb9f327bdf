/** Overflow to disk: where a source that cannot be slowed puts what its outlet has no room for.
 *
 *  Once a record has gone to disk, all that come after it go the same way until the disk is empty again: so
 *  order is kept. A record counts as stored when it is on disk, and is acknowledged then; from there it comes
 *  back into the outlet as room allows, and its row is deleted in the transaction that stores the record, or
 *  when it comes to another end. So nothing is lost or stored twice, whenever the process dies.
 *
 *  In memory are only the outlet and what waits for its commit on the way to disk; beyond that bound, and
 *  beyond `spillRecordsMax` on disk, records are dropped and counted.
 *
 *  A spill belongs to a source's name, not to its registration: what is left on disk when a source ends comes
 *  back when one of that name is registered, in this run or the next. */

import { backoffMs } from '../../../src/domain/backoff.ts';
import type { Clock, TimerHandle } from '../../../src/domain/clock.ts';
import { messageOf } from '../../../src/domain/errors.ts';
import type { Logger } from '../../../src/domain/logger.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { Receipt, type OriginRemoval } from '../../../src/domain/receipt.ts';
import { checkFields, isCursorRow } from '../../../src/domain/record-flaw.ts';
import { RECEIPT, settleAll, withReceipt, type IngestRecord } from '../../../src/domain/record.ts';
import type { SpillRow } from '../../../src/domain/timeline.ts';
import type { BoundedQueue } from '../../../src/pipeline/bounded-queue.ts';
import { spilledData, spillText } from './spill-text.ts';
import { recordRow } from '../../../src/domain/record-row.ts';
import { addWaiter, wakeAll, type Waiters } from '../../../src/pipeline/waiters.ts';
import type { EventStore, StoredSpillRow } from '../../../storage/event-store.ts';
import type { RecordWrite } from '../../persistence/pending-writes.ts';

/** The part of the committer that a spill needs. */
export interface SpillCommitter {
  addRecords(write: RecordWrite): void;
  addOriginRemoval(mark: OriginRemoval): void;
  flush(): Promise<void>;
}

export interface SpillPorts {
  readonly tenant: string;
  readonly sourceId: string;
  readonly store: Pick<EventStore, 'readSpilled'>;
  readonly committer: SpillCommitter;
  readonly log: Logger;
  readonly clock: Clock;
  /** False: records are not kept; the exit crosses nothing out. */
  readonly keepsRecords: boolean;
  /** Records on their way to disk were lost. */
  readonly onLost: (records: number) => void;
  /** Keeps what cannot be written as text. */
  readonly deadLetter: (record: IngestRecord, stage: string, error: unknown) => void;
}

/** Waits before another try to read the disk. */
const READ_AGAIN = { kind: 'exponential', initialMs: 50, maxMs: 5_000, factor: 2, jitter: 'none' } as const;

export class Spill {
  readonly #ports: SpillPorts;
  #queue: BoundedQueue<IngestRecord> | null = null;
  #recordsMax: number = LIMITS.spillRecordsMax;
  /** Records on their way to disk. */
  #writing = 0;
  /** Records on disk that have not been read back. */
  #onDisk: number;
  #readAfterSeq: number;
  #reading: Promise<void> | null = null;
  #dropped = 0;
  #onDropped: (records: number) => void = () => {};
  readonly #roomWaiters: Waiters = [];
  readonly #emptyWaiters: Waiters = [];
  /** Marks of records that came to another end than the database, since it was last waited for. */
  #marks = 0;
  /** Rows that were read back and lost on their way to the log: they are on disk still, and read again. */
  #again: number[] = [];
  /** Reads that failed in a row. */
  #failures = 0;
  /** The next try after a read that failed. */
  #retryTimer: TimerHandle = undefined;

  /** `left`: what waits on disk from before. */
  constructor(ports: SpillPorts, left: { readonly records: number; readonly firstSeq: number } | null) {
    this.#ports = ports;
    this.#onDisk = left?.records ?? 0;
    this.#readAfterSeq = (left?.firstSeq ?? 1) - 1;
  }

  /** Records that are not in the outlet: on disk, or on the way there. */
  get size(): number {
    return this.#onDisk + this.#writing;
  }

  /** Records that found no place on disk either. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether everything has come back from disk. */
  get isEmpty(): boolean {
    return this.size === 0 && this.#reading === null;
  }

  get hasRoom(): boolean {
    return this.hasRoomBeyond(0);
  }

  /** Whether there is room for more than these. */
  hasRoomBeyond(records: number): boolean {
    const writing = this.#writing + records;
    return writing < LIMITS.spillPendingRecordsMax && this.#onDisk + writing < this.#recordsMax;
  }

  /** Brings back what is on disk into this outlet from now on. `onDropped`: so many found no place on disk.
   */
  attach(
    queue: BoundedQueue<IngestRecord>,
    recordsMax: number,
    onDropped: (records: number) => void = () => {},
  ): void {
    this.#queue = queue;
    this.#onDropped = onDropped;
    this.#recordsMax = recordsMax;
    this.#stopRetry();
    this.#readBack();
  }

  /** The run is over: nothing comes back any more. What is on disk stays there. */
  close(): void {
    this.#queue = null;
    this.#stopRetry();
  }

  /** The outlet is given up, with these records in it. What is on disk stays there; records that were read
   *  back are on disk still, and are read again for the next outlet. Returns how many those are. */
  detach(queue: BoundedQueue<IngestRecord>, given: readonly IngestRecord[]): number {
    if (this.#queue === queue) this.close();
    // An outlet holds what was read last: the rows from the first of them on are those it held, and unread
    // ones.
    const readBack = given.filter((record) => record[RECEIPT]?.mark?.kind === 'spill');
    const first = readBack[0]?.[RECEIPT]?.mark;
    if (first?.kind === 'spill') this.#readAfterSeq = first.seq - 1;
    this.#onDisk += readBack.length;
    return readBack.length;
  }

  /** Takes records that came from the source: into the outlet while nothing older waits on disk. Returns
   *  whether there is room for more. */
  offer(records: readonly IngestRecord[]): boolean {
    const queue = this.#queue;
    const fitting = queue === null || !this.isEmpty ? 0 : queue.room;
    if (queue !== null && fitting > 0) queue.offer(records.slice(0, fitting));
    if (records.length > fitting) this.#write(records.slice(fitting));
    return this.hasRoom;
  }

  whenRoom(signal: AbortSignal): Promise<void> {
    return this.hasRoom ? Promise.resolve() : addWaiter(this.#roomWaiters, signal);
  }

  /** Resolves when everything has come back from disk. */
  whenEmpty(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : addWaiter(this.#emptyWaiters);
  }

  #write(records: readonly IngestRecord[]): void {
    const room = Math.min(LIMITS.spillPendingRecordsMax - this.#writing, this.#recordsMax - this.size);
    const taken = records.slice(0, Math.max(0, room));
    const refused = records.slice(taken.length);
    this.#dropped += refused.length;
    settleAll(refused, 'dropped');
    if (refused.length > 0) this.#onDropped(refused.length);
    const kept: IngestRecord[] = [];
    const spilled = taken.flatMap((record) => {
      try {
        const row = spillRow(record);
        kept.push(record);
        return [row];
      } catch (error) {
        this.#ports.deadLetter(record, 'record', error);
        this.#ports.committer.addRecords({
          onSettled: (outcome) => record[RECEIPT]?.settle(outcome === 'stored' ? 'deadLettered' : 'lost'),
        });
        return [];
      }
    });
    if (kept.length === 0) return;
    const flawed = new Set<IngestRecord>();
    this.#writing += kept.length;
    this.#ports.committer.addRecords({
      spilled,
      onRefused: (row, error) => {
        const record = kept[spilled.indexOf(row as SpillRow)] as IngestRecord;
        flawed.add(record);
        this.#ports.deadLetter(record, 'record', error);
        return undefined;
      },
      onSettled: (outcome) => {
        this.#writing -= kept.length;
        if (outcome === 'stored') this.#onDisk += kept.length - flawed.size;
        else this.#ports.onLost(kept.length);
        for (const record of kept) {
          const isFlawed = outcome === 'stored' && flawed.has(record);
          record[RECEIPT]?.settle(isFlawed ? 'deadLettered' : outcome);
        }
        this.#changed();
      },
    });
  }

  #changed(): void {
    if (this.hasRoom) wakeAll(this.#roomWaiters);
    this.#readBack();
    if (this.isEmpty) wakeAll(this.#emptyWaiters);
  }

  /** Reads the next rows while there are some and the outlet has room. */
  #readBack(): void {
    const queue = this.#queue;
    if (this.#reading !== null || this.#retryTimer !== undefined) return;
    if (queue === null || this.#onDisk === 0) return;
    this.#reading = this.#read(queue)
      .then(
        () => {
          this.#failures = 0;
        },
        (error: unknown) => this.#readFailed(error),
      )
      .finally(() => {
        this.#reading = null;
        this.#changed();
      });
  }

  /** The database is busy, or broken, or its thread has ended: tried again, with waits between. */
  #readFailed(error: unknown): void {
    const { clock, log, sourceId: source } = this.#ports;
    this.#failures++;
    if (this.#failures === 1) {
      log.warn({ source, error: messageOf(error) }, 'spilled records cannot be read; it is tried again');
    }
    if (this.#queue === null) return;
    this.#retryTimer = clock.setTimeout(
      () => {
        this.#retryTimer = undefined;
        this.#readBack();
      },
      backoffMs(READ_AGAIN, this.#failures, 0),
    );
  }

  #stopRetry(): void {
    if (this.#retryTimer !== undefined) this.#ports.clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
  }

  /** An outlet that is given up has counted what it held. */
  #comeBack(seq: number): void {
    if (this.#queue === null) return;
    this.#again.push(seq);
    this.#onDisk++;
    this.#readBack();
  }

  async #read(queue: BoundedQueue<IngestRecord>): Promise<void> {
    const { tenant, sourceId, store, log } = this.#ports;
    await queue.whenWritable();
    // A stage may leave everything out: nothing else would hold the reading back then, and marks would pile
    // up while the database cannot be written.
    if (this.#marks >= LIMITS.spillPendingRecordsMax) {
      this.#marks = 0;
      await this.#ports.committer.flush();
    }
    if (this.#queue !== queue) return;
    const [again] = this.#again;
    const page = await store.readSpilled({
      ...{ tenant, sourceId, afterSeq: again === undefined ? this.#readAfterSeq : again - 1 },
      rowsMax: again === undefined ? Math.max(1, queue.room) : 1,
      bytesMax: LIMITS.commitBytesMax,
    });
    if (this.#queue !== queue) return;
    const rows = again === undefined ? page.rows : page.rows.filter(({ seq }) => seq === again);
    const records = rows.map((row) => this.#recordOf(row));
    const found = rows.length + page.damaged.length;
    // Fewer than were counted: somebody deleted rows.
    this.#onDisk = found === 0 && again === undefined ? 0 : Math.max(0, this.#onDisk - Math.max(found, 1));
    if (again === undefined) this.#readAfterSeq = page.lastSeq;
    else this.#again.shift();
    if (page.damaged.length > 0) {
      log.error({ source: sourceId, seqs: page.damaged }, 'spilled records do not fit their checksums');
    }
    queue.offer(records);
  }

  #recordOf(row: StoredSpillRow): IngestRecord {
    const record: IngestRecord = {
      sourceId: row.sourceId,
      tenant: row.tenant,
      incarnation: row.incarnation,
      seq: row.sourceSeq,
      atMs: row.atMs,
      receivedMonoMs: this.#ports.clock.monotonicMs(),
      data: spilledData(row.data),
      contentType: row.contentType ?? undefined,
      key: row.dedupKey ?? undefined,
      cursor: row.cursor ?? undefined,
    };
    const mark = { kind: 'spill', seq: row.seq } as const;
    const receipt = new Receipt(({ stored, lost }) => {
      const isCrossedOut = stored > 0 && this.#ports.keepsRecords;
      if (lost > 0) this.#comeBack(row.seq);
      if (lost > 0 || isCrossedOut) return;
      this.#marks++;
      this.#ports.committer.addOriginRemoval(mark);
    }, mark);
    receipt.add(1);
    receipt.seal();
    return withReceipt(record, receipt);
  }
}

/** @throws HeadgateError HG_RECORD_UNSTORABLE */
function spillRow(record: IngestRecord): SpillRow {
  checkFields(record);
  const { tenant, sourceId, cursor } = record;
  const isKept = cursor !== undefined && isCursorRow({ tenant, sourceId, cursor });
  return { ...recordRow(record, spillText(record.data)), cursor: isKept ? cursor : null };
}
