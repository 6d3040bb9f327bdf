/** What one incarnation of a source works with: its outlet, its meter, its place at the gate. The statechart
 *  decides, the runtime carries; it lives as long as the source is registered and through all of its runs. */

import { addressOf } from '../../../src/domain/address.ts';
import { NOTHING_SECRET, type Redact } from '../../../src/domain/redact.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import { errorFacts, type ErrorFacts } from '../../../src/domain/errors.ts';
import {
  SOURCE_COUNTERS,
  type SourceCounter,
  type SourceHealth,
  type SourceState,
} from '../../../src/domain/health.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { RECEIPT, settleAll, type IngestRecord } from '../../../src/domain/record.ts';
import type { RateLimitOptions, SourceSpec } from '../../../src/domain/source.ts';
import { Tally, type Totals } from '../../../src/domain/tally.ts';
import type { SourceRow } from '../../../src/domain/timeline.ts';
import type { ResumedWait } from '../../../machines/source-machine.ts';
import { BoundedQueue } from '../../../src/pipeline/bounded-queue.ts';
import type { Spill } from './spill.ts';
import type { BurstWindow } from '../../../src/pipeline/burst-window.ts';
import { createLimit, type Lane, type Limit } from '../../../src/pipeline/gate.ts';
import type { Turn } from '../../../src/pipeline/fair-queue.ts';
import { RateMeter } from '../../../src/pipeline/rate-meter.ts';

export interface SourceRuntimeOptions {
  readonly spec: SourceSpec;
  readonly incarnation: number;
  readonly clock: Clock;
  /** A limit that holds for each source, where the source has none of its own. */
  readonly sourceLimit: RateLimitOptions | null;
  /** The outlet has items where it had none. */
  readonly onItems: (lane: Lane) => void;
  /** Records of it were dropped: by a limit, or because its outlet was full. */
  readonly onDropped: (runtime: SourceRuntime, records: number, by: 'limit' | 'outlet') => void;
  /** Where records go that find no room; null: the outlet's own policy says. */
  readonly spill: Spill | null;
  /** Records in the outlet were given up. */
  readonly onLost?: (records: number) => void;
  /** What incarnations before it came to; left out where there was none. */
  readonly tally?: Tally<SourceCounter> | undefined;
  /** Takes secrets out of its last error. Default: there are none. */
  readonly redact?: Redact | undefined;
}

const NO_TALLY = new Tally(SOURCE_COUNTERS);

export class SourceRuntime implements Lane {
  readonly spec: SourceSpec;
  readonly incarnation: number;
  /** As users see it: `plc-7`, `acme/plc-7`. */
  readonly name: string;
  /** Its name in the timeline's causes: name and incarnation. */
  readonly actorId: string;
  readonly queue: BoundedQueue<IngestRecord>;
  limit: Limit | null;
  readonly registeredAtMs: number;
  deregisteredAtMs: number | null = null;
  /** Kept up to date by the observer, which sees every transition. */
  state: SourceState = 'connecting';
  turn: Turn<Lane> | null = null;
  /** The burst meter's window; made at the first arrival. */
  burst: BurstWindow | null = null;
  /** The last run, until it has settled. Two runs of a source never overlap. */
  closing: Promise<void> | null = null;
  /** Ends the run that is under way by a failure; null: none is. */
  failRun: ((error: unknown) => void) | null = null;
  /** Where the next run goes on. */
  cursor: string | null = null;
  /** A wait that a crash of the engine cut off. */
  resume: ResumedWait | null = null;
  /** Wall time from which polls are counted that a crash of the engine cut off. */
  pollsSinceMs: number | null = null;
  /** Monotonic time until which the far end wants to be left alone. */
  #heldOffUntilMonoMs = Number.NEGATIVE_INFINITY;
  /** The phase of its polls is kept over a crash. */
  keepsPollPhase = false;
  recordsProduced = 0;
  lastReadAtMs: number | null = null;
  consecutiveErrors = 0;
  restarts = 0;
  /** The last run ended by a failure; the next one is a restart. */
  hasFailed = false;
  lastError: { code: string; message: string; atMs: number } | null = null;
  /** Records that a limiter refused. */
  refused = 0;
  /** Payloads and records of it that became dead letters. */
  deadLettered = 0;
  /** Those of them of which no record came. */
  undecodedPayloads = 0;
  /** Records handed in after their run was over; never mixed with those of a later one. */
  lateRecords = 0;
  /** Released: what is counted from now on is no part of what it told when it ended. */
  hasEnded = false;
  readonly #rate = new RateMeter();
  /** Null where there is nothing but what this incarnation counts itself, as for most of ten thousand. */
  #tally: Tally<SourceCounter> | null;
  readonly #spill: Spill | null;
  readonly #clock: Clock;
  readonly #redact: Redact;
  readonly #onDropped: SourceRuntimeOptions['onDropped'];
  #newsMark = 0;
  #keptOnDisk = 0;

  constructor(options: SourceRuntimeOptions) {
    const { spec, incarnation, clock, sourceLimit, onItems, onDropped, onLost, spill, tally } = options;
    const limit = spec.rateLimit ?? sourceLimit;
    this.spec = spec;
    this.incarnation = incarnation;
    this.name = addressOf(spec);
    this.actorId = `${this.name}#${incarnation}`;
    this.#tally = tally ?? null;
    this.#clock = clock;
    this.#redact = options.redact ?? NOTHING_SECRET;
    this.#onDropped = onDropped;
    this.registeredAtMs = clock.wallMs();
    this.limit = limit === null ? null : createLimit(limit);
    this.queue = new BoundedQueue({
      capacity: spec.outlet.capacityRecords,
      overflow: spec.outlet.overflow === 'spill' ? 'block' : spec.outlet.overflow,
      waitMsMax: spec.outlet.waitMsMax,
      clock,
      onItems: () => onItems(this),
      onDropped: (records) => {
        settleAll(records, 'dropped');
        onDropped(this, records.length, 'outlet');
      },
      onCleared: (records) => {
        this.#keptOnDisk = this.#spill?.detach(this.queue, records) ?? 0;
        onLost?.(records.length - this.#keptOnDisk);
        settleAll(records, 'lost');
      },
    });
    this.#spill = spill;
    spill?.attach(this.queue, spec.outlet.spillRecordsMax, (records) => onDropped(this, records, 'outlet'));
  }

  get canWait(): boolean {
    return this.spec.logic.canWait ?? true;
  }

  get nowMs(): number {
    return this.#clock.wallMs();
  }

  onRefused(record: IngestRecord): void {
    this.refused++;
    record[RECEIPT]?.settle('dropped');
    this.#onDropped(this, 1, 'limit');
  }

  countRecords(records: number, monoMs: number): void {
    this.recordsProduced += records;
    this.#rate.count(records, monoMs);
  }

  /** What it and the incarnations before it came to. */
  get tally(): Tally<SourceCounter> {
    this.#tally ??= new Tally(SOURCE_COUNTERS);
    return this.#tally;
  }

  totals(health: SourceHealth): Totals<SourceCounter> {
    return (this.#tally ?? NO_TALLY).totals(health);
  }

  /** The rest of the wait that the far end asked for, milliseconds; 0 where there is none. */
  get heldOffMs(): number {
    return Math.max(0, this.#heldOffUntilMonoMs - this.#clock.monotonicMs());
  }

  holdOff(waitMs: number): void {
    this.#heldOffUntilMonoMs = this.#clock.monotonicMs() + waitMs;
  }

  countLate(records: number): void {
    this.lateRecords += records;
    if (this.hasEnded) this.tally.add({ lateRecords: records });
  }

  /** Books a failure; returns it as facts. */
  countError(error: unknown): ErrorFacts {
    const facts = errorFacts(error);
    const message = this.#redact(facts.message).slice(0, LIMITS.errorMessageCharsMax);
    this.consecutiveErrors++;
    this.tally.countError(facts.code);
    this.lastError = { code: facts.code, message, atMs: this.#clock.wallMs() };
    return { code: facts.code, message };
  }

  /** Whether its numbers have changed since this was last asked. */
  isDirty(): boolean {
    const mark = this.recordsProduced + this.dropped + this.deadLettered + this.consecutiveErrors / 1_000_000;
    if (mark === this.#newsMark) return false;
    this.#newsMark = mark;
    return true;
  }

  get dropped(): number {
    return this.queue.dropped - this.#keptOnDisk + this.refused + (this.#spill?.dropped ?? 0);
  }

  /** Records and payloads it brought, whatever became of them. */
  get broughtRecords(): number {
    return this.recordsProduced + this.undecodedPayloads;
  }

  /** Takes records into the outlet, or to disk. Returns whether there is room for more. */
  offer(records: readonly IngestRecord[]): boolean {
    return this.#spill === null ? this.queue.offer(records) : this.#spill.offer(records);
  }

  /** Whether there is room for more than these. */
  hasRoomBeyond(records: number): boolean {
    if (this.#spill !== null) return this.#spill.hasRoomBeyond(records);
    return this.queue.room > records || this.spec.outlet.overflow !== 'block';
  }

  whenRoom(signal: AbortSignal): Promise<void> {
    return this.#spill === null ? this.queue.whenWritable(signal) : this.#spill.whenRoom(signal);
  }

  /** Whether it has had no error since its last success: its link holds, and its reads do not fail. */
  get isSound(): boolean {
    return this.consecutiveErrors === 0 || (this.spec.logic.connects === true && this.state === 'streaming');
  }

  /** Whether the last run has settled and everything it handed in has gone on. */
  get isDrained(): boolean {
    return this.closing === null && this.queue.isEmpty && (this.#spill?.isEmpty ?? true);
  }

  async whenDrained(): Promise<void> {
    await this.closing;
    await this.#spill?.whenEmpty();
    await this.queue.whenEmpty();
  }

  /** Records of it were lost: its next run reads again from `cursor`, the last that is stored. */
  goBack(cursor: string | null, error: unknown): void {
    this.failRun?.(error);
    this.cursor = cursor;
  }

  /** Gives up what waits in the outlet; returns how much of it is lost, which is counted. What is on disk
   *  stays there. */
  giveUp(): number {
    return this.queue.clear() - this.#keptOnDisk;
  }

  health(): SourceHealth {
    return {
      sourceId: this.spec.id,
      tenant: this.spec.tenant,
      type: this.spec.type,
      state: this.state,
      recordsProduced: this.recordsProduced,
      lastReadTimestamp: this.lastReadAtMs,
      consecutiveErrors: this.consecutiveErrors,
      incarnation: this.incarnation,
      restarts: this.restarts,
      lastError: this.lastError,
      rate1s: this.#rate.perSecond(this.#clock.monotonicMs()),
      queueDepth: this.queue.size + this.queue.blocked,
      spilledRecords: this.#spill?.size ?? 0,
      droppedCount: this.dropped,
      deadLetteredCount: this.deadLettered,
      lateRecords: this.lateRecords,
    };
  }

  row(): SourceRow {
    return {
      tenant: this.spec.tenant,
      sourceId: this.spec.id,
      type: this.spec.type,
      state: this.state,
      incarnation: this.incarnation,
      restarts: this.restarts,
      recordsProduced: this.recordsProduced,
      dropped: this.dropped,
      consecutiveErrors: this.consecutiveErrors,
      lastReadAtMs: this.lastReadAtMs,
      lastError: this.lastError === null ? null : `${this.lastError.code}: ${this.lastError.message}`,
      registeredAtMs: this.registeredAtMs,
      deregisteredAtMs: this.deregisteredAtMs,
      deadLettered: this.deadLettered,
    };
  }
}
