/** The books of one run: everything it writes down goes through here, into the committer: rows of the
 *  timeline, the alerts they call for, dead letters, and from when sources wait. */

import type { Observer, Subject } from 'rxjs';
import { farEndOf, NO_FAR_END } from '../../actors/support/far-end.ts';
import type { WriteDeadLetter } from '../../actors/sources/runtime/build-records.ts';
import type { SourceRunPorts } from '../../actors/sources/runtime/source-run-ports.ts';
import type { SourceRuntime } from '../../actors/sources/runtime/source-runtime.ts';
import type { KeepDeadline } from '../../actors/sources/runtime/wait-ports.ts';
import { AlertDispatcher } from '../../actors/alerts/alert-dispatcher.ts';
import {
  DeadLetterWriter,
  type DeadLetterWriterOptions,
  type DeadLetterOrigin,
} from '../../actors/dead-letters/dead-letter-writer.ts';
import { TimelineObserver } from '../../actors/timeline/timeline-observer.ts';
import { GroupCommitter } from '../../actors/persistence/group-committer.ts';
import { LifecycleAlerts } from '../../actors/alerts/lifecycle-alerts.ts';
import { logRow } from '../../actors/alerts/derived-alerts.ts';
import type { CommitEvent } from '../../actors/persistence/recorder-port.ts';
import type { RegistryEntry } from '../../machines/support/command-rejection.ts';
import { LossMonitor } from '../../actors/health/loss-monitor.ts';
import type { EventStore, LeftAlert } from '../../storage/event-store.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import { BoundedRows } from '../domain/bounded-rows.ts';
import { LIMITS } from '../domain/limits.ts';
import { NOTHING_SECRET } from '../domain/redact.ts';
import { isSinkName } from '../domain/address.ts';
import { isBurstAlert, type Alert } from '../domain/alert.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { DeadLetter, TimelineRow } from '../domain/timeline.ts';
import { NOTHING_UNWRITTEN, type BalanceCounts } from './record-balance.ts';
import type { RunSettings } from './run-settings.ts';

/** Where it shows what it wrote. */
export interface BooksOutputs {
  readonly rows: Observer<TimelineRow>;
  readonly alerts: Observer<Alert>;
  readonly deadLetters: Observer<DeadLetter>;
}

export interface RunBooksOptions {
  readonly options: EngineOptions;
  readonly settings: RunSettings;
  readonly clock: Clock;
  readonly log: Logger;
  /** Null: nothing is stored, everything counts as written. */
  readonly store: EventStore | null;
  readonly outputs: BooksOutputs;
  /** Hears whether commits go through. */
  readonly edges$: Subject<CommitEvent>;
  /** These rows are stored now. */
  readonly onRowsStored: (rows: readonly TimelineRow[]) => void;
  /** The record log has grown up to this `seq`. */
  readonly onRecordsStored: (lastRecordSeq: number) => void;
  /** A source or a sink has another state now. */
  readonly onState: (row: TimelineRow, actorId: string) => void;
  readonly onLetterFailedAgain: DeadLetterWriterOptions['onFailedAgain'];
  /** The source that is registered under this name in the timeline. */
  readonly runtimeOf: (actorId: string) => SourceRuntime | undefined;
  /** Whether the source or sink of this name has had no error since its last success. */
  readonly isSound: (actorId: string) => boolean;
  readonly errorsOf: (actorId: string) => number | undefined;
  readonly counts: BalanceCounts;
}

export class RunPersistence {
  readonly committer: GroupCommitter;
  readonly observer: TimelineObserver;
  readonly alerts: AlertDispatcher;
  readonly deadLetters: DeadLetterWriter;
  readonly losses: LossMonitor;
  readonly #lifecycle: LifecycleAlerts;
  /** Rows that could not be written and never will be. */
  unwritten = NOTHING_UNWRITTEN;
  /** Bursts that began. */
  bursts = 0;
  readonly #options: RunBooksOptions;
  readonly #refusals: BoundedRows<Parameters<TimelineObserver['append']>[0]>;

  constructor(books: RunBooksOptions) {
    const { settings, clock, log, store, outputs } = books;
    this.#options = books;
    const { redact = NOTHING_SECRET } = books.options;
    const redaction = { redact };
    this.committer = this.#createLedger();
    this.observer = new TimelineObserver({
      clock,
      run: store?.run ?? 1,
      lastSeq: store?.lastSeq ?? 0,
      onRow: (row) => this.#onRow(row),
      ...redaction,
    });
    this.#refusals = new BoundedRows({
      clock,
      perMinuteMax: LIMITS.refusalRowsPerMinuteMax,
      write: (row) => void this.observer.append(row),
      writeCount: (count) => {
        const row = { kind: 'command', event: 'commands.refused', data: { count } } as const;
        this.observer.append({ ...row, actorId: 'registry', cause: null });
      },
    });
    this.alerts = new AlertDispatcher({
      clock,
      log,
      record: (alert, actorId, cause) => {
        this.observer.append({ kind: 'alert', event: alert.event, data: { ...alert }, actorId, cause });
      },
      flush: () => this.committer.flush(),
      onBurst: () => settings.burst?.onBurst ?? null,
    });
    this.alerts.alerts$.subscribe(outputs.alerts);
    this.#lifecycle = new LifecycleAlerts({
      clock,
      raise: (alert, actorId, cause) => this.alerts.raise(alert, actorId, cause),
      isSound: books.isSound,
      errorsOf: books.errorsOf,
      lastRowOf: (actorId) => this.observer.lastRowOf(actorId),
    });
    this.losses = new LossMonitor({
      ...{ clock, log },
      raise: (alert, source) => this.raise(alert, source),
    });
    this.deadLetters = new DeadLetterWriter({
      clock,
      ...redaction,
      keep: (letter, origin) => {
        this.committer.addDeadLetter(letter, origin);
        this.#countDeadLetter(letter, origin);
      },
      onFailedAgain: (id, error) => {
        books.counts.deadLettered++;
        books.onLetterFailedAgain(id, error);
      },
      note: (actorId, data) => {
        const cause = this.observer.lastRowOf(actorId);
        this.observer.append({ kind: 'dead_letter', event: 'dead_letter', data, actorId, cause });
      },
    });
    this.deadLetters.letters$.subscribe(outputs.deadLetters);
  }

  /** Writes the rows of a controller that are no transitions. */
  noteOf(controller: string) {
    return (cause: object, { kind, event, data, actorId }: RegistryEntry): void => {
      const row = { kind, event, data, actorId: actorId ?? controller, cause };
      if (kind === 'command' && event.endsWith('.refused')) this.#refusals.add(row);
      else this.observer.append(row);
    };
  }

  /** A command that no controller was given, since it cannot be understood. */
  noteRefused(type: string, message: string): void {
    const data = { code: 'HG_OPTION_INVALID', message };
    this.#refusals.add({ kind: 'command', event: `${type}.refused`, data, actorId: 'registry', cause: null });
  }

  /** Goes on with the alerts that runs before left open, or ends them. */
  takeLeftAlerts(alerts: readonly LeftAlert[]): void {
    this.#lifecycle.takeLeft(alerts);
  }

  /** Writes what is only counted so far. */
  close(): void {
    this.#refusals.flush();
    this.#lifecycle.close();
  }

  /** Raises an alert that comes of what this source or sink did last. */
  raise(alert: Alert, { actorId }: { readonly actorId: string }): void {
    if (isBurstAlert(alert) && !alert.again) this.bursts++;
    this.alerts.raise(alert, actorId, this.observer.lastRowOf(actorId));
  }

  /** Keeps what a source could not make a record of. */
  readonly writeDeadLetter: WriteDeadLetter = (runtime, { stage, payload, error }, receipt) => {
    const { tenant, id: sourceId } = runtime.spec;
    const isAwaited = receipt !== undefined;
    const origin = { tenant, sourceId, actorId: runtime.actorId, record: null, isAwaited };
    this.deadLetters.add(origin, stage, payload, error, 'HG_DECODE_FAILED');
    if (receipt === undefined) return;
    this.committer.addRecords({
      onSettled: (outcome) => receipt.settle(outcome === 'stored' ? 'deadLettered' : 'lost'),
    });
  };

  readonly keepDeadline: KeepDeadline = (runtime, wait) => {
    const { tenant, id: sourceId } = runtime.spec;
    const deadline = wait === null ? noDeadline(runtime) : { ...wait, farEnd: farEndOf(runtime.spec) };
    this.committer.setDeadline({ tenant, sourceId, kind: 'wait', ...deadline });
  };

  readonly keepPollPhase: SourceRunPorts['keepPollPhase'] = ({ spec, state }, dueAtMs) => {
    const { tenant, id: sourceId } = spec;
    const farEnd = farEndOf(spec);
    this.committer.setDeadline({ tenant, sourceId, kind: 'poll', state, dueAtMs, failures: 0, farEnd });
  };

  readonly keepCursor: SourceRunPorts['keepCursor'] = (runtime, cursor) => {
    const { tenant, id: sourceId } = runtime.spec;
    runtime.cursor = cursor;
    return new Promise((resolve) => {
      this.committer.addRecords({ cursors: [{ tenant, sourceId, cursor }], onSettled: () => resolve() });
    });
  };

  forgetPollPhase(runtime: SourceRuntime): void {
    if (!runtime.keepsPollPhase) return;
    const { tenant, id: sourceId } = runtime.spec;
    this.committer.setDeadline({ tenant, sourceId, kind: 'poll', ...noDeadline(runtime) });
  }

  /** Sinks report their own dead letters. */
  #countDeadLetter({ stage, code, message }: DeadLetter, origin: DeadLetterOrigin): void {
    if (isSinkName(stage)) return;
    const { counts, runtimeOf } = this.#options;
    counts.deadLettered++;
    if (origin.record === null) counts.received++;
    const runtime = runtimeOf(origin.actorId);
    if (runtime === undefined) return;
    runtime.deadLettered++;
    if (origin.record === null) runtime.undecodedPayloads++;
    this.losses.count(runtime, 'deadLettered', 1, { stage, code, error: message });
  }

  #createLedger(): GroupCommitter {
    const { options, clock, log, store, outputs, edges$, onRowsStored, onRecordsStored } = this.#options;
    return new GroupCommitter({
      store,
      clock,
      groupCommit: options.storage.commit,
      onWritten: (rows) => {
        for (const row of rows) outputs.rows.next(row);
        onRowsStored(rows);
      },
      onRecords: onRecordsStored,
      onGivenUp: (rows, error) => {
        this.unwritten = { rows: this.unwritten.rows + rows, error };
        log.error({ rows, ...error }, 'rows could not be written and are lost');
      },
      onFailed: (error) => edges$.next({ type: 'commit.failed', error }),
      onRecovered: (afterMs) => edges$.next({ type: 'commit.recovered', afterMs }),
      onGone: (error) => edges$.next({ type: 'part.failed', error }),
    });
  }

  /** Every row comes by here: it is kept, told to the log, and may be an alert. */
  #onRow(row: TimelineRow): void {
    this.committer.addRow(row);
    logRow(this.#options.log, row);
    const actorId = row.incarnation === null ? row.actor : `${row.actor}#${row.incarnation}`;
    if (row.incarnation !== null && row.toState !== null) this.#options.onState(row, actorId);
    this.#lifecycle.onRow(row, actorId);
  }
}

/** It waits no longer. */
function noDeadline({ state }: SourceRuntime) {
  return { state, dueAtMs: null, failures: 0, farEnd: NO_FAR_END };
}
