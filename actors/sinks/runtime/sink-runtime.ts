/** What one incarnation of a sink works with: its cursor, its counts, its last link. The statechart decides,
 *  the runtime carries; it lives as long as the sink is registered and through all of its links. */

import { addressOf, sinkName } from '../../../src/domain/address.ts';
import { NOTHING_SECRET, type Redact } from '../../../src/domain/redact.ts';
import { ageOf, type Clock } from '../../../src/domain/clock.ts';
import { errorFacts, type ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import {
  SINK_COUNTERS,
  type SinkCounter,
  type SinkHealth,
  type SinkSpec,
  type SinkState,
} from '../../../src/domain/sink.ts';
import { Tally, type Totals } from '../../../src/domain/tally.ts';
import type { SinkRow } from '../../../src/domain/timeline.ts';
import { Undecided } from './undecided.ts';

export interface SinkRuntimeOptions {
  readonly spec: SinkSpec;
  readonly incarnation: number;
  readonly clock: Clock;
  /** The last `seq` that is done with. */
  readonly cursor: number;
  /** What incarnations before it came to; left out where there was none. */
  readonly tally?: Tally<SinkCounter> | undefined;
  /** Takes secrets out of its last error. Default: there are none. */
  readonly redact?: Redact | undefined;
  /** The last row of its log that is stored. */
  readonly lastSeq?: () => number;
}

/** How far it was behind when that was last looked at. */
interface Lag {
  readonly rows: number;
  readonly oldestAtMs: number | null;
  /** Where its cursor and the end of its log were then. */
  readonly cursor: number;
  readonly lastSeq: number;
}

export class SinkRuntime {
  readonly spec: SinkSpec;
  readonly incarnation: number;
  /** As users see it: `archive`, `acme/archive`. */
  readonly name: string;
  /** The stage of its dead letters, and its name in the timeline: `sink:archive`. */
  readonly stage: string;
  /** Its name in the timeline's causes: name and incarnation. */
  readonly actorId: string;
  /** What it and the incarnations before it came to. */
  readonly tally: Tally<SinkCounter>;
  readonly registeredAtMs: number;
  deregisteredAtMs: number | null = null;
  /** Kept up to date by the observer, which sees every transition. */
  state: SinkState = 'connecting';
  /** The last link, from before its opening until it has closed. Two links of a sink never overlap. */
  closing: Promise<void> | null = null;
  /** Until then the far end wants to be left alone, whatever the sink is told meanwhile; monotonic. */
  notBeforeMonoMs = 0;
  /** Gives up what is under way. */
  abort: () => void = () => {};
  /** It has ended: what comes of it now is not booked. */
  isReleased = false;
  /** The last `seq` that is done with. */
  cursor: number;
  /** Dead letters of records after this `seq` are not stored yet; null: all are. */
  unsavedAfter: number | null = null;
  /** The records after the cursor that are not decided yet. */
  readonly undecided = new Undecided();
  /** Deliveries of dead letters that broke the link, one after the other. */
  readonly letterBreaks = { id: 0, count: 0, rowsMax: Number.POSITIVE_INFINITY };
  delivered = 0;
  /** Records delivered when the far end was last found to refuse everything; null: it never was. */
  deliveredAtRefusal: number | null = null;
  filtered = 0;
  deadLettered = 0;
  /** Rows passed over, since they do not fit their checksum. */
  damaged = 0;
  consecutiveErrors = 0;
  lastDeliveryAtMs: number | null = null;
  lastError: { code: string; message: string; atMs: number } | null = null;
  /** Rows after the cursor, when that was last looked at. */
  lag: Lag;
  /** The first record after `afterSeq`, as it was read last: when it came. */
  oldest: { readonly afterSeq: number; readonly atMs: number } | null = null;
  readonly #lastSeq: () => number;
  readonly #clock: Clock;
  readonly #redact: Redact;
  #newsMark = '';

  constructor(options: SinkRuntimeOptions) {
    const { spec, incarnation, clock, cursor, tally, redact, lastSeq = () => 0 } = options;
    this.spec = spec;
    this.incarnation = incarnation;
    this.name = addressOf(spec);
    this.stage = sinkName(spec);
    this.actorId = `${this.stage}#${incarnation}`;
    this.tally = tally ?? new Tally(SINK_COUNTERS);
    this.#clock = clock;
    this.#redact = redact ?? NOTHING_SECRET;
    this.registeredAtMs = clock.wallMs();
    this.cursor = cursor;
    this.#lastSeq = lastSeq;
    this.lag = { rows: 0, oldestAtMs: null, cursor, lastSeq: cursor };
  }

  /** What it needs of its log are rows after this `seq`: of a record whose dead letter is not stored the log
   *  has the last copy. */
  get neededAfter(): number {
    return this.unsavedAfter ?? this.cursor;
  }

  /** Whether its deliveries work: the last one went well, or there is nothing to deliver. */
  get isSound(): boolean {
    return this.consecutiveErrors === 0 || this.cursor >= this.#lastSeq();
  }

  totals(health: SinkHealth): Totals<SinkCounter> {
    return this.tally.totals(health);
  }

  /** Books a failure; returns it as facts. */
  countError(error: unknown): ErrorFacts {
    const { code, message: whole } = errorFacts(error, 'HG_SINK_FAILED');
    const message = this.#redact(whole).slice(0, LIMITS.errorMessageCharsMax);
    this.consecutiveErrors++;
    this.tally.countError(code);
    this.lastError = { code, message, atMs: this.#clock.wallMs() };
    return { code, message };
  }

  /** Books a good delivery. Returns whether others had failed before it. */
  countDelivery(records: number): boolean {
    this.delivered += records;
    this.lastDeliveryAtMs = this.#clock.wallMs();
    const hadFailed = this.consecutiveErrors > 0;
    this.consecutiveErrors = 0;
    return hadFailed;
  }

  /** Whether its numbers have changed since this was last asked. */
  isDirty(): boolean {
    const mark = [this.delivered, this.filtered, this.deadLettered, this.consecutiveErrors].join();
    if (mark === this.#newsMark) return false;
    this.#newsMark = mark;
    return true;
  }

  health(): SinkHealth {
    const rows = this.#rowsBehind();
    const oldestAtMs = rows === 0 ? null : this.#oldestAtMs();
    const waitedMs = oldestAtMs === null ? 0 : ageOf(this.#clock, oldestAtMs);
    return {
      sinkId: this.spec.id,
      tenant: this.spec.tenant,
      type: this.spec.type,
      state: this.state,
      incarnation: this.incarnation,
      delivered: this.delivered,
      filtered: this.filtered,
      deadLettered: this.deadLettered,
      cursor: this.cursor,
      lagRecords: rows,
      lagSeconds: waitedMs / 1_000,
      consecutiveErrors: this.consecutiveErrors,
      lastDeliveryAtMs: this.lastDeliveryAtMs,
      lastError: this.lastError,
    };
  }

  /** From what was last looked at, and what was stored and delivered since. Records are numbered one by one;
   *  of alerts, which stand among other rows, it is known that there are some. */
  #rowsBehind(): number {
    const lastSeq = this.#lastSeq();
    if (this.cursor >= lastSeq) return 0;
    const { lag } = this;
    if (this.spec.reads === 'alerts') return lastSeq > lag.lastSeq ? lag.rows + 1 : lag.rows;
    return Math.max(0, lag.rows + lastSeq - lag.lastSeq - (this.cursor - lag.cursor));
  }

  #oldestAtMs(): number | null {
    if (this.oldest?.afterSeq === this.cursor) return this.oldest.atMs;
    return this.lag.oldestAtMs;
  }

  row(): SinkRow {
    return {
      tenant: this.spec.tenant,
      sinkId: this.spec.id,
      type: this.spec.type,
      state: this.state,
      incarnation: this.incarnation,
      delivered: this.delivered,
      filtered: this.filtered,
      deadLettered: this.deadLettered,
      consecutiveErrors: this.consecutiveErrors,
      lastDeliveryAtMs: this.lastDeliveryAtMs,
      lastError: this.lastError === null ? null : `${this.lastError.code}: ${this.lastError.message}`,
      registeredAtMs: this.registeredAtMs,
      deregisteredAtMs: this.deregisteredAtMs,
    };
  }
}
