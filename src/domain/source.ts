/** The contract of a source: what its code must offer (SourceLogic) and what it is given (SourceIo). */

import type { BackoffPolicy } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import type { Random } from './random.ts';
import type { RecordMeta } from './record.ts';

/** What a source's code gets for one run. A run lasts from one call of `stream` until it ends or `signal`
 *  aborts; every call below is ignored after that, so a late callback of an old connection can do no harm. No
 *  method throws. */
export interface SourceIo {
  readonly sourceId: string;
  readonly tenant: string;
  /** Aborts when the run must end: pause, deregistration, update, stop. The run then has the drain deadline
   *  to settle. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** Seeded by engine seed, source id, incarnation and number of restarts. */
  readonly random: Random;
  readonly log: Logger;
  /** Where the last committed record said to go on; null at the first start. */
  readonly cursor: string | null;
  /** Keeps this as the cursor, without a record. Resolves when it is stored, or cannot be. */
  keepCursor(cursor: string): Promise<void>;
  /** Of a source that polls: the wall time from which its polls are counted, epoch milliseconds, where a
   *  crash of the engine cut them off; the next one is due a whole number of intervals after it. Else null.
   *  */
  readonly pollsSinceMs: number | null;
  /** Notes that polls are counted from this wall time on, so that they keep their phase over a crash. */
  countPollsFrom(atMs: number): void;

  /** The link stands. A source with `connects: true` is `connecting` until it says so. Further calls do
   *  nothing. */
  opened(): void;
  /** Hands over what names the step that the opening of the link waits for, as `connected to 10.0.0.7:1883,
   *  but no CONNACK`. It is asked when `connectTimeoutMs` is over, for the message of the error; the last one
   *  handed over counts. Missing where no engine runs the source. */
  readonly awaits?: (describe: () => string) => void;

  /** Hands in one record. Returns whether there is room for more; after `false`, `await room()` before the
   *  next. What is handed in nevertheless is taken by the overflow policy of the outlet. Also counts as a
   *  good read. */
  emit(data: unknown, meta?: RecordMeta): boolean;
  /** Hands in many records that came together. As {@link emit}; all bear the same `meta`. */
  emitAll(data: readonly unknown[], meta?: RecordMeta): boolean;
  /** Hands in text or bytes as the wire had them; the source's `decode` makes records of them. What cannot be
   *  decoded becomes a dead letter. As {@link emit} otherwise. */
  receive(payload: string | Uint8Array, meta?: RecordMeta): boolean;
  /** Resolves when the outlet has room, or the run is over. A run may begin with an outlet that is full of
   *  what the one before it handed in: await this before the first record. */
  room(): Promise<void>;

  /** One read failed; the link stands. Raises `consecutiveErrors`; enough of them degrade the source, and
   *  more open its circuit. */
  readFailed(error: unknown): void;
  /** One read went well and brought nothing new. A good read that brought records need not be told. */
  readSucceeded(): void;

  /** Why a source must not read the file that it opened as `path`, of this device and inode (`dev:ino`): the
   *  engine writes it itself. Null: it does not. Missing where no engine runs the source. */
  readonly ownFileProblem?: (path: string, identity: string) => string | null;

  /** Tells the operator what no record and no state shows, as something the far end has lost: a warning that
   *  is stored with a row in the timeline. `event` is its name, as `BROKER_LOST_MESSAGES`; it is not for what
   *  comes with every record: beyond a number a minute (`alertsPerMinuteMax` in limits.ts) it is only counted
   *  in the next one. */
  alert(event: string, message: string, details?: Readonly<Record<string, unknown>>): void;
}

/** The part of `io` that a removed source has: it may end its session, and report that it could not. */
export type FarewellIo = Pick<SourceIo, 'clock' | 'log' | 'alert' | 'cursor' | 'keepCursor'>;

/** The code of a source.
 *
 *  Call order: the engine calls `stream(io)` once per run and never twice at a time. The run ends when the
 *  returned promise settles or the returned iterable is exhausted. A normal end means the source has nothing
 *  more to give. A throw with a {@link HeadgateError} whose remedy is `retry` is trouble of the link: the
 *  engine waits and runs again, for as long as it takes. Any other throw is a defect of the source's code: it
 *  is restarted within its restart budget, then quarantined. Remedy `stop` fails the source at once. */
export interface SourceLogic {
  /** Streams records. Either an async iterable, each item one record's data, pulled only while there is room;
   *  or a promise that settles when the run is over, the records being handed in through `io`. Must end soon
   *  after `io.signal` aborts. */
  stream(io: SourceIo): AsyncIterable<unknown> | Promise<void>;
  /** Whether `stream` reports an open link by `io.opened()`. Default false: the source streams from the
   *  start. */
  readonly connects?: boolean;
  /** Whether the source can be held back without loss: the far end keeps what is not read yet. A rate limit
   *  with the policy `auto` delays such a source, and drops records of others. Default true. */
  readonly canWait?: boolean;
  /** The name of the state that the far end keeps for this source while it is away: a session, a queue. */
  readonly keeps?: string;
  /** Ends that. Called once, after the last run, when the source is deregistered or replaced by one that
   *  keeps something else; never at a stop of the engine. Must not reject, and must end by itself. */
  readonly farewell?: (io: FarewellIo) => Promise<void>;
  /** The far end, without secrets. A wait that it asked for (`retryAfterMs` in an error's details) holds for
   *  every later run against the same one, also after a restart. */
  readonly target?: string;
}

export type OverflowPolicy = 'block' | 'drop-newest' | 'drop-oldest';

/** `spill`: to disk, for sources that cannot be slowed. */
export type OutletOverflow = OverflowPolicy | 'spill';

export interface OutletOptions {
  readonly capacityRecords: number;
  readonly overflow: OutletOverflow;
  /** With `block`: the longest a record waits for room before it is dropped; null waits for ever.
   *  Milliseconds. */
  readonly waitMsMax: number | null;
  /** With `spill`: the most records on disk; those beyond are dropped. */
  readonly spillRecordsMax: number;
}

export interface RestartOptions {
  /** `permanent`: also after a normal end; `transient`: after a failure; `temporary`: never. */
  readonly policy: 'permanent' | 'transient' | 'temporary';
  /** Restarts after a crash within `windowMs`; one more failure quarantines the source. */
  readonly restartsMax: number;
  readonly windowMs: number;
  readonly backoff: BackoffPolicy;
  /** What a spent budget means: the source is quarantined, or the whole engine stops as failed. */
  readonly exhausted: 'quarantine' | 'escalate';
}

export interface BreakerOptions {
  /** Failures of the link in a row, or failed reads in a row, that open the circuit. */
  readonly failures: number;
  readonly coolDownMs: number;
}

export interface RateLimitOptions {
  readonly recordsPerSecondMax: number;
  /** `delay`: hold the record until the window has room; `drop`: refuse it, then pause; `auto`: delay the
   *  records of sources that can wait ({@link SourceLogic.canWait}), drop those of the others. */
  readonly policy: 'auto' | 'drop' | 'delay';
  /** `global`: one window for all sources together; `source`: one for each. */
  readonly scope: 'global' | 'source';
  readonly algorithm: 'sliding-window' | 'token-bucket';
  /** Pause after a refusal under `drop`, milliseconds. */
  readonly refusalPauseMs: number;
}

/** Turns a payload into records' data: one value per record. May throw; the payload then is a dead letter. */
export type DecodeFunction = (payload: Uint8Array, contentType: string | undefined) => readonly unknown[];

/** A source as the engine runs it: every option resolved, frozen, checked. */
export interface SourceSpec {
  readonly id: string;
  readonly tenant: string;
  /** The kind, as tables and totals show it: `http`, `mqtt`, … */
  readonly type: string;
  /** The file that it reads; left out: none. The engine must not write it. */
  readonly readsFile?: string;
  readonly logic: SourceLogic;
  /** Of all its options: whether a later run has the same ones. Left out where no factory made it. */
  readonly checksumOfOptions?: () => number;
  readonly decode: DecodeFunction | null;
  readonly dedupKey: ((data: unknown, meta: RecordMeta) => string | undefined) | null;
  readonly outlet: OutletOptions;
  readonly restart: RestartOptions;
  readonly breaker: BreakerOptions;
  /** A limit of this source's own, beside the engine's. */
  readonly rateLimit: RateLimitOptions | null;
  readonly connectTimeoutMs: number;
  /** Failed reads in a row that make it `degraded`. */
  readonly degradedAfterErrors: number;
  /** How long a drain may take unless the command says otherwise. */
  readonly drainDeadlineMs: number;
}
