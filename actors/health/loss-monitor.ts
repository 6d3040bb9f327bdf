/** The loss monitor: makes visible what sources lose on the way to the log, as dead letters or as drops.
 *  Each kind of loss of each source, and each error code, is logged at the first and then once a minute with
 *  a count, for as long as it goes on. It is an alert where it is more than a share of what the source
 *  brought, and another where that is over. */

import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Logger } from '../../src/domain/logger.ts';

export type LossKind = 'deadLettered' | 'dropped';

/** A source, as the monitor sees it. */
export interface LossySource {
  /** As users see it: `plc-7`, `acme/plc-7`. */
  readonly name: string;
  readonly actorId: string;
  /** Records and payloads it brought, whatever became of them. */
  readonly broughtRecords: number;
}

export interface LossMonitorPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly raise: (alert: OperatorAlert, source: LossySource) => void;
}

/** Why the last of them was lost: `{ stage, code, message }`, `{ by: 'limit' }`. */
type Reason = Readonly<Record<string, unknown>>;

interface Loss {
  readonly kind: LossKind;
  readonly source: LossySource;
  /** Since the window began. */
  lost: number;
  /** Since the last line in the log. */
  unreported: number;
  broughtBefore: number;
  reason: Reason;
  /** The codes that the log has named, within bounds. */
  readonly codes: Set<unknown>;
  isAlerted: boolean;
  timer: TimerHandle;
}

const WINDOW_MS = 60_000;
/** Kinds of loss of one source that have a first line of their own in the log. */
const CODES_MAX = 8;

const WORDS = {
  deadLettered: {
    log: 'records became dead letters; `headgate dead-letters list` shows them',
    alert: 'SOURCE_DEAD_LETTERS',
    message: 'become dead letters; `headgate dead-letters list` shows why',
  },
  dropped: {
    log: 'records were dropped by a limit or a full outlet',
    alert: 'SOURCE_RECORDS_DROPPED',
    message: 'are dropped; raise the limit, or let it wait with the policy "delay" or the overflow "block"',
  },
} as const satisfies Record<LossKind, { log: string; alert: string; message: string }>;

export class LossMonitor {
  readonly #ports: LossMonitorPorts;
  readonly #losses = new Map<string, Loss>();

  constructor(ports: LossMonitorPorts) {
    this.#ports = ports;
  }

  /** So many records of this source were lost just now. */
  count(source: LossySource, kind: LossKind, records: number, reason: Reason): void {
    const key = `${kind} ${source.actorId}`;
    const known = this.#losses.get(key);
    if (known === undefined) {
      this.#begin(key, source, kind, records, reason);
      return;
    }
    known.lost += records;
    if (this.#isNews(known, reason)) this.#tell(known, records, reason);
    else {
      known.unreported += records;
      known.reason = reason;
    }
    // Within a window only the beginning shows; a whole window shows that it is over.
    if (!known.isAlerted && known.lost >= LIMITS.lossAlertRecordsMin) this.#judge(known);
  }

  /** Logs what has been counted and not told. */
  close(): void {
    for (const loss of this.#losses.values()) {
      this.#ports.clock.clearTimeout(loss.timer);
      if (loss.unreported > 0) this.#report(loss);
    }
    this.#losses.clear();
  }

  #begin(key: string, source: LossySource, kind: LossKind, records: number, reason: Reason): void {
    const loss: Loss = {
      ...{ kind, source, reason, lost: records, unreported: records },
      broughtBefore: Math.max(0, source.broughtRecords - records),
      codes: new Set([reason['code']]),
      isAlerted: false,
      timer: undefined,
    };
    this.#losses.set(key, loss);
    this.#report(loss);
    if (records >= LIMITS.lossAlertRecordsMin) this.#judge(loss);
    this.#watch(key, loss);
  }

  #watch(key: string, loss: Loss): void {
    loss.timer = this.#ports.clock.setTimeout(() => {
      if (loss.unreported > 0) this.#report(loss);
      // A share of a few records says nothing: the window goes on until there are enough.
      if (this.#broughtIn(loss) >= LIMITS.lossAlertRecordsMin) {
        this.#judge(loss);
        if (loss.lost === 0) {
          this.#losses.delete(key);
          return;
        }
        loss.lost = 0;
        loss.broughtBefore = loss.source.broughtRecords;
      }
      this.#watch(key, loss);
    }, WINDOW_MS);
  }

  #broughtIn({ lost, source, broughtBefore }: Loss): number {
    return Math.max(lost, source.broughtRecords - broughtBefore);
  }

  /** Whether the log has not named this error code yet. */
  #isNews({ codes }: Loss, { code }: Reason): boolean {
    if (codes.has(code) || codes.size >= CODES_MAX) return false;
    codes.add(code);
    return true;
  }

  #report(loss: Loss): void {
    this.#tell(loss, loss.unreported, loss.reason);
    loss.unreported = 0;
  }

  #tell({ kind, source }: Loss, records: number, reason: Reason): void {
    this.#ports.log.warn({ source: source.name, records, ...reason }, WORDS[kind].log);
  }

  /** Raises the alert where the share of what was lost is too large, and takes it back where it is not. */
  #judge(loss: Loss): void {
    const brought = this.#broughtIn(loss);
    const isHigh = loss.lost > 0 && 100 * loss.lost >= brought * LIMITS.lossAlertPercentMin;
    if (isHigh === loss.isAlerted) return;
    loss.isAlerted = isHigh;
    const { kind, source, lost, reason } = loss;
    const { alert, message } = WORDS[kind];
    const share = Math.round((100 * lost) / Math.max(1, brought));
    this.#ports.raise(
      {
        event: isHigh ? alert : `${alert}_OVER`,
        severity: isHigh ? 'warning' : 'info',
        sourceId: source.name,
        timestamp: this.#ports.clock.wallMs(),
        message: isHigh
          ? `${source.name}: ${share} % of its records ${message}`
          : `${source.name}: fewer than ${LIMITS.lossAlertPercentMin} % of its records are lost now`,
        details: isHigh ? { lost, records: brought, ...reason } : { lost, records: brought },
      },
      source,
    );
  }
}
