/** The bench a case of the conformance suite works on: an engine, the source under test, its far end, and
 *  notes of all that can be seen of it from outside. */

import { isDeepStrictEqual } from 'node:util';
import { createEngine, type Engine } from '../engine/engine.ts';
import type { DeregisterOptions } from '../engine/engine-report.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { SourceHealth, SourceState } from '../domain/health.ts';
import { SILENT_LOGGER } from '../domain/logger.ts';
import type { FlowItem } from '../domain/record.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { DeadLetter, TimelineRow } from '../domain/timeline.ts';
import type { Consumer } from '../pipeline/consumer.ts';
import { realClock } from '../platform/real-clock.ts';
import {
  fedValueIn,
  type ConformanceField,
  type ConformanceKit,
  type ConformanceOverrides,
} from './conformance-kit.ts';
import { virtualClock, type VirtualClock } from './virtual-clock.ts';

/** The id of the source under test. */
export const SUBJECT = 'subject';

/** On the real clock a loaded machine takes its time. */
const PATIENCE_MS = { virtual: 10_000, real: 30_000 };
/** How long nothing must happen before it counts as not happening. That something stays away can only be
 *  waited for. */
const QUIET_MS = 40;
/** How long a source may take to end after its case. */
const STOP_DEADLINE_MS = 1_000;

/** The source broke the contract; the message says how. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure';
}

export function demand(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new ConformanceFailure(rule);
}

export function demandSame(found: unknown, wanted: unknown, rule: string): void {
  if (isDeepStrictEqual(found, wanted)) return;
  throw new ConformanceFailure(`${rule}: found ${shown(found)}, wanted ${shown(wanted)}`);
}

export class ConformanceHarness {
  readonly kit: ConformanceKit;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly field: ConformanceField;
  /** Records of the source that came out of the engine, in order. */
  readonly records: FlowItem[] = [];
  /** Births, transitions and ends of all actors. */
  readonly rows: TimelineRow[] = [];
  readonly letters: DeadLetter[] = [];
  /** All values fed so far. */
  readonly fed: number[] = [];
  readonly #virtual: VirtualClock | null;
  #stalling: Consumer | null = null;

  private constructor(
    kit: ConformanceKit,
    clock: Clock,
    virtual: VirtualClock | null,
    field: ConformanceField,
  ) {
    this.kit = kit;
    this.clock = clock;
    this.#virtual = virtual;
    this.field = field;
    this.engine = createEngine({ timeline: { path: ':memory:' }, clock, seed: 1, logger: SILENT_LOGGER });
    this.engine.records$.subscribe((record) => {
      if (record.sourceId === SUBJECT) this.records.push(record);
    });
    this.engine.transitions$.subscribe((row) => this.rows.push(row));
    this.engine.deadLetters$.subscribe((letter) => this.letters.push(letter));
  }

  /** Opens a far end and puts a bench beside it, runs `work` on it, and clears everything away. */
  static async use(kit: ConformanceKit, work: (bench: ConformanceHarness) => Promise<void>): Promise<void> {
    const virtual = kit.clock === 'virtual' ? virtualClock() : null;
    const clock = virtual ?? realClock;
    const field = await kit.open(clock);
    const bench = new ConformanceHarness(kit, clock, virtual, field);
    const failure = await failureOf(work(bench));
    bench.release();
    const stopped = bench.engine.stop({ deadlineMs: STOP_DEADLINE_MS });
    const stopFailure = await failureOf(bench.drive(stopped, 'the engine stops'));
    await field.close();
    if (failure !== null) throw failure;
    if (stopFailure !== null) throw stopFailure;
  }

  /** A source that has nothing left to do has ended by then, whatever its deadline, milliseconds. Work on the
   *  machine can only be in the way where time is real. */
  get promptMs(): number {
    return this.#virtual === null ? 3_000 : 1_000;
  }

  /** Timers set on a virtual clock; 0 on the real one, whose timers {@link openHandles} shows. */
  get pendingTimers(): number {
    return this.#virtual?.pendingTimers ?? 0;
  }

  get health(): SourceHealth {
    return this.engine.health(SUBJECT);
  }

  get state(): SourceState {
    return this.health.state;
  }

  /** The fed values that came out. */
  get values(): unknown[] {
    return this.records.map(({ data }) => fedValueIn(this.kit, data)).filter((value) => value !== undefined);
  }

  /** The states `actor` went through, as the timeline tells them. */
  statesOf(actor: string): string[] {
    return this.rows
      .filter((row) => row.actor === actor && row.kind !== 'ended')
      .flatMap(({ toState }) => toState ?? []);
  }

  source(overrides: Omit<ConformanceOverrides, 'id'> = {}): SourceSpec {
    const backoff = { kind: 'constant', initialMs: 20, maxMs: 20, jitter: 'none' } as const;
    return this.field.source({
      id: SUBJECT,
      restart: { backoff },
      breaker: { failures: 10_000 },
      degradedAfterErrors: 1,
      ...overrides,
    });
  }

  /** Starts the engine and registers the source. */
  async register(overrides: Omit<ConformanceOverrides, 'id'> = {}): Promise<void> {
    await this.start();
    await this.engine.register(this.source(overrides));
  }

  /** Registers the source and waits until it streams. */
  async stream(overrides: Omit<ConformanceOverrides, 'id'> = {}): Promise<void> {
    await this.register(overrides);
    await this.untilState('streaming');
  }

  async start(): Promise<void> {
    if (this.engine.state === 'idle') await this.drive(this.engine.start(), 'the engine starts');
  }

  /** Takes the source out; resolves when it has ended, with the milliseconds that took. */
  async deregister(options: DeregisterOptions = {}): Promise<number> {
    const startMs = this.clock.monotonicMs();
    await this.drive(this.engine.deregister(SUBJECT, options), 'the source ends');
    return this.clock.monotonicMs() - startMs;
  }

  async pause(): Promise<void> {
    await this.drive(this.engine.pause(SUBJECT), 'the pause is accepted');
    await this.untilState('paused');
  }

  async resume(): Promise<void> {
    await this.drive(this.engine.resume(SUBJECT), 'the resuming is accepted');
  }

  /** Feeds the next `count` values and waits until the far end has them. */
  async feed(count: number): Promise<void> {
    await this.drive(this.field.feed(this.#next(count)), `the far end takes ${count} values`);
  }

  /** Feeds the next `count` values without waiting. The promise resolves with the error if they could not be
   *  given. */
  feedLater(count: number): Promise<Error | null> {
    return failureOf(this.field.feed(this.#next(count)));
  }

  #next(count: number): number[] {
    const first = this.fed.length + 1;
    const values = Array.from({ length: count }, (_, index) => first + index);
    this.fed.push(...values);
    return values;
  }

  /** Holds everything back behind the source: what leaves the stages is not read until {@link release}. */
  stall(): void {
    this.#stalling = this.engine.consume({ capacityRecords: 1 });
  }

  release(): void {
    void this.#stalling?.return();
    this.#stalling = null;
  }

  /** Waits until all that was fed has come out, and a moment longer for what should not. */
  async untilAllFed(): Promise<void> {
    await this.until('every fed value comes out', () => this.values.length >= this.fed.length);
    await this.quiet();
  }

  async untilState(state: SourceState): Promise<void> {
    await this.until(`the source is ${state}`, () => this.state === state);
  }

  /** Waits until `holds`. @throws ConformanceFailure if that takes too long. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const { patienceMs = PATIENCE_MS[this.kit.clock] } = this.kit;
    const startMs = this.clock.monotonicMs();
    while (!holds()) {
      if (this.clock.monotonicMs() - startMs > patienceMs) {
        throw new ConformanceFailure(`waited ${patienceMs} ms until ${what}; ${this.#situation()}`);
      }
      await this.#step();
    }
  }

  /** Lets time pass in which nothing should happen. */
  async quiet(): Promise<void> {
    const startMs = this.clock.monotonicMs();
    while (this.clock.monotonicMs() - startMs < QUIET_MS) await this.#step();
  }

  /** Waits for `work`, moving the clock if it is a virtual one. */
  async drive<Result>(work: Promise<Result>, what: string): Promise<Result> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    work.then(mark, mark);
    await this.until(what, () => settled);
    return work;
  }

  async #step(): Promise<void> {
    if (this.#virtual === null) await realClock.sleep(1);
    else await this.#virtual.advance(1);
  }

  #situation(): string {
    const health = this.engine.health().find(({ sourceId }) => sourceId === SUBJECT);
    if (health === undefined) return 'the source is not registered';
    const { state, recordsProduced, queueDepth, droppedCount, lastError } = health;
    const counts = `${recordsProduced} records produced, ${queueDepth} waiting, ${droppedCount} dropped`;
    const error = lastError === null ? '' : `; its last error is ${lastError.code}: ${lastError.message}`;
    const came = `${this.values.length} of ${this.fed.length} fed values came out`;
    return `the source is ${state}, ${counts}, ${came}${error}`;
  }
}

async function failureOf(work: Promise<unknown>): Promise<Error | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return error instanceof Error ? error : new Error(messageOf(error), { cause: error });
  }
}

const SHOWN_CHARS_MAX = 300;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}
