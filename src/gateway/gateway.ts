/** The gateway: an engine with its configuration, its doors and its watch, as one thing that is started and
 *  stopped. Parts start in order and stop in reverse, also where only some of them came up. */

import type { EngineReport } from '../engine/engine-report.ts';
import { createEngine, type Engine } from '../engine/engine.ts';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';
import { realClock } from '../platform/real-clock.ts';
import { ConfigFile } from './config-file.ts';
import { Continuity } from './continuity.ts';
import { sinkSpecOf, sourceSpecOf } from './config/specs.ts';
import { openInterfaces, type Interfaces } from './interfaces.ts';
import { openMetrics } from './open-metrics.ts';
import type {
  ApplyOptions,
  ConfigFormat,
  ConfigProblem,
  GatewayControl,
  Readiness,
  ReloadOrigin,
  ReloadOutcome,
  RunningConfiguration,
} from './gateway-control.ts';
import type { GatewayLog } from './gateway-log.ts';
import type { GatewayOptions } from './gateway-options.ts';
import { invalidConfig, NO_FILE, NOT_RUNNING, tellDrained } from './gateway-problems.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';
import {
  isProblems,
  prepareConfig,
  prepareConfigInTurns,
  requiredSourcesOf,
  type ConfigText,
  type PreparedConfig,
} from './prepared-config.ts';
import { readinessOf, type GatewayPhase } from './readiness.ts';
import { createReloader, type Reloader, type ReloadRequest } from './reload.ts';
import { watchInputs } from './watch-inputs.ts';
import { createServiceNotifier, type ServiceNotifier } from './service-notifier.ts';

export type { GatewayOptions };

/** Reads the configuration and makes what it names. Nothing is opened and nothing runs before `start()`.
 *  @throws HeadgateError HG_CONFIG_INVALID, with all that is wrong in `details.problems`. */
export function createGateway(options: GatewayOptions): Gateway {
  const { env, text = '', format = 'yaml' } = options;
  const file = options.file === undefined ? null : new ConfigFile(options.file);
  const nowMs = (options.clock ?? realClock).wallMs();
  const prepared = prepareConfig(file?.read() ?? { text, format, file: null }, { env, nowMs });
  if (isProblems(prepared)) throw invalidConfig(options.file, prepared);
  return new Gateway(options, file, prepared);
}

export class Gateway implements GatewayControl {
  readonly engine: Engine;
  /** Resolves when the engine has come to an end that nobody asked for. */
  readonly ended: Promise<void>;
  readonly #options: GatewayOptions;
  readonly #file: ConfigFile | null;
  readonly #clock: Clock;
  readonly #log: GatewayLog;
  readonly #notifier: ServiceNotifier;
  readonly #started: PreparedConfig;
  readonly #continuity: Continuity;
  readonly #reloader: Reloader;
  readonly #end: () => void;
  /** What is open, last first. */
  #parts = new AsyncDisposableStack();
  #phase: GatewayPhase = 'stopped';
  #begun = { atMs: 0, monoMs: 0 };
  #doors: Interfaces | null = null;
  #life: Watchdog | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<EngineReport> | null = null;
  #deadlineAtMs = 0;

  constructor(options: GatewayOptions, file: ConfigFile | null, started: PreparedConfig) {
    const { log, clock, env } = options;
    this.#options = options;
    this.#started = started;
    this.#file = file;
    this.#clock = clock ?? realClock;
    this.#log = log;
    this.#adopt(started);
    this.#notifier = createServiceNotifier({ env, pid: process.pid, clock: this.#clock, log });
    this.engine = createEngine({
      ...started.engine,
      ...{ logger: log, redact: (text: string) => log.mask(text) },
      ...(clock === undefined ? {} : { clock }),
    });
    this.#continuity = new Continuity({ clock: this.#clock, log, engine: this.engine });
    this.#reloader = createReloader({
      ...{ clock: this.#clock, log, engine: this.engine, started, mask: (text) => log.mask(text) },
      isKept: (address) => this.#continuity.isKept(address),
      besideEngine: ({ config }) => this.#doors?.stepsTo(config) ?? [],
      onTakenBack: (next) => void this.#continuity.takenBack(next),
      onApplied: (next, row) => {
        this.#adopt(next);
        void this.#continuity.applied(next, row);
      },
    });
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<void>());
  }

  get started(): GatewayControl['started'] {
    return this.#begun;
  }

  /** Where the HTTP server listens; null where there is none, or not yet. */
  get url(): string | null {
    return this.#doors?.url ?? null;
  }

  /** What the configuration gives a stop. */
  get stopDeadlineMs(): number {
    return this.#reloader.running.config.engine.stopDeadlineMs;
  }

  /** Whom the log is for, as the configuration has it. */
  get logFormat(): 'auto' | 'json' | 'pretty' {
    return this.#started.config.logging.format;
  }

  /** Starts the parts in order. Resolves when all of them run; sources may still be connecting.
   *  @throws HeadgateError HG_STORAGE_ codes, HG_HTTP_ codes, HG_PEER_MISSING; what had been started is
   *  stopped again. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Drains and closes everything, in reverse. Resolves with the engine's report; calling it twice does no
   *  harm. */
  stop({ deadlineMs = this.stopDeadlineMs }: { readonly deadlineMs?: number } = {}): Promise<EngineReport> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  /** Reads the file again. Never rejects. */
  async reload(origin: ReloadOrigin): Promise<ReloadOutcome> {
    const file = this.#file;
    if (file === null) {
      const next = 'change it over the API, or start the gateway with a file';
      this.#log.warn({ origin, next }, 'the configuration came from no file that could be read again');
    }
    this.#notifier.notify('RELOADING=1');
    const prepare = (running: PreparedConfig) =>
      file === null ? running : this.#prepare(file.read(), origin);
    const outcome = await this.#change({ origin, key: 'file', prepare });
    this.#notifier.notify('READY=1');
    this.#life?.look();
    return outcome;
  }

  configuration(): RunningConfiguration {
    const { running, version, last } = this.#reloader;
    const { digest, document } = running;
    return { version, digest, document, file: this.#file?.path ?? null, lastReload: last };
  }

  async validate(text: string, format: ConfigFormat): Promise<readonly ConfigProblem[]> {
    const prepared = await this.#prepare({ text, format, file: this.#file?.path ?? null }, 'api');
    return isProblems(prepared) ? prepared : [];
  }

  async apply(text: string, options: ApplyOptions): Promise<ReloadOutcome> {
    const { format, origin, by, persist = false } = options;
    const file = this.#file;
    const outcome = await this.#change({
      origin,
      ...(by === undefined ? {} : { by }),
      prepare: () => {
        const problem = persist ? (file === null ? NO_FILE : file.problemWith(format)) : null;
        return problem === null
          ? this.#prepare({ text, format, file: file?.path ?? null }, origin)
          : [problem];
      },
      ...(persist && file !== null ? { persist: () => file.replace(text) } : {}),
    });
    this.#life?.look();
    return outcome;
  }

  readiness(): Readiness {
    return readinessOf({
      phase: this.#phase,
      stats: this.engine.stats(),
      requiredSources: requiredSourcesOf(this.#reloader.running),
      monotonicMs: this.#clock.monotonicMs(),
    });
  }

  sourceSpec(id: string, entry: unknown): SourceSpec {
    return sourceSpecOf(id, entry);
  }

  sinkSpec(id: string, entry: unknown): SinkSpec {
    return sinkSpecOf(id, entry);
  }

  /** What comes while the parts start has its turn after that. */
  async #change(request: ReloadRequest): Promise<ReloadOutcome> {
    await this.#starting?.catch(() => undefined);
    const prepare: ReloadRequest['prepare'] = (running) =>
      this.#phase === 'running' ? request.prepare(running) : [NOT_RUNNING];
    return this.#reloader.reload({ ...request, prepare });
  }

  async #prepare(text: ConfigText, origin: ReloadOrigin) {
    const [{ http }, { env }] = [this.#started.config, this.#options];
    const around = { env, nowMs: this.#clock.wallMs(), ...(http.enabled ? { listening: http } : {}) };
    const prepared = await prepareConfigInTurns(text, around, () => this.#clock.sleep(0));
    if (isProblems(prepared)) return prepared;
    const problems = this.#continuity.problemsWith(prepared, origin);
    return problems.length > 0 ? problems : prepared;
  }

  /** What is no part of the engine follows the configuration. */
  #adopt({ config, secrets, warnings }: PreparedConfig): void {
    this.#log.hide(secrets);
    this.#log.setLevel(this.#options.logLevel ?? config.logging.level);
    for (const { path, message } of warnings) this.#log.warn({ setting: path }, message);
  }

  async #start(): Promise<void> {
    if (this.#stopping !== null) {
      const message = 'a gateway that was stopped cannot be started; make another';
      throw new HeadgateError('HG_ENGINE_STATE', message);
    }
    this.#phase = 'starting';
    this.#begun = { atMs: this.#clock.wallMs(), monoMs: this.#clock.monotonicMs() };
    try {
      await this.#startParts();
    } catch (error) {
      await this.#close(this.stopDeadlineMs);
      throw error;
    }
    this.#phase = 'running';
    this.#notifier.notify('READY=1');
    this.#life?.look();
    const { digest, sources, sinks } = this.#reloader.running;
    const facts = { url: this.url, file: this.#options.file, digest };
    this.#log.info({ ...facts, sources: sources.size, sinks: sinks.size }, 'the gateway runs');
    // It may have changed while the parts came up.
    this.#reloadIfChanged();
  }

  async #startParts(): Promise<void> {
    const { engine } = this;
    const { running } = this.#reloader;
    this.#life = this.#startWatchdog();
    this.#parts.defer(() => this.#life?.close());
    const { config: started } = running;
    const shared = { clock: this.#clock, log: this.#log, started, closeMs: () => this.#remainingMs() };
    const metrics = await openMetrics({ ...shared, engine, reloads: this.#reloader }, this.#parts);
    await engine.start();
    this.#parts.defer(() => this.#stopEngine());
    await this.#continuity.open();
    const problems = this.#continuity.problemsWith(running, 'start');
    if (problems.length > 0) throw invalidConfig(this.#options.file, problems);
    this.#parts.defer(() => this.#continuity.close());
    const seq = engine.noteConfig({
      event: 'config.applied',
      data: { origin: 'start', version: this.#reloader.version, digest: running.digest },
    });
    const by = { cause: seq };
    // Before anything listens: it is written down that there are tokens.
    await this.#continuity.applied(running, seq);
    await Promise.all([...running.sinks.values()].map((spec) => engine.registerSink(spec, by)));
    this.#doors = this.#parts.use(
      await openInterfaces({
        ...{ ...shared, ...metrics, gateway: this, redact: (text) => this.#log.mask(text) },
        running: () => this.#reloader.running.config,
      }),
    );
    await Promise.all([...running.sources.values()].map((spec) => engine.register(spec, by)));
    this.#doors.openControl();
    await this.#watch();
  }

  async #watch(): Promise<void> {
    if (this.#options.watch === false) return;
    const watches = await watchInputs({
      ...{ path: this.#file?.path ?? null, clock: this.#clock, log: this.#log },
      references: () => this.#reloader.running.files,
      onFile: () => this.#reloadIfChanged(),
      onReference: () => void this.#readReferencesAgain(),
    });
    this.#parts.use(watches);
  }

  /** The text is the one that runs, unless the file says something new: what it refers to is read again. */
  #readReferencesAgain(): Promise<ReloadOutcome> {
    const prepare = ({ text, format, config: { file } }: PreparedConfig) =>
      this.#prepare(this.#file?.saysNew() === true ? this.#file.read() : { text, format, file }, 'file');
    return this.#change({ origin: 'file', key: 'file', prepare });
  }

  /** A file that was only touched, or that this process has written, says nothing new. */
  #reloadIfChanged(): void {
    if (this.#options.watch === false || this.#phase !== 'running') return;
    if (this.#file?.saysNew() === true) void this.reload('file');
  }

  #startWatchdog(): Watchdog {
    const { engine } = this;
    return startWatchdog({
      ...{ clock: this.#clock, log: this.#log, notifier: this.#notifier },
      phase: () => this.#phase,
      engineState: () => engine.state,
      stats: () => engine.stats(),
      readiness: () => this.readiness(),
      askSupervisors: () => engine.list(),
      onEngineEnded: this.#end,
    });
  }

  async #stop(deadlineMs: number): Promise<EngineReport> {
    // A start that fails tells whoever called it.
    await this.#starting?.catch(() => undefined);
    if (this.#phase !== 'stopped') {
      this.#phase = 'stopping';
      this.#notifier.notify('STOPPING=1');
      this.#life?.look();
      await this.#close(deadlineMs);
    }
    return this.engine.report();
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#deadlineAtMs = this.#clock.monotonicMs() + deadlineMs;
    try {
      await this.#parts.disposeAsync();
    } finally {
      this.#phase = 'stopped';
      await this.#notifier.flushed();
    }
  }

  async #stopEngine(): Promise<void> {
    tellDrained(this.#log, await this.engine.stop({ deadlineMs: this.#remainingMs() }));
  }

  #remainingMs(): number {
    return Math.max(0, Math.round(this.#deadlineAtMs - this.#clock.monotonicMs()));
  }
}
