/** The sinks of one run of an engine: what they read, what they write down, and the ports of their actors. */

import { createSinkRun } from '../../actors/sinks/runtime/sink-run.ts';
import { LogTail, type LogStore } from '../../actors/sinks/runtime/log-tail.ts';
import { SinkProgress } from '../../actors/sinks/runtime/sink-progress.ts';
import { SinkDirectory, type SinkDirectoryPorts } from '../../actors/registry/sink-directory.ts';
import type { SinkRuntime } from '../../actors/sinks/runtime/sink-runtime.ts';
import { createSinkDrain, createSinkWait } from '../../actors/sinks/runtime/sink-waiting.ts';
import type { DeadLetterWriter } from '../../actors/dead-letters/dead-letter-writer.ts';
import type { GroupCommitter } from '../../actors/persistence/group-committer.ts';
import type { OperatorAlert } from '../domain/alert.ts';
import type { Clock } from '../domain/clock.ts';
import { writeJson } from '../domain/json-text.ts';
import { messageOf, type ErrorCode, type ErrorFacts } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { Random } from '../domain/random.ts';
import type { SinkState } from '../domain/sink.ts';
import type { SinkCursor, TimelineRow } from '../domain/timeline.ts';

export interface SinkSubsystemOptions extends Pick<
  SinkDirectoryPorts,
  'nextIncarnation' | 'answer' | 'note' | 'problemOf' | 'redact'
> {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Null: nothing is stored that a sink could read. */
  readonly store: LogStore | null;
  readonly keepsRecords: boolean;
  readonly committer: GroupCommitter;
  readonly deadLetters: DeadLetterWriter;
  /** A sink has something to say that an operator should know. */
  readonly onAlert: (alert: OperatorAlert, sink: { readonly actorId: string }) => void;
}

/** The backlog of a sink. */
export interface SinkBacklog {
  readonly reads: 'records' | 'alerts';
  /** Counted by their numbers: records that were passed over as known count too. */
  readonly records: number;
  /** Epoch milliseconds of the first of them; null: there is none. */
  readonly oldestAtMs: number | null;
}

/** What the actor system needs of it. */
export type SinkActors = Pick<SinkSubsystem, 'directory' | 'ports'>;

export class SinkSubsystem {
  readonly directory: SinkDirectory;
  readonly ports: ReturnType<typeof portsOf>;
  /** Null: nothing is stored. */
  readonly feed: LogTail | null;
  readonly #options: SinkSubsystemOptions;
  #isDamageTold = false;

  constructor(options: SinkSubsystemOptions) {
    const { clock, committer, store, keepsRecords, nextIncarnation, answer, note, problemOf, redact } =
      options;
    this.#options = options;
    this.feed = store === null ? null : new LogTail(store);
    this.directory = new SinkDirectory({
      ...{ clock, keepsRecords, nextIncarnation, answer, note, problemOf, redact },
      feed: this.feed,
      cursors: store?.sinkCursors ?? new Map(),
      deadlines: store?.deadlines ?? new Map(),
      saveCursor: (cursor) => committer.setSinkCursor(cursor),
      saveDeadline: (deadline) => committer.setDeadline(deadline),
      leftBehind: (sink, cursor) => void this.#tellLeftBehind(sink, cursor),
      touch: (runtime) => {
        committer.touchSink(runtime);
        void this.#look(runtime);
      },
    });
    this.ports = portsOf(options, this.feed, this.#books());
  }

  /** Keeps the state of a sink as its row of the timeline says. */
  onRow(row: TimelineRow, actorId: string): void {
    const runtime = this.directory.byActorId(actorId);
    if (runtime === undefined || row.toState === null || runtime.state === row.toState) return;
    runtime.state = row.toState as SinkState;
    this.#options.committer.touchSink(runtime);
  }

  /** Looks how far the sinks are behind, and writes down what has changed. */
  sample(): void {
    for (const runtime of this.directory.runtimes()) {
      if (runtime.isDirty()) this.#options.committer.touchSink(runtime);
      void this.#look(runtime);
    }
  }

  /** What the sinks still need of the logs: rows after these `seq`. */
  needs(): { readonly recordsNeededAfter: number | null; readonly alertsNeededAfter: number | null } {
    return {
      recordsNeededAfter: this.directory.neededAfter('records'),
      alertsNeededAfter: this.directory.neededAfter('alerts'),
    };
  }

  /** The backlog of the sink of this name, registered or not; null: it has no cursor. */
  async undelivered(name: string): Promise<SinkBacklog | null> {
    const cursor = this.directory.cursorOf(name);
    if (cursor === null || this.feed === null) return null;
    const { rows, oldestAtMs } = await this.feed.lagOf(cursor.reads, cursor.seq);
    return { reads: cursor.reads, records: rows, oldestAtMs };
  }

  /** The run is over: what is under way is given up, and nothing is booked any more. */
  close(): void {
    for (const runtime of this.directory.runtimes()) {
      runtime.isReleased = true;
      runtime.abort();
    }
  }

  /** A sink that is removed before it has delivered everything is an alert. */
  async #tellLeftBehind(
    sink: { readonly name: string; readonly actorId: string },
    { reads, seq }: SinkCursor,
  ): Promise<void> {
    const { clock, log, onAlert } = this.#options;
    try {
      const backlog = await this.feed?.lagOf(reads, seq);
      if (backlog === undefined || backlog.rows === 0) return;
      onAlert(leftBehindAlert(sink.name, { reads, seq }, backlog.rows, clock.wallMs()), sink);
    } catch (error) {
      log.warn({ sink: sink.name, error: messageOf(error) }, 'what a removed sink left behind is not known');
    }
  }

  async #look(runtime: SinkRuntime): Promise<void> {
    if (runtime.isReleased || this.feed === null) return;
    const { cursor, spec } = runtime;
    try {
      const lastSeq = this.feed.lastSeq(spec.reads);
      const lag = await this.feed.lagOf(spec.reads, cursor);
      runtime.lag = { ...lag, cursor, lastSeq };
    } catch (error) {
      this.#options.log.debug({ sink: runtime.name, error: messageOf(error) }, 'the lag could not be read');
    }
  }

  #books(): SinkProgress {
    const { clock, committer, deadLetters, onAlert } = this.#options;
    return new SinkProgress({
      clock,
      committer,
      bury: (runtime, record, error) => {
        const { tenant, sourceId, incarnation, sourceSeq, atMs, seq: recordSeq } = record;
        const dedupKey = record.dedupKey ?? null;
        const contentType = record.contentType ?? null;
        const origin = { incarnation, sourceSeq, atMs, dedupKey, contentType, recordSeq };
        // As JSON also where it is a string: a retry makes the same data of it.
        const payload = writeJson(record.data);
        const whose = { tenant, sourceId, actorId: runtime.actorId, record: origin, isAwaited: true };
        deadLetters.add(whose, runtime.stage, payload, error, 'HG_SINK_REFUSED');
      },
      damaged: (runtime, seqs) => {
        if (this.#isDamageTold) return;
        this.#isDamageTold = true;
        onAlert(damageAlert(runtime, seqs, clock.wallMs()), runtime);
      },
      refusesAll: (runtime, reason) => onAlert(refusesAllAlert(runtime, reason, clock.wallMs()), runtime),
    });
  }
}

/** Damaged rows that an alert names. */
const SEQS_NAMED_MAX = 10;

function damageAlert(runtime: SinkRuntime, seqs: readonly number[], timestamp: number): OperatorAlert {
  return {
    event: 'RECORD_DAMAGED',
    severity: 'critical',
    sourceId: null,
    timestamp,
    message: `${runtime.stage} passed over stored records that do not fit their checksum; look at the disk`,
    details: { code: 'HG_RECORD_DAMAGED' satisfies ErrorCode, seqs: seqs.slice(0, SEQS_NAMED_MAX) },
  };
}

function leftBehindAlert(
  sink: string,
  { reads, seq }: SinkCursor,
  undelivered: number,
  timestamp: number,
): OperatorAlert {
  return {
    event: 'SINK_REMOVED_UNDELIVERED',
    severity: 'warning',
    sourceId: null,
    timestamp,
    message:
      `sink "${sink}" was removed with its cursor before it had delivered ${undelivered} ${reads}; ` +
      'with keepCursor they would wait for a sink of that id',
    details: { sink, reads, undelivered, cursor: seq },
  };
}

function refusesAllAlert(
  runtime: SinkRuntime,
  { code, message }: ErrorFacts,
  timestamp: number,
): OperatorAlert {
  return {
    event: 'SINK_REFUSES_ALL',
    severity: 'critical',
    sourceId: null,
    timestamp,
    message: `the far end of ${runtime.stage} takes no record; all of them wait in the log: ${message}`,
    details: { code, lastSeq: runtime.cursor },
  };
}

function portsOf(
  { clock, random, log, committer, onAlert }: SinkSubsystemOptions,
  feed: LogTail | null,
  books: SinkProgress,
) {
  return {
    // Without a log no sink is admitted, so no run begins.
    run: createSinkRun({
      ...{ clock, log, books, raise: onAlert },
      feed: feed as LogTail,
      random: random.fork('sinks'),
    }),
    wait: createSinkWait(clock, (deadline) => committer.setDeadline(deadline)),
    drain: createSinkDrain(clock),
  };
}
