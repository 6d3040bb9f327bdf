/** One run of an engine, from start to stop: the parts, made and wired. Whatever is opened here is closed
 *  here. What a run writes down: run-persistence.ts; the actor system: engine-actor.ts. */

import { Subject, type Observer } from 'rxjs';
import type { Actor } from 'xstate';
import type { RecordOutput } from '../../actors/data-plane/record-output.ts';
import { DataPlane } from '../../actors/data-plane/data-plane.ts';
import type { SourceDirectory } from '../../actors/registry/source-directory.ts';
import type { CommitEvent } from '../../actors/persistence/recorder-port.ts';
import type { engineMachine, EngineOutput } from '../../machines/engine-machine.ts';
import type { RateLimiterCommand } from '../../machines/rate-limiter-machine.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { closeStore } from './close-store.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { ownFilesOf, sinkFileProblem } from './own-file-checks.ts';
import type { SourceHealth } from '../domain/health.ts';
import type { Logger } from '../domain/logger.ts';
import type { Random } from '../domain/random.ts';
import type { IngestRecord } from '../domain/record.ts';
import { createEngineActor, untilFinished } from './engine-actor.ts';
import type { ConfigNote } from './engine-report.ts';
import { isConfigureCommand, isSinksCommand, type AnyCommand, type Answer } from './pending-requests.ts';
import type { Stage } from '../pipeline/stage.ts';
import { RunPersistence, type BooksOutputs } from './run-persistence.ts';
import { jumpReporter, noteClockAtStart } from './run-clock.ts';
import { janitorPorts } from './run-janitor.ts';
import { reportPreviousRun } from './report-previous-run.ts';
import { lostRecords } from './run-losses.ts';
import { createRunLetters, type RunLetters } from './run-dead-letters.ts';
import { BalanceCounts, type RecordBalance, type UnwrittenRows } from './record-balance.ts';
import { RunSettings, type BurstSettings } from './run-settings.ts';
import { databaseFile, runStats, type RunStats } from './run-stats.ts';
import { SinkSubsystem } from './sink-subsystem.ts';
import { SourceSubsystem } from './source-subsystem.ts';
import type { WatchedClock } from '../platform/watched-clock.ts';

/** Where a run shows what it does; these outlive it. */
export interface RunOutputs extends BooksOutputs {
  readonly exit: RecordOutput;
  readonly health: Observer<readonly SourceHealth[]>;
  readonly answer: Answer;
}

export interface RunOptions {
  readonly options: EngineOptions;
  readonly stages: readonly Stage[];
  readonly clock: WatchedClock;
  readonly random: Random;
  readonly log: Logger;
  readonly store: EventStore | null;
  readonly outputs: RunOutputs;
}

export class EngineRun {
  /** Resolves when the engine machine has come to its end, one way or the other. */
  readonly finished: Promise<EngineOutput>;
  readonly plane: DataPlane;
  readonly sinks: SinkSubsystem;
  /** Null where nothing is stored. */
  readonly letters: RunLetters | null;
  readonly #options: RunOptions;
  readonly #actor: Actor<typeof engineMachine>;
  readonly #books: RunPersistence;
  readonly #counts = new BalanceCounts();
  readonly #settings: RunSettings;
  readonly #file: string | null;
  readonly #sources: SourceSubsystem;
  #lastIncarnation: number;
  #unwatchClock: () => void = () => {};

  constructor(run: RunOptions) {
    const { options, clock, store, outputs, log } = run;
    this.#options = run;
    this.#lastIncarnation = store?.lastIncarnation ?? 0;
    this.#settings = new RunSettings(options);
    this.#file = databaseFile(options);
    const edges$ = new Subject<CommitEvent>();
    this.#books = new RunPersistence({
      ...{ options, clock, log, store, outputs, edges$, settings: this.#settings },
      onRowsStored: (rows) => this.sinks.feed?.rowsStored(rows),
      onRecordsStored: (lastRecordSeq) => this.sinks.feed?.recordsStored(lastRecordSeq),
      onState: (row, actorId) => {
        this.#sources.onRow(row, actorId);
        this.sinks.onRow(row, actorId);
      },
      runtimeOf: (actorId) => this.directory.byActorId(actorId),
      isSound: (actorId) =>
        this.directory.byActorId(actorId)?.isSound ??
        this.sinks.directory.byActorId(actorId)?.isSound ??
        true,
      errorsOf: (actorId) =>
        this.directory.byActorId(actorId)?.consecutiveErrors ??
        this.sinks.directory.byActorId(actorId)?.consecutiveErrors,
      counts: this.#counts,
      onLetterFailedAgain: (id, error) => this.letters?.deadLetterReplay.failed(id, error),
    });
    const { committer, observer } = this.#books;
    this.plane = new DataPlane({
      clock,
      stages: run.stages,
      globalLimit: this.#settings.globalLimit,
      exit: outputs.exit,
      onPoison: ({ originalRecord, error }, stageName) => this.buryRecord(originalRecord, stageName, error),
      onDropped: (records) => {
        this.#counts.dropped += records;
      },
    });
    this.plane.arrivals$.subscribe(({ records }) => {
      this.#counts.received += records.length;
    });
    const keepsRecords = options.records.keep && store !== null;
    const onLost = lostRecords({
      ...{ clock, books: this.#books, directory: () => this.directory },
      storedCursor: (name) => store?.cursors.get(name),
    });
    outputs.exit.attach({ committer, keepsRecords, onLost }, () => this.plane.pokeLast());
    this.#sources = new SourceSubsystem({
      ...{ options, clock, log, store, books: this.#books, settings: this.#settings, plane: this.plane },
      exit: outputs.exit,
      ...{ counts: this.#counts, file: this.#file, countLost: this.#countLost, answer: outputs.answer },
      sinks: () => this.sinks,
      nextIncarnation: () => ++this.#lastIncarnation,
      onRegistered: (name) => this.letters?.deadLetterReplay.registered(name),
    });
    this.#counts.received += this.#sources.spilledRecords;
    this.letters = createRunLetters({
      onReturned: () => this.#counts.received++,
      onRefused: () => this.#counts.deadLettered++,
      ...{ clock, log, store, committer, observer, plane: this.plane },
      recordsAreKept: options.records.keep,
      directory: () => this.directory,
      sinksHaveLetters: () => this.sinks.feed?.lettersQueued(),
    });
    this.sinks = this.#createSinks();
    this.#actor = this.#createActor(edges$);
    this.finished = untilFinished(this.#actor, log);
  }

  get directory(): SourceDirectory {
    return this.#sources.directory;
  }

  get state(): string {
    const { value } = this.#actor.getSnapshot();
    return typeof value === 'string' ? value : (Object.values(value)[0] as string);
  }

  /** Null where nothing is stored. */
  get store(): EventStore | null {
    return this.#options.store;
  }

  start(): void {
    const { store, clock } = this.#options;
    const { observer, alerts: dispatcher } = this.#books;
    this.#unwatchClock = clock.watch(jumpReporter({ clock, observer, dispatcher }));
    if (store !== null) reportPreviousRun(store, clock.wallMs(), observer, dispatcher);
    noteClockAtStart(store, { clock, observer, dispatcher });
    this.#books.takeLeftAlerts(store?.leftAlerts ?? []);
    this.#actor.start();
    this.#actor.send({ type: 'engine.start' });
    this.letters?.deadLetterReplay.scan();
  }

  send(command: AnyCommand): void {
    const { registry, sinks, pipeline, rateLimiter, burstDetector } = this.#actor.getSnapshot().children;
    const asked = this.#withKnownCause(command);
    if (isConfigureCommand(asked)) {
      if (asked.problem !== undefined) this.#options.outputs.answer(asked, asked.problem, null);
      else if (asked.type === 'pipeline.configure') pipeline?.send(asked);
      else if (asked.type === 'rateLimiter.configure') rateLimiter?.send(asked);
      else burstDetector?.send(asked);
    } else if (isSinksCommand(asked)) sinks?.send(asked);
    else registry?.send(asked);
  }

  /** Builds stages that `pipeline.configure` puts in place.
   *  @throws HeadgateError HG_OPTION_INVALID for stages that cannot be built. */
  prepareStages(stages: EngineOptions['stages']): void {
    try {
      this.plane.prepare(stages as unknown as readonly Stage[]);
    } catch (error) {
      throw new HeadgateError('HG_OPTION_INVALID', `reconfigure: option "stages": ${messageOf(error)}`);
    }
  }

  /** Whether a place is kept at which a source of this name would go on. */
  hasPlace(name: string): boolean {
    return this.#sources.hasPlace(name);
  }

  /** Forgets it. @throws HeadgateError HG_ENGINE_STATE where a source of such a name is registered. */
  forgetSources(names: readonly string[]): Promise<void> {
    const busy = names.find((name) => this.directory.has(name));
    if (busy === undefined) return this.#sources.forget(names);
    const message = `source "${busy}" is registered; deregister it before its cursor is deleted`;
    throw new HeadgateError('HG_ENGINE_STATE', message);
  }

  /** Writes a row about the configuration; returns its `seq`. */
  noteConfig({ event, data = {} }: ConfigNote, cause: number | null): number {
    if (cause !== null && cause > this.#books.observer.lastSeq) {
      throw new HeadgateError('HG_OPTION_INVALID', noSuchRow(cause));
    }
    return this.#books.observer.append({ kind: 'config', event, data, actorId: 'engine', cause });
  }

  /** Drains and ends. */
  async stop(deadlineMs: number): Promise<EngineOutput> {
    this.#actor.send({ type: 'engine.stop', deadlineMs });
    return this.finished;
  }

  /** Writes what is left and closes the database. To be called once `finished` has resolved. Records that no
   *  drain has reached are lost: they are counted, and their sources are told. */
  async close(): Promise<void> {
    const { store, clock, log } = this.#options;
    const { committer } = this.#books;
    this.#unwatchClock();
    this.#sources.close();
    this.sinks.close();
    this.#books.deadLetters.close();
    this.#books.losses.close();
    this.letters?.deadLetterReplay.close();
    this.#books.close();
    const end = (await committer.close()) > 0 ? null : { atMs: clock.wallMs() };
    if (store !== null) await closeStore(store, { clock, log, end, isHung: committer.isAbandoned });
    this.#countLost(committer.lostLetters);
  }

  /** Rows that the storage did not take and never will. */
  get unwritten(): UnwrittenRows {
    return this.#books.unwritten;
  }

  /** Outcomes of all records so far. */
  balance(lost: number): RecordBalance {
    const { plane, directory } = this;
    const { exit } = this.#options.outputs;
    const returned = this.letters?.deadLetterReplay.waitingRecords ?? 0;
    const outside = directory.waitingRecords + returned + this.#sources.spilledRecords;
    const waiting = outside + plane.recordsBetweenStages + exit.pendingRows;
    const filtered = plane.reports().reduce((sum, stage) => sum + stage.filtered, 0);
    const { received, dropped, deadLettered } = this.#counts;
    return { received, stored: exit.stored, filtered, dropped, deadLettered, lost, waiting };
  }

  /** Health of all sources that have not ended and of those that ended last, in order of registration. */
  healths(): SourceHealth[] {
    return this.#sources.healths();
  }

  stats(): RunStats {
    const { store, outputs } = this.#options;
    return runStats({
      ...{ books: this.#books, plane: this.plane, settings: this.#settings, exit: outputs.exit },
      ...{ isStored: store !== null, file: this.#file },
      sources: this.#sources.stats(),
      sinks: this.sinks.directory.stats(),
    });
  }

  readonly #countLost = (records: number): void => this.#options.outputs.exit.countLost(records);

  /** Keeps a record that a stage or the recorder could not use. */
  buryRecord(record: IngestRecord, stage: string, error: unknown): void {
    this.#books.deadLetters.addRecord(record, stage, error);
  }

  refuseUnknown(type: string, message: string): void {
    this.#books.noteRefused(type, message);
  }

  /** A cause is a row that is there. */
  #withKnownCause(command: AnyCommand): AnyCommand {
    const { cause } = command;
    if (cause === undefined || cause <= this.#books.observer.lastSeq) return command;
    const problem = { code: 'HG_OPTION_INVALID', message: noSuchRow(cause) };
    return { ...command, problem: command.problem ?? problem };
  }

  #limit(command: RateLimiterCommand): void {
    const settings = this.#settings;
    settings.rateLimit = command.rateLimit;
    this.plane.limitAll(settings.globalLimit);
    for (const runtime of this.directory.runtimes()) {
      if (runtime.spec.rateLimit === null) this.plane.limitLane(runtime, settings.sourceLimit);
    }
    this.#options.outputs.answer(command, null, null);
  }

  #createSinks(): SinkSubsystem {
    const { clock, random, log, store, options, outputs } = this.#options;
    return new SinkSubsystem({
      ...{ clock, random, log, store },
      committer: this.#books.committer,
      deadLetters: this.#books.deadLetters,
      keepsRecords: options.records.keep,
      nextIncarnation: () => ++this.#lastIncarnation,
      problemOf: (spec) => sinkFileProblem(spec, ownFilesOf(options, this.#file), this.directory.runtimes()),
      answer: outputs.answer,
      note: this.#books.noteOf('sinks'),
      redact: options.redact,
      onAlert: (alert, runtime) => this.#books.raise(alert, runtime),
    });
  }

  #createActor(edges$: Subject<CommitEvent>): Actor<typeof engineMachine> {
    const { clock, options, outputs, random, log, store } = this.#options;
    const { directory, plane } = this;
    const settings = this.#settings;
    const books = this.#books;
    return createEngineActor({
      ...{ clock, options, settings, random, log, plane, directory, edges$ },
      sinks: this.sinks,
      exit: outputs.exit,
      limit: (command) => this.#limit(command),
      onBurstConfigured: (command) => {
        settings.burst = command.burst as BurstSettings | null;
        outputs.answer(command, null, null);
      },
      onStagesConfigured: (command, refusal) => outputs.answer(command, refusal, null),
      inspect: books.observer.inspect,
      deadLetter: books.writeDeadLetter,
      keepDeadline: books.keepDeadline,
      keepPollPhase: books.keepPollPhase,
      keepCursor: books.keepCursor,
      ownFileProblem: (path, identity) => this.#sources.ownFileProblem(path, identity),
      holdOff: (runtime, waitMs) => this.#sources.holdOffs.note(runtime, waitMs),
      raise: (alert, runtime) => books.raise(alert, runtime),
      onSecond: () => {
        plane.probe();
        this.#sources.refresh();
        this.sinks.sample();
      },
      onSample: (rows, healths) => {
        books.committer.addHealth(rows);
        this.#sources.sample();
        this.sinks.sample();
        outputs.health.next(healths);
      },
      janitor: janitorPorts(store, () => this.sinks.needs(), books.observer, books.alerts),
    });
  }
}

function noSuchRow(seq: number): string {
  return `option "cause": the timeline has no row ${seq} yet`;
}
