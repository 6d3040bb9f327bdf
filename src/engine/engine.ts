/** The composition root: what users hold. Work begins in `start()`; a stopped engine can be started again. */

import { randomUUID } from 'node:crypto';
import pino from 'pino';
import type { Observable } from 'rxjs';
import { RecordOutput } from '../../actors/data-plane/record-output.ts';
import { GuardedObservable } from '../../actors/data-plane/guarded-observable.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { rateLimitedLogger } from '../timing/rate-limited-logger.ts';
import { randomnessOf } from './randomness.ts';
import { engineOptionsSchema } from '../config/engine-options.ts';
import type { EngineOptions, EngineOptionsInput } from '../config/engine-options.ts';
import { resolveOptions } from '../config/resolve-options.ts';
import { NOT_STARTED, requireCapacity, requireMs, STOP_DEADLINE_MS, STOPPED } from './engine-checks.ts';
import { deadLettersOf, type DeadLetters } from './dead-letters.ts';
import { EngineNotes } from './engine-notes.ts';
import type {
  CommandOptions,
  ConfigNote,
  EngineReport,
  ReconfigureOptions,
  StopOptions,
} from './engine-report.ts';
import { eachOf, engineSubjects, reportTo, transitionsOf } from './engine-streams.ts';
import { EngineRun, type RunOutputs } from './engine-run.ts';
import { formatAddress, parseAddress } from '../domain/address.ts';
import type { Alert } from '../domain/alert.ts';
import { HeadgateError, type ErrorFacts } from '../domain/errors.ts';
import { activeNames, type SourceHealth } from '../domain/health.ts';
import { NO_BALANCE, NOTHING_UNWRITTEN } from './record-balance.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';
import type { Random } from '../domain/random.ts';
import type { Batch, FlowItem } from '../domain/record.ts';
import type { SinkHealth } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { DeadLetter, TimelineRow } from '../domain/timeline.ts';
import type { EngineState, EngineStats } from './engine-stats.ts';
import type { Consumer } from '../pipeline/consumer.ts';
import type { Stage } from '../pipeline/stage.ts';
import { openStore } from './open-store.ts';
import { NO_RUN } from './run-stats.ts';
import { realClock } from '../platform/real-clock.ts';
import { commandsFor, resolveChanges, resolveConfigNote, type Reconfiguration } from './reconfiguration.ts';
import { PendingRequests, type AnyCommand, type Registration } from './pending-requests.ts';
import { readCommand, type Command } from './commands/parse-command.ts';
import { watchClock, type WatchedClock } from '../platform/watched-clock.ts';

export interface CreateEngineOptions extends Omit<EngineOptionsInput, 'stages'> {
  /** Stages, in the order records go through them. */
  readonly stages?: readonly Stage[];
}

/** Makes an engine. Nothing is opened and nothing runs before `start()`.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function createEngine(options: CreateEngineOptions = {}): Engine {
  return new Engine(options);
}

export class Engine extends EngineNotes {
  /** Batches of records, once stored (where nothing is kept: after the stages). Holds nothing back. */
  readonly batches$: Observable<Batch>;
  /** The same, one by one; poison records among them, in their place. */
  readonly records$: Observable<FlowItem>;
  /** Alerts, once they are stored. */
  readonly alerts$: Observable<Alert>;
  /** Births, transitions and ends of all actors, once they are stored. */
  readonly transitions$: Observable<TimelineRow>;
  readonly deadLetters$: Observable<DeadLetter>;
  /** Dead letters that are kept. @throws HeadgateError HG_ENGINE_STATE while the engine does not run, or
   *  where it stores nothing. */
  readonly deadLetters: DeadLetters;
  /** The health of all sources, at every sample. */
  readonly health$: Observable<readonly SourceHealth[]>;

  #options: EngineOptions;
  readonly #clock: WatchedClock;
  readonly #log: Logger;
  readonly #exit: RecordOutput;
  readonly #outputs: RunOutputs;
  readonly #requests = new PendingRequests();
  /** Commands given before the start. */
  #backlog: AnyCommand[] = [];
  #run: EngineRun | null = null;
  #startedAtMs: number | null = null;
  #deliveredBefore = 0;
  #lost = 0;
  #starting: Promise<void> | null = null;
  #ending: Promise<void> | null = null;
  /** The last change to the configuration; the next one waits for it. */
  #changing: Promise<void> = Promise.resolve();

  constructor(input: CreateEngineOptions) {
    super();
    this.#options = resolveOptions(engineOptionsSchema, input, 'createEngine');
    this.#clock = watchClock(this.#options.clock ?? realClock);
    const logger = this.#options.logger ?? pino({ name: 'headgate', level: 'warn' }, pino.destination(2));
    this.#log = rateLimitedLogger(logger, this.#clock);
    this.#exit = new RecordOutput({
      clock: this.#clock,
      recordBytesMax: this.#options.records.bytesMax,
      deadLetter: (record, stage, error) => this.#run?.buryRecord(record, stage, error),
    });
    const subjects = engineSubjects();
    this.#outputs = {
      ...subjects,
      exit: this.#exit,
      answer: this.#requests.answer,
    };
    const report = reportTo(this.#log, this.#clock);
    this.batches$ = new GuardedObservable(this.#exit.batches$, report);
    this.records$ = new GuardedObservable(eachOf(this.#exit.batches$), report);
    this.alerts$ = new GuardedObservable(subjects.alerts, report);
    this.transitions$ = new GuardedObservable(transitionsOf(subjects.rows), report);
    this.deadLetters$ = new GuardedObservable(subjects.deadLetters, report);
    this.deadLetters = deadLettersOf(() => (this.#isOver ? null : this.#run?.letters?.deadLetters));
    this.health$ = new GuardedObservable(subjects.health, report);
  }

  get state(): EngineState {
    if (this.#run !== null) return this.#run.state as EngineState;
    return this.#starting === null ? 'idle' : 'booting';
  }

  /** Opens the database and starts the parts in order. Calling it on a running engine does nothing; one that
   *  drains ends first and is then started anew.
   *  @throws HeadgateError HG_STORAGE_LOCKED and other HG_STORAGE_ codes; the engine then is as before. */
  start(): Promise<void> {
    if (this.#starting === null && this.state === 'running') return Promise.resolve();
    this.#starting ??= this.#startAnew().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  /** Drains sources and stages, writes what is left, closes the database. Calling it twice does no harm. */
  async stop({ deadlineMs = STOP_DEADLINE_MS }: StopOptions = {}): Promise<EngineReport> {
    requireMs('stop', { deadlineMs });
    // A start that fails tells whoever called it.
    if (this.#starting !== null) await this.#starting.catch(() => {});
    if (this.#run === null) this.#forgetBacklog();
    else if (!this.#isOver) await this.#run.stop(deadlineMs);
    await this.#ending;
    return this.report();
  }

  /** Starts, waits, stops. `durationMs` counts from the call, so it includes the start. */
  async run({
    durationMs,
    deadlineMs = STOP_DEADLINE_MS,
  }: { readonly durationMs: number } & StopOptions): Promise<EngineReport> {
    requireMs('run', { durationMs, deadlineMs });
    const endMonoMs = this.#clock.monotonicMs() + durationMs;
    await this.start();
    await this.#clock.sleep(Math.max(0, endMonoMs - this.#clock.monotonicMs()));
    return this.stop({ deadlineMs });
  }

  /** Puts other stages, another rate limit or another burst detection in place while records flow: none is
   *  lost, each goes through the stages of one version, order stays, sources go on undisturbed. `null` turns
   *  a limit, or the detection, off; what is left out stays as it is. Changes are made one after the other,
   *  and last over a stop and a new start.
   *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID; HG_RECONFIGURE_TIMEOUT where what is between
   *  the stages does not get through in time; HG_ENGINE_STATE while the engine stops. Nothing has changed
   *  then. */
  async reconfigure(changes: Reconfiguration, options: ReconfigureOptions = {}): Promise<void> {
    const resolved = resolveChanges(changes, options);
    const turn = this.#changing.then(() => this.#change(resolved));
    this.#changing = turn.catch(() => {});
    return turn;
  }

  /** Writes a row about the configuration into the timeline; commands may name it as their cause. Returns its
   *  `seq`. The row is stored with the next commit.
   *  @throws HeadgateError HG_ENGINE_STATE while the engine does not run; HG_OPTION_INVALID for data that is
   *  not plain, or too much. */
  noteConfig(note: ConfigNote, options: CommandOptions = {}): number {
    const { note: plain, cause } = resolveConfigNote(note, options);
    return this.atWork().noteConfig(plain, cause);
  }

  /** Asks the registry for all sources: those that are registered and those that ended last. */
  async list(): Promise<SourceHealth[]> {
    await this.request({ type: 'registry.list' });
    return this.#healths();
  }

  /** The health of all sinks: those that are registered and those that ended last. */
  sinks(): SinkHealth[] {
    return this.#run?.sinks.directory.healths() ?? [];
  }

  /** @throws HeadgateError HG_SINK_UNKNOWN */
  sinkHealth(id: string): SinkHealth {
    const name = formatAddress(parseAddress(String(id)));
    const nameOf = ({ tenant, sinkId: sourceId }: SinkHealth) => formatAddress({ tenant, sourceId });
    const found = this.sinks().findLast((one) => nameOf(one) === name);
    if (found === undefined) throw new HeadgateError('HG_SINK_UNKNOWN', `no sink "${name}" is registered`);
    return found;
  }

  /** Sends a command as a message. Never throws: a refusal is a row of the timeline. */
  send(command: Command): void {
    const read = readCommand(command);
    if (read.command !== null) this.#dispatch(read.command);
    else if (this.#run !== null && !this.#isOver) this.#run.refuseUnknown(read.type, read.problem);
    else this.#log.warn({ command: read.type }, read.problem);
  }

  /** Ids of the sources that are neither paused, open-circuit, quarantined nor ended. */
  activeSources(): string[] {
    return activeNames(this.#healths());
  }

  /** The health of one source, or of all: those that are registered and those that ended last.
   *  @throws HeadgateError HG_SOURCE_UNKNOWN */
  health(): SourceHealth[];
  health(id: string): SourceHealth;
  health(id?: string): SourceHealth[] | SourceHealth {
    if (id === undefined) return this.#healths();
    const name = formatAddress(parseAddress(String(id)));
    const found = this.#run?.directory.find(name)?.health();
    const health = found ?? this.#healths().find((one) => formatAddress(one) === name);
    if (health === undefined)
      throw new HeadgateError('HG_SOURCE_UNKNOWN', `no source "${name}" is registered`);
    return health;
  }

  /** A source as it was registered; undefined where none of this id runs. */
  sourceSpec(id: string): SourceSpec | undefined {
    return this.#run?.directory.find(id)?.spec;
  }

  report(): EngineReport {
    const lost = this.#lost + this.#exit.lost;
    return {
      sources: this.#healths(),
      stages: this.#run?.plane.reports() ?? [],
      admitted: this.#run?.plane.admitted ?? 0,
      dropped: this.#run?.plane.dropped ?? 0,
      delivered: this.#exit.delivered - this.#deliveredBefore,
      lost,
      balance: this.#run?.balance(lost) ?? NO_BALANCE,
      unwritten: this.#run?.unwritten ?? NOTHING_UNWRITTEN,
    };
  }

  /** What it counts and knows of itself just now, in any state. Cheap: to be asked every few seconds. */
  stats(): EngineStats {
    return {
      state: this.state,
      ...{ monoMs: this.#clock.monotonicMs(), ageMs: (atMs) => this.#clock.ageMs(atMs) },
      startedAtMs: this.#startedAtMs,
      deliveredRecords: this.#exit.delivered - this.#deliveredBefore,
      ...(this.#run?.stats() ?? NO_RUN),
    };
  }

  /** Reads what comes out of the stages, at the reader's pace: a full queue of `capacityRecords` holds the
   *  pipeline back. Ends when the engine has drained. Leaving the loop (`break`) lets the pipeline go. */
  consume({ capacityRecords = LIMITS.consumerCapacityRecords }: { capacityRecords?: number } = {}): Consumer {
    requireCapacity('consume', { capacityRecords });
    return this.#exit.consume(capacityRecords);
  }

  get #isOver(): boolean {
    return this.state === 'stopped' || this.state === 'failed';
  }

  protected atWork(): EngineRun {
    if (this.#run !== null && !this.#isOver) return this.#run;
    throw new HeadgateError('HG_ENGINE_STATE', 'the engine does not run; start it first');
  }

  #healths(): SourceHealth[] {
    return this.#run?.healths() ?? [];
  }

  async #startAnew(): Promise<void> {
    await this.#ending;
    this.#run = null;
    const { random, uuid } = randomnessOf(this.#options, randomUUID);
    const store = await openStore(this.#options, { clock: this.#clock, uuid });
    this.#startedAtMs = this.#clock.wallMs();
    this.#deliveredBefore = this.#exit.delivered;
    this.#lost = 0;
    const run = (this.#run = await this.#wire(random, store));
    this.#ending = run.finished.then(async ({ lostRecords }) => {
      this.#lost = lostRecords;
      this.#exit.end();
      await run.close();
      this.#lost += this.#exit.detach();
      this.#requests.refuseAll(STOPPED);
    });
    run.start();
    for (const command of this.#backlog.splice(0)) run.send(command);
  }

  /** Makes the parts of a run. If one cannot be made, the database is let go again. */
  async #wire(random: Random, store: EventStore | null): Promise<EngineRun> {
    const stages = this.#options.stages as unknown as readonly Stage[];
    const parts = { options: this.#options, clock: this.#clock, log: this.#log, outputs: this.#outputs };
    try {
      return new EngineRun({ ...parts, stages, random, store });
    } catch (error) {
      await store?.close({ atMs: this.#clock.wallMs() });
      throw error;
    }
  }

  protected request(command: Command): Promise<Registration> {
    const { command: understood } = readCommand(command);
    return this.#requests.ask(understood as AnyCommand, (asked) => this.#dispatch(asked));
  }

  async #change({ changes, how }: ReturnType<typeof resolveChanges>): Promise<void> {
    // A start that fails tells whoever called it.
    if (this.#starting !== null) await this.#starting.catch(() => {});
    if (this.state === 'draining') {
      throw new HeadgateError('HG_ENGINE_STATE', 'the engine is stopping; nothing can be changed now');
    }
    if (this.#run !== null && !this.#isOver) {
      if (changes.stages !== undefined) this.#run.prepareStages(changes.stages);
      for (const command of commandsFor(changes, how)) {
        await this.#requests.ask(command, (asked) => this.#dispatch(asked));
      }
    }
    this.#options = { ...this.#options, ...changes };
  }

  /** An engine that is stopped before it was started will not carry out what was asked of it. */
  #forgetBacklog(): void {
    this.#backlog = [];
    this.#requests.refuseAll(STOPPED);
  }

  #dispatch(command: AnyCommand): void {
    if (this.#run !== null && !this.#isOver) this.#run.send(command);
    else if (this.#run !== null) this.#refuse(command, STOPPED);
    else if (command.problem !== undefined) this.#refuse(command, command.problem);
    else if (this.#backlog.length >= LIMITS.backlogCommandsMax) this.#refuse(command, NOT_STARTED);
    else this.#backlog.push(command);
  }

  /** Refuses where no registry runs that could. */
  #refuse(command: AnyCommand, error: ErrorFacts): void {
    this.#log.warn({ command: command.type, ...error }, 'a command was refused');
    this.#requests.answer(command, error, null);
  }
}
