/** The contract of a sink: what its code must offer (SinkLogic) and what it is given. A sink is a cursor over
 *  the log: it reads what is stored, at its own pace, and remembers durably how far it came. */

import type { BackoffPolicy } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ErrorFacts } from './errors.ts';
import type { Logger } from './logger.ts';
import type { BreakerOptions } from './source.ts';

export type SinkState =
  | 'connecting'
  | 'delivering'
  | 'backingOff'
  | 'circuitOpen'
  | 'paused'
  | 'draining'
  | 'stopped'
  | 'quarantined'
  | 'failed';

/** A record, or an alert, on its way out. */
export interface OutboundRecord {
  /** Its place in the log it was read from: `records`, or `timeline` for alerts. */
  readonly seq: number;
  /** The same for every attempt to deliver it and for no other record of any gateway:
   *  `gatewayId:dbUuid:seq`. What the far end dedups by. */
  readonly key: string;
  readonly tenant: string;
  readonly sourceId: string;
  readonly incarnation: number;
  /** The record's `seq` at its source. */
  readonly sourceSeq: number;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly data: unknown;
  readonly contentType: string | undefined;
  /** The user's dedup key, if the source has one. */
  readonly dedupKey: string | undefined;
}

/** What a sink's code gets for one run: from one call of `open` until its link fails or it is stopped. */
export interface SinkIo {
  readonly sinkId: string;
  readonly tenant: string;
  /** Aborts when the run must end. Deliveries under way are to settle soon after. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly log: Logger;
  /** Tells an operator something that is no failure of the link, as a `warning` in the timeline: at most a
   *  bounded number a minute, the rest is counted. `event` names its kind, in capitals. */
  alert(event: string, message: string, details?: Readonly<Record<string, unknown>>): void;
  /** Hands over what names the step that the opening of the link waits for, as `connected to 10.0.0.7:4222,
   *  but no INFO`. It is asked when `connectTimeoutMs` is over, for the message of the error; the last one
   *  handed over counts. Missing where no engine runs the sink. */
  readonly awaits?: (describe: () => string) => void;
  /** The link was lost while nothing was being delivered. Ends the run as a failed delivery does. */
  failed(error: unknown): void;
}

/** A record that is not taken; the others of its batch are delivered. It becomes a dead letter as soon as the
 *  far end is seen to take others. While the far end takes nothing at all, the refusals are taken for trouble
 *  of the link, and the records wait. */
export interface Rejection {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly error: ErrorFacts;
  /** `sink`: the record was not sent, because it cannot be put into the form asked for. It becomes a dead
   *  letter whatever else the far end takes. Default: `farEnd`. */
  readonly by?: 'sink' | 'farEnd';
}

/** How far a delivery has come. */
export interface DeliveryProgress {
  /** The record at `index` of the batch is safe at the far end, whatever becomes of the rest: it is not sent
   *  again when the delivery fails. Calls after the delivery has settled are ignored. */
  taken(index: number): void;
}

/** One open link. Calls never overlap: `deliver` is called again only when the one before has settled. */
export interface SinkLink {
  /** Whether the far end answered while the link was opened. A link that opens and then breaks at the same
   *  record again and again speaks against that record; where opening contacts no server, it may be the far
   *  end. */
  readonly greeted?: boolean;
  /** Delivers a batch, in order. Resolves when all of it is safe at the far end, but for the rejections it
   *  returns. @throws HeadgateError remedy `retry`: nothing is known to be safe but what `progress` was told;
   *  the rest comes again, over a new link, after a wait (`details.retryAfterMs`, where the far end named
   *  one). `drop`: the far end refuses the batch as such; it is split to find the record at fault. `stop`:
   *  the sink fails for good. Anything else thrown is a defect of the sink's code: `retry` within the
   *  breaker's bounds. */
  deliver(
    batch: readonly OutboundRecord[],
    progress?: DeliveryProgress,
  ): Promise<readonly Rejection[] | void>;
  /** Lets everything go; called once, after the last delivery has settled. Must not reject. */
  close(): Promise<void>;
}

/** The code of a sink. */
export interface SinkLogic {
  /** Opens a link. Resolves when the far end is there. @throws HeadgateError as {@link SinkLink.deliver}. */
  open(io: SinkIo): Promise<SinkLink>;
  /** The far end, without secrets, for messages. A wait that it asked for (`retryAfterMs` in an error's
   *  details) holds over a restart against the same one. */
  readonly target?: string;
}

export interface SinkBatchOptions {
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** How long an incomplete batch waits for company, milliseconds. */
  readonly lingerMs: number;
}

/** A sink as the engine runs it: every option resolved, frozen, checked. */
export interface SinkSpec {
  readonly kind: 'sink';
  readonly id: string;
  readonly tenant: string;
  /** `mqtt`, `http`, `file`, … as tables and health show it. */
  readonly type: string;
  readonly logic: SinkLogic;
  /** Of all its options: whether a later run has the same ones. Left out where no factory made it. */
  readonly checksumOfOptions?: () => number;
  /** What no two sinks of an engine may write at a time, as `file:/data/out.ndjson`; left out: nothing. */
  readonly claim?: string;
  /** Which log it reads. */
  readonly reads: 'records' | 'alerts';
  /** Where a sink begins that has no cursor yet: at the first row still kept, or at the next one. */
  readonly startAt: 'first' | 'next';
  /** Which records go out; null: all. A throw makes a dead letter. */
  readonly filter: ((record: OutboundRecord) => boolean) | null;
  /** What is sent in place of a record's data; null: the data itself. A throw makes a dead letter. */
  readonly transform: ((record: OutboundRecord) => unknown) | null;
  readonly batch: SinkBatchOptions;
  readonly backoff: BackoffPolicy;
  readonly breaker: BreakerOptions;
  readonly connectTimeoutMs: number;
  /** The longest a delivery may take before its link is given up. */
  readonly deliverTimeoutMs: number;
  /** How long a drain may take unless the command says otherwise. */
  readonly drainDeadlineMs: number;
}

/** What of a sink's health only rises, from 0 with each incarnation. */
export const SINK_COUNTERS = ['delivered', 'filtered', 'deadLettered'] as const;

export type SinkCounter = (typeof SINK_COUNTERS)[number];

export interface SinkHealth {
  readonly sinkId: string;
  readonly tenant: string;
  readonly type: string;
  readonly state: SinkState;
  readonly incarnation: number;
  readonly delivered: number;
  readonly filtered: number;
  readonly deadLettered: number;
  /** The last `seq` done with. */
  readonly cursor: number;
  /** Rows of the log behind the cursor's reach. */
  readonly lagRecords: number;
  /** How long the oldest of them has been waiting, seconds; 0 where none is. */
  readonly lagSeconds: number;
  readonly consecutiveErrors: number;
  readonly lastDeliveryAtMs: number | null;
  readonly lastError: { readonly code: string; readonly message: string; readonly atMs: number } | null;
}
