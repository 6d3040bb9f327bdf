/** The port of the janitor: calls for maintenance at an interval, soon again while there is more to
 *  delete, and at once when the database is full. It counts what went, and notices when retention cannot
 *  be kept. */

import { basename } from 'node:path';
import type { Observable } from 'rxjs';
import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, HeadgateError, messageOf } from '../../src/domain/errors.ts';
import type { Logger } from '../../src/domain/logger.ts';
import { FILLED_SHARE_MAX, type RetentionOptions } from '../../src/domain/retention.ts';
import type { PartFact } from '../../machines/support/ports.ts';
import type { EventStore, FileIncident, MaintenanceReport } from '../../storage/event-store.ts';
import { partFailed } from '../data-plane/pipeline-ports.ts';
import { managed, type Scope } from '../support/managed.ts';
import type { CommitEvent } from '../persistence/recorder-port.ts';

/** What sinks still have to read: rows after these. Null: no sink reads that log. */
export interface SinkNeeds {
  readonly recordsNeededAfter: number | null;
  readonly alertsNeededAfter: number | null;
}

export interface JanitorPorts {
  readonly clock: Clock;
  readonly log: Logger;
  /** Null: nothing is stored. */
  readonly store: Pick<EventStore, 'maintain'> | null;
  readonly retention: RetentionOptions;
  readonly needs: () => SinkNeeds;
  readonly edges$: Observable<CommitEvent>;
  /** A run of deletions is over, or has lasted for an hour. */
  readonly onCleaned: (counts: Readonly<Record<string, number>>) => void;
  readonly onAlert: (alert: OperatorAlert) => void;
}

/** How often it looks. */
const LOOK_MS = 10_000;
/** The pause between two steps of one run; commits go in between. */
const STEP_PAUSE_MS = 1;
/** How often it looks while commits are refused for want of room; each time more of the file is freed,
 *  down to this share of its bound. */
const FULL_LOOK_MS = 500;
const FILLED_SHARE_MIN = 0.4;
/** How often an unending run, or trouble that lasts, is told anew. */
const TELL_AGAIN_MS = 3_600_000;

const CHANGES: Readonly<Record<FileIncident['change'], string>> = {
  gone: 'the database was removed',
  replaced: 'another file was put in the place of the database',
  shorter: 'the database was cut off',
  logGone: 'the log of the database was removed',
  logShorter: 'the log of the database was cut off',
  lockGone: 'the lock of the database was removed',
};

const OUTCOMES: Readonly<Record<FileIncident['outcome'], string>> = {
  restored: 'it was put back from the open connection, and nothing is lost',
  reopened: 'it was copied into the database, and nothing is lost',
  locked: 'it was taken again',
  stopped: 'nothing is acknowledged until that is put right',
};

type JanitorEdge = { type: 'cleaning.began' } | { type: 'cleaning.ended' } | PartFact;

export function createJanitorPort(ports: JanitorPorts) {
  return managed<undefined, JanitorEdge>(partFailed, (scope) => {
    const { store } = ports;
    if (store !== null) new RetentionLoop(ports, store, scope).begin();
  });
}

class RetentionLoop {
  readonly #ports: JanitorPorts;
  readonly #store: Pick<EventStore, 'maintain'>;
  readonly #scope: Scope<JanitorEdge>;
  readonly #toldMs = new Map<string, number>();
  #timer: TimerHandle = undefined;
  #isWorking = false;
  /** What went since it was last told. */
  #counts: Record<string, number> | null = null;
  #countsSinceMs = 0;
  /** A run of deletions is under way. */
  #isCleaning = false;
  /** Commits are refused for want of room. */
  #isFull = false;
  #filledShareMax = FILLED_SHARE_MAX;
  /** The last call failed. */
  #isRefused = false;

  constructor(ports: JanitorPorts, store: Pick<EventStore, 'maintain'>, scope: Scope<JanitorEdge>) {
    this.#ports = ports;
    this.#store = store;
    this.#scope = scope;
  }

  begin(): void {
    const { clock, edges$ } = this.#ports;
    const full = edges$.subscribe((edge) => {
      this.#isFull = edge.type === 'commit.failed' && edge.error.code === 'HG_STORAGE_FULL';
      if (this.#isFull) this.#lookIn(0);
      else this.#filledShareMax = FILLED_SHARE_MAX;
    });
    this.#scope.onClose(() => {
      full.unsubscribe();
      clock.clearTimeout(this.#timer);
      this.#tell();
    });
    this.#lookIn(0);
  }

  #lookIn(delayMs: number): void {
    if (this.#isWorking) return;
    const { clock } = this.#ports;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(
      this.#scope.guard(() => this.#look()),
      delayMs,
    );
  }

  async #look(): Promise<void> {
    const { clock, log, retention, needs } = this.#ports;
    this.#isWorking = true;
    let delayMs = LOOK_MS;
    try {
      const filledShareMax = this.#filledShareMax;
      const report = await this.#store.maintain({
        ...{ nowMs: clock.wallMs(), monoMs: clock.monotonicMs(), retention, filledShareMax },
        ...needs(),
      });
      if (this.#scope.isClosed) return;
      this.#isRefused = false;
      for (const incident of report.incidents ?? []) this.#warnOfIncident(incident);
      this.#book(report);
      if (report.hasMore) delayMs = STEP_PAUSE_MS;
      else if (this.#isFull) delayMs = this.#makeMoreRoom(report);
    } catch (error) {
      // The database is busy, or the archive cannot be written: nothing was lost, the next look tries again.
      if (this.#scope.isClosed) return;
      if (!this.#isRefused) log.warn(errorFacts(error, 'HG_STORAGE_FAILED'), 'retention could not go on');
      this.#isRefused = true;
      this.#warnOfFile(error);
    } finally {
      this.#isWorking = false;
    }
    this.#lookIn(delayMs);
  }

  /** What waits is larger than the room there is. The bound on the file is what it does not fit, not the
   *  disk, if the file is about as full as it may be. */
  #makeMoreRoom({ fileBytes }: MaintenanceReport): number {
    const { fileBytesMax } = this.#ports.retention;
    if (fileBytesMax === null || fileBytes < fileBytesMax * this.#filledShareMax * 0.8) return LOOK_MS;
    this.#filledShareMax = Math.max(FILLED_SHARE_MIN, this.#filledShareMax - 0.1);
    return FULL_LOOK_MS;
  }

  #book(report: MaintenanceReport): void {
    const { deleted, undelivered } = report;
    const rows = deleted.records + deleted.deadLetters + deleted.health + deleted.timeline;
    if (rows > 0) this.#count({ ...deleted, undelivered });
    const isOver = rows === 0 && !report.hasMore;
    if (isOver || this.#ports.clock.monotonicMs() - this.#countsSinceMs >= TELL_AGAIN_MS) this.#tell();
    if (isOver && this.#isCleaning) {
      this.#isCleaning = false;
      this.#scope.send({ type: 'cleaning.ended' });
    }
    if (report.hasMore) return;
    this.#warnOfHeld(report);
    this.#warnOfCap(report);
  }

  #count(counts: Readonly<Record<string, number>>): void {
    if (this.#counts === null) {
      this.#counts = {};
      this.#countsSinceMs = this.#ports.clock.monotonicMs();
    }
    if (!this.#isCleaning) this.#scope.send({ type: 'cleaning.began' });
    this.#isCleaning = true;
    for (const [name, count] of Object.entries(counts)) {
      this.#counts[name] = (this.#counts[name] ?? 0) + count;
    }
  }

  #tell(): void {
    const counts = this.#counts;
    if (counts === null) return;
    this.#counts = null;
    const told = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
    if (Object.keys(told).length > 0) this.#ports.onCleaned(told);
  }

  /** Another program meddled with the files of the database. */
  #warnOfIncident({ change, outcome, rescuedTo }: FileIncident): void {
    if (outcome === 'stopped' && !this.#isNews(`file ${change}`)) return;
    const kept = rescuedTo === null ? '' : `; a copy of what was stored is ${basename(rescuedTo)}`;
    const what = `${CHANGES[change]} while in use; ${OUTCOMES[outcome]}${kept}`;
    const message = `${what}. Find the program that did it`;
    this.#alert('STORAGE_FILE_CHANGED', 'critical', message, { change, outcome, rescuedTo });
  }

  #warnOfFile(error: unknown): void {
    const change = error instanceof HeadgateError ? error.details['change'] : undefined;
    if (typeof change !== 'string' || !this.#isNews(`file ${change}`)) return;
    this.#alert('STORAGE_FILE_CHANGED', 'critical', messageOf(error), { change, outcome: 'stopped' });
  }

  #warnOfHeld({ heldForSinks }: MaintenanceReport): void {
    if (heldForSinks === 0 || !this.#isNews('held')) return;
    this.#alert(
      'STORAGE_HELD_FOR_SINK',
      'warning',
      `${heldForSinks} records are kept beyond their time or size, since a sink has not delivered them; ` +
        'see to the sink, or deregister it',
      { heldForSinks },
    );
  }

  #warnOfCap({ fileBytes, heldForSinks }: MaintenanceReport): void {
    const { fileBytesMax } = this.#ports.retention;
    if (fileBytesMax === null || fileBytes <= fileBytesMax * FILLED_SHARE_MAX || !this.#isNews('cap')) return;
    this.#alert(
      'STORAGE_FILE_AT_CAP',
      'critical',
      'the database is as large as it may be and nothing in it may be deleted; when it is full, sources ' +
        'are held back: see to the sinks, or raise storage.retention.fileBytesMax',
      { fileBytes, fileBytesMax, heldForSinks },
    );
  }

  /** Trouble that lasts, or comes and goes, is told once an hour. */
  #isNews(trouble: string): boolean {
    const nowMs = this.#ports.clock.monotonicMs();
    const toldMs = this.#toldMs.get(trouble);
    if (toldMs !== undefined && nowMs - toldMs < TELL_AGAIN_MS) return false;
    this.#toldMs.set(trouble, nowMs);
    return true;
  }

  #alert(
    event: string,
    severity: OperatorAlert['severity'],
    message: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const timestamp = this.#ports.clock.wallMs();
    this.#ports.onAlert({ event, severity, sourceId: null, timestamp, message, details });
  }
}
