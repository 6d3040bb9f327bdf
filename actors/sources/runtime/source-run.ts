/** One run of a source's code, from `live` until that state is left. It hands the code its `io`,
 *  takes what it gives into the outlet, and tells the statechart about the link: opened, failed, ended; reads
 *  failing, recovered. */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { LazyRandom } from '../../../src/domain/random.ts';
import type { IngestRecord, RecordMeta } from '../../../src/domain/record.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { SourceFact } from '../../../machines/source-machine.ts';
import { managed, type Scope } from '../../support/managed.ts';
import { ConnectTimer } from './connect-timer.ts';
import { buildRecords } from './build-records.ts';
import { isAsyncIterable, requirePromise } from '../stream-kind.ts';
import { heldOffError, retryAfterFact } from './hold-offs.ts';
import { linkFailed, noteHoldOff } from './link-failure.ts';
import type { SourceRunPorts } from './source-run-ports.ts';
import { runAlerts } from '../../alerts/run-alerts.ts';
import type { SourceRuntime } from './source-runtime.ts';

type IntakeScope = Scope<SourceFact>;

export function createSourceRun(ports: SourceRunPorts) {
  return managed<{ runtime: object }, SourceFact>(
    (error) => linkFailed(ports, error),
    (scope, { runtime }) => new SourceRun(ports, scope, runtime as SourceRuntime).begin(),
  );
}

/** Records that came together and have not gone on yet. */
interface Gathered {
  readonly nowMs: number;
  readonly monoMs: number;
  readonly records: IngestRecord[];
}

/** One run. Its io is closed for good when the run is left. */
class SourceRun {
  readonly #ports: SourceRunPorts;
  readonly #scope: IntakeScope;
  readonly #runtime: SourceRuntime;
  readonly #abort = new AbortController();
  #isOpen = false;
  #isOver = false;
  /** Errors in a row from before this link; a link that holds forgives them. */
  #errorsBefore = 0;
  #openedMonoMs = Number.POSITIVE_INFINITY;
  readonly #connectTimer: ConnectTimer;
  /** Records handed in since the event loop last turned. */
  #turnRecords = 0;
  #gathered: Gathered | null = null;

  constructor(ports: SourceRunPorts, scope: IntakeScope, runtime: SourceRuntime) {
    this.#ports = ports;
    this.#scope = scope;
    this.#runtime = runtime;
    this.#connectTimer = new ConnectTimer(ports.clock);
  }

  readonly #failRun = (error: unknown): void => this.#fail(error);

  /** Code of the source that is called when its records have come to their end. */
  readonly #receiptThrew = (error: unknown): void => {
    if (!this.#isOver) this.#fail(error);
    else this.#ports.log.warn({ source: this.#runtime.name, error: messageOf(error) }, 'a receipt threw');
  };

  /** Starts the code of the source, after the run before it has settled. */
  begin(): void {
    const previous = this.#runtime.closing;
    this.#scope.onClose(() => this.#leave());
    this.#runtime.failRun = this.#failRun;
    const heldOff = heldOffError(this.#runtime);
    if (heldOff !== null) {
      this.#fail(heldOff);
      return;
    }
    if (previous === null && this.#runtime.spec.logic.connects !== true) {
      this.#start();
      return;
    }
    const timeoutMs = this.#runtime.spec.connectTimeoutMs;
    this.#connectTimer.start(timeoutMs, () => {
      const isStuck = this.#runtime.closing !== null && this.#runtime.closing === previous;
      const error = isStuck
        ? new HeadgateError(
            'HG_SOURCE_STUCK',
            `its last run has not ended for ${timeoutMs} ms after its signal aborted`,
          )
        : this.#connectTimer.error(this.#runtime.spec);
      this.#fail(error);
    });
    if (previous === null) this.#start();
    else void previous.then(() => this.#start());
  }

  #start(): void {
    if (this.#isOver) return;
    const runtime = this.#runtime;
    const { logic } = runtime.spec;
    if (runtime.hasFailed) runtime.restarts++;
    runtime.hasFailed = false;
    let outcome: Promise<void>;
    try {
      const io = this.#createIo();
      const stream = logic.stream(io);
      if (logic.connects !== true) io.opened();
      outcome = isAsyncIterable(stream) ? this.#consume(stream, io) : requirePromise(stream);
    } catch (error) {
      this.#fail(error);
      return;
    }
    const closing = outcome.then(
      () => this.#end(),
      (error: unknown) => this.#fail(error),
    );
    runtime.closing = closing;
    void closing.then(() => {
      if (runtime.closing === closing) runtime.closing = null;
    });
  }

  /** Pulls an iterable while there is room for what it gives. */
  async #consume(stream: AsyncIterable<unknown>, io: SourceIo): Promise<void> {
    const iterator = stream[Symbol.asyncIterator]();
    let exhausted = false;
    try {
      // The outlet may still be full from the run before.
      await io.room();
      while (!io.signal.aborted) {
        const { done, value } = await iterator.next();
        if (done === true) {
          exhausted = true;
          return;
        }
        if (!io.emit(value)) await io.room();
      }
    } finally {
      if (!exhausted) await iterator.return?.();
    }
  }

  #end(): void {
    if (this.#isOver) return;
    const { clock, random } = this.#ports;
    this.#scope.send({ type: 'link.ended', monoMs: clock.monotonicMs(), random: random.next() });
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const facts = this.#runtime.countError(error);
    noteHoldOff(this.#ports, this.#runtime, error);
    this.#runtime.hasFailed = true;
    this.#scope.send(linkFailed(this.#ports, error, facts));
  }

  #leave(): void {
    this.#passOn();
    this.#isOver = true;
    if (this.#runtime.failRun === this.#failRun) this.#runtime.failRun = null;
    this.#connectTimer.stop();
    this.#abort.abort(RUN_IS_OVER);
  }

  #opened(): void {
    if (this.#isOpen || this.#isOver) return;
    this.#isOpen = true;
    this.#connectTimer.stop();
    const monoMs = this.#ports.clock.monotonicMs();
    // Without a handshake a link that is open proves nothing: then only a good read does.
    if (this.#runtime.spec.logic.connects === true) {
      this.#errorsBefore = this.#runtime.consecutiveErrors;
      this.#openedMonoMs = monoMs;
    }
    this.#scope.send({ type: 'link.opened', monoMs });
  }

  #emitAll(data: readonly unknown[], meta: RecordMeta | undefined): boolean {
    const runtime = this.#runtime;
    const receipt = meta?.receipt;
    // All of them before any goes on its way: one may have come to its end before the next sets out.
    receipt?.add(data.length, this.#receiptThrew);
    if (this.#isOver) {
      runtime.countLate(data.length);
      receipt?.settle('lost', data.length);
      return true;
    }
    const gathered = this.#gathered ?? this.#gather();
    const records = buildRecords(runtime, data, { meta, ...gathered }, this.#ports.deadLetter);
    this.#moveOn(meta);
    runtime.countRecords(records.length, gathered.monoMs);
    this.#goodRead(gathered.nowMs);
    for (const record of records) gathered.records.push(record);
    this.#turnRecords += data.length;
    if (gathered.records.length >= LIMITS.mergeQuantumRecords) this.#passOn();
    const waiting = this.#gathered === null ? 0 : gathered.records.length;
    return runtime.hasRoomBeyond(waiting) && this.#turnRecords < LIMITS.sourceTurnRecordsMax;
  }

  /** Begins to gather what is handed in before the next promise settles: at a hundred thousand messages a
   *  second, what is done for each arrival is felt. They arrived together, so they bear one time. */
  #gather(): Gathered {
    const { clock } = this.#ports;
    const gathered = { nowMs: clock.wallMs(), monoMs: clock.monotonicMs(), records: [] };
    this.#gathered = gathered;
    queueMicrotask(() => {
      if (this.#gathered === gathered) this.#passOn();
    });
    return gathered;
  }

  /** Puts what was gathered into the outlet. */
  #passOn(): void {
    const gathered = this.#gathered;
    if (gathered === null) return;
    this.#gathered = null;
    const { records } = gathered;
    if (records.length === 0) return;
    this.#ports.arrivals$.next({ runtime: this.#runtime, records });
    this.#runtime.offer(records);
  }

  #receive(payload: string | Uint8Array, meta: RecordMeta | undefined): boolean {
    const { decode } = this.#runtime.spec;
    if (decode === null) return this.#emitAll([payload], meta);
    let values: readonly unknown[];
    try {
      values = decode(typeof payload === 'string' ? ENCODER.encode(payload) : payload, meta?.contentType);
      if (!Array.isArray(values)) throw new HeadgateError('HG_DECODE_FAILED', 'decode returned no list');
    } catch (error) {
      meta?.receipt?.add(1, this.#receiptThrew);
      if (this.#isOver) {
        meta?.receipt?.settle('lost');
        return true;
      }
      this.#ports.deadLetter(this.#runtime, { stage: 'decode', payload, error }, meta?.receipt);
      this.#moveOn(meta);
      return this.#runtime.hasRoomBeyond(this.#gathered?.records.length ?? 0);
    }
    return this.#emitAll(values, meta);
  }

  /** A later run of this incarnation goes on after what was handed in: the outlet keeps that from one run to
   *  the next. */
  #moveOn(meta: RecordMeta | undefined): void {
    if (meta?.cursor !== undefined) this.#runtime.cursor = meta.cursor;
  }

  async #room(): Promise<void> {
    this.#passOn();
    const { signal } = this.#abort;
    // Room alone is no turn: an outlet that is emptied by promises has room again before any timer fires.
    if (this.#turnRecords >= LIMITS.sourceTurnRecordsMax) {
      await this.#ports.clock.sleep(0, signal);
      this.#turnRecords = 0;
    }
    await this.#runtime.whenRoom(signal);
  }

  #goodRead(nowMs: number): void {
    const runtime = this.#runtime;
    runtime.lastReadAtMs = nowMs;
    if (runtime.consecutiveErrors === 0) return;
    const wasDegraded = runtime.consecutiveErrors >= runtime.spec.degradedAfterErrors;
    runtime.consecutiveErrors = 0;
    this.#errorsBefore = 0;
    if (wasDegraded) this.#scope.send({ type: 'reads.recovered' });
  }

  #readFailed(thrown: unknown): void {
    if (this.#isOver) return;
    const runtime = this.#runtime;
    if (this.#ports.clock.monotonicMs() - this.#openedMonoMs >= LIMITS.stableLinkMs) {
      runtime.consecutiveErrors -= this.#errorsBefore;
      this.#errorsBefore = 0;
    }
    const error = runtime.countError(thrown);
    noteHoldOff(this.#ports, runtime, thrown);
    const { consecutiveErrors } = runtime;
    this.#ports.log.debug({ source: runtime.name, ...error, consecutiveErrors }, 'a read failed');
    if (consecutiveErrors >= runtime.spec.breaker.failures) {
      runtime.hasFailed = true;
      const random = this.#ports.random.next();
      this.#scope.send({
        type: 'reads.exhausted',
        error,
        consecutiveErrors,
        random,
        ...retryAfterFact(thrown),
      });
    } else if (consecutiveErrors >= runtime.spec.degradedAfterErrors) {
      // Told at every further failure: the link may not have stood when the count was reached.
      this.#scope.send({ type: 'reads.failing', error, consecutiveErrors });
    }
  }

  #createIo(): SourceIo {
    const { clock, random, log } = this.#ports;
    const runtime = this.#runtime;
    // What a crash cut off goes on once.
    const { pollsSinceMs } = runtime;
    runtime.pollsSinceMs = null;
    return {
      sourceId: runtime.spec.id,
      tenant: runtime.spec.tenant,
      signal: this.#abort.signal,
      clock,
      // A getter in this literal would cost each source 800 bytes: V8 keeps such an object as a hash table.
      random: new LazyRandom(() => random.fork(`${runtime.actorId}.${runtime.restarts}`)),
      log,
      cursor: runtime.cursor,
      keepCursor: (cursor) => this.#ports.keepCursor(runtime, cursor),
      pollsSinceMs,
      countPollsFrom: (atMs) => {
        runtime.keepsPollPhase = true;
        this.#ports.keepPollPhase(runtime, atMs);
      },
      opened: () => this.#opened(),
      awaits: (describe) => this.#connectTimer.awaits(describe),
      emit: (value, meta) => this.#emitAll([value], meta),
      emitAll: (values, meta) => this.#emitAll(values, meta),
      receive: (payload, meta) => this.#receive(payload, meta),
      room: () => this.#room(),
      readFailed: (error) => this.#readFailed(error),
      readSucceeded: () => {
        if (!this.#isOver) this.#goodRead(clock.wallMs());
      },
      ownFileProblem: this.#ports.ownFileProblem,
      alert: runAlerts(this.#ports, runtime, this.#abort.signal),
    };
  }
}

const ENCODER = new TextEncoder();

/** Why a run's signal aborts. One for all: a reason made anew for each would cost a stack trace. */
const RUN_IS_OVER = new HeadgateError('HG_SOURCE_STOPPED', 'the run of this source is over');
