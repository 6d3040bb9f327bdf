/** The engine as its users hold it: the composition root. Options are resolved when it is made, work starts
 *  in `start()`, and a stopped engine can be started again. */

import { randomUUID } from 'node:crypto';
import pino from 'pino';
import type { Observable } from 'rxjs';
import { Exit } from '../actors/flow/exit.ts';
import { GuardedObservable } from '../actors/flow/guarded-observable.ts';
import type { EventStore } from '../storage/event-store.ts';
import { engineOptionsSchema, type EngineOptions, type EngineOptionsInput } from './config/engine-options.ts';
import { resolveOptions } from './config/resolve-options.ts';
import { NOT_STARTED, requireCapacity, requireMs, STOPPED } from './engine-checks.ts';
import { deadLettersOf, type DeadLetters } from './dead-letters.ts';
import type { DeregisterOptions, EngineReport, StopOptions } from './engine-report.ts';
import { eachOf, engineSubjects, reportTo, transitionsOf } from './engine-streams.ts';
import { EngineRun, type RunOutputs } from './engine-run.ts';
import { formatAddress, parseAddress } from './domain/address.ts';
import type { Alert } from './domain/alert.ts';
import type { Clock } from './domain/clock.ts';
import { HeadgateError, type ErrorFacts } from './domain/errors.ts';
import { INACTIVE_STATES, type SourceHealth } from './domain/health.ts';
import { LIMITS } from './domain/limits.ts';
import type { Logger } from './domain/logger.ts';
import { seededRandom, type Random } from './domain/random.ts';
import type { Batch, FlowItem } from './domain/record.ts';
import type { SinkHealth, SinkSpec } from './domain/sink.ts';
import type { SourceSpec } from './domain/source.ts';
import type { DeadLetter, TimelineRow } from './domain/timeline.ts';
import type { Consumer } from './pipeline/consumer.ts';
import type { Stage } from './pipeline/stage.ts';
import { openStore } from './open-store.ts';
import { realClock } from './real-clock.ts';
import { PendingRequests, type AnyCommand, type Registration } from './pending-requests.ts';
import { readCommand, type Command } from './read-command.ts';

export interface CreateEngineOptions extends Omit<EngineOptionsInput, 'stages'> {
  /** Stages, in the order records go through them. */
  readonly stages?: readonly Stage[];
}

export type EngineState = 'idle' | 'booting' | 'running' | 'draining' | 'stopped' | 'failed';

const STOP_DEADLINE_MS = 10_000;

/** Makes an engine. Nothing is opened and nothing runs before `start()`.
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function createEngine(options: CreateEngineOptions = {}): Engine {
  return new Engine(options);
}

export class Engine {
  /** Batches of records, once they are stored (after the stages where nothing is kept). Holds nothing back.
   *  */
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

  readonly #options: EngineOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #exit: Exit;
  readonly #outputs: RunOutputs;
  readonly #requests = new PendingRequests();
  /** Commands given before the start. */
  #backlog: AnyCommand[] = [];
  #run: EngineRun | null = null;
  #deliveredBefore = 0;
  #lost = 0;
  #starting: Promise<void> | null = null;
  #ending: Promise<void> | null = null;

  constructor(input: CreateEngineOptions) {
    this.#options = resolveOptions(engineOptionsSchema, input, 'createEngine');
    this.#clock = this.#options.clock ?? realClock;
    this.#log = this.#options.logger ?? pino({ name: 'headgate', level: 'warn' }, pino.destination(2));
    this.#exit = new Exit({
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

  /** Starts, waits, stops. */
  async run({
    durationMs,
    deadlineMs = STOP_DEADLINE_MS,
  }: { readonly durationMs: number } & StopOptions): Promise<EngineReport> {
    requireMs('run', { durationMs, deadlineMs });
    await this.start();
    await this.#clock.sleep(durationMs);
    return this.stop({ deadlineMs });
  }

  /** Registers a source. Resolves when it is accepted; before `start()`, once that has been called.
   *  @throws HeadgateError HG_SOURCE_DUPLICATE, HG_SOURCE_NO_STREAM, HG_OPTION_INVALID, HG_ENGINE_STATE */
  async register(spec: SourceSpec): Promise<Registration> {
    return this.#request({ type: 'registry.register', spec });
  }

  /** Replaces a source by one with other options, after it has drained. Resolves when the old one has ended.
   *  */
  async update(spec: SourceSpec): Promise<Registration> {
    return this.#request({ type: 'registry.update', spec });
  }

  /** Takes a source out. Resolves when it has ended.
   *  @throws HeadgateError HG_SOURCE_UNKNOWN */
  async deregister(id: string, options: DeregisterOptions = {}): Promise<Registration> {
    return this.#request({ ...options, type: 'registry.deregister', id });
  }

  async pause(id: string): Promise<Registration> {
    return this.#request({ type: 'registry.pause', id });
  }

  /** Lets a paused or quarantined source go on. */
  async resume(id: string): Promise<Registration> {
    return this.#request({ type: 'registry.resume', id });
  }

  /** Asks the registry for all sources: those that are registered and those that ended last. */
  async list(): Promise<SourceHealth[]> {
    await this.#request({ type: 'registry.list' });
    return this.#healths();
  }

  /** Registers a sink: it delivers what the log holds after its cursor, and what comes. Resolves when it is
   *  accepted; before `start()`, once that has been called.
   *  @throws HeadgateError HG_SINK_DUPLICATE, HG_OPTION_INVALID, HG_ENGINE_STATE */
  async registerSink(spec: SinkSpec): Promise<Registration> {
    return this.#request({ type: 'sinks.register', spec });
  }

  /** Replaces a sink by one with other options, which goes on where the old one was. Resolves when the old
   *  one has ended, after the delivery under way. */
  async updateSink(spec: SinkSpec): Promise<Registration> {
    return this.#request({ type: 'sinks.update', spec });
  }

  /** Takes a sink out, and its cursor; with `drain` (the default) after it has delivered what is stored.
   *  Resolves when it has ended.
   *  @throws HeadgateError HG_SINK_UNKNOWN */
  async deregisterSink(id: string, options: DeregisterOptions = {}): Promise<Registration> {
    return this.#request({ ...options, type: 'sinks.deregister', id });
  }

  async pauseSink(id: string): Promise<Registration> {
    return this.#request({ type: 'sinks.pause', id });
  }

  /** Lets a paused or quarantined sink go on; one whose circuit is open tries at once. */
  async resumeSink(id: string): Promise<Registration> {
    return this.#request({ type: 'sinks.resume', id });
  }

  /** The health of all sinks: those that are registered and those that ended last. */
  sinks(): SinkHealth[] {
    return this.#run?.sinks.directory.healths() ?? [];
  }

  /** @throws HeadgateError HG_SINK_UNKNOWN */
  sinkHealth(id: string): SinkHealth {
    const name = formatAddress(parseAddress(String(id)));
    const found = this.sinks().findLast(
      ({ tenant, sinkId }) => formatAddress({ tenant, sourceId: sinkId }) === name,
    );
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
    return this.#healths()
      .filter(({ state }) => !INACTIVE_STATES.has(state))
      .map(({ tenant, sourceId }) => formatAddress({ tenant, sourceId }));
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

  report(): EngineReport {
    return {
      sources: this.#healths(),
      stages: this.#run?.plane.flow.reports() ?? [],
      admitted: this.#run?.plane.admitted ?? 0,
      dropped: this.#run?.plane.dropped ?? 0,
      delivered: this.#exit.delivered - this.#deliveredBefore,
      lost: this.#lost,
    };
  }

  /** Reads what comes out of the stages, at the reader's pace: a full queue of `capacityRecords` holds the
   *  pipeline back. Ends when the engine has drained. Leaving the loop (`break`) lets the pipeline go. */
  consume({ capacityRecords = LIMITS.consumerCapacityRecords }: { capacityRecords?: number } = {}): Consumer {
    requireCapacity('consume', { capacityRecords });
    return this.#exit.consume(capacityRecords);
  }

  get #isOver(): boolean {
    const { state } = this;
    return state === 'stopped' || state === 'failed';
  }

  #healths(): SourceHealth[] {
    return this.#run?.healths() ?? [];
  }

  async #startAnew(): Promise<void> {
    await this.#ending;
    this.#run = null;
    const { clock, seed } = this.#options;
    const isSimulated = clock !== undefined && seed !== undefined;
    const random = seededRandom(seed ?? randomUUID());
    const identity = random.fork('identity');
    const uuid = isSimulated ? () => identity.uuid() : randomUUID;
    const store = await openStore(this.#options, { clock: this.#clock, uuid });
    this.#deliveredBefore = this.#exit.delivered;
    this.#lost = 0;
    const run = await this.#wire(random, store);
    this.#run = run;
    this.#ending = run.finished.then(async ({ lostRecords }) => {
      this.#lost = lostRecords;
      this.#exit.end();
      const unreached = await run.close();
      this.#lost += unreached + this.#exit.detach();
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

  #request(command: Command): Promise<Registration> {
    const { command: understood } = readCommand(command);
    return this.#requests.ask(understood as AnyCommand, (asked) => this.#dispatch(asked));
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
