/** Keeps a gateway what it was over changes of its configuration and over restarts.
 *
 *  - It remembers in the database that there were tokens, which sections said something, and which sources
 *    and sinks were configured. A version that drops one of these by being left out is refused.
 *  - A source or sink that is gone from the configuration, while the gateway ran or before it was started, is
 *    told: a row, a line of the log, and an alert where a sink has not delivered everything. Its cursor
 *    stays for the time of grace, counted while the gateway runs, so that a clock that jumps ends nothing;
 *    then it is given up with an alert. A version that names it under `removed` gives the cursor up at once.
 */

import type { Engine } from '../engine/engine.ts';
import { formatAddress, parseAddress } from '../domain/address.ts';
import type { Clock, TimerHandle } from '../domain/clock.ts';
import { errorFacts, HeadgateError, messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { ConfigProblem, ReloadOrigin } from './gateway-control.ts';
import {
  addressesIn,
  continuityProblems,
  lastingSections,
  type Entries,
  type Known,
} from './continuity-rules.ts';
import { aged, goneNow, memoryOf, nextWaitMs, overdue, withoutGone } from './continuity-memory.ts';
import type { PreparedConfig } from './prepared-config.ts';

export interface ContinuityPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly engine: Pick<
    Engine,
    | 'loadState'
    | 'saveState'
    | 'undelivered'
    | 'isSinkRegistered'
    | 'deregisterSink'
    | 'hasSource'
    | 'hasSourceCursor'
    | 'forgetSources'
    | 'noteConfig'
  >;
}

const STATE = 'gateway.continuity';
/** How often the time of grace is written down: a crash costs no more of it. */
const TICK_MS = 15 * 60_000;
/** The shortest wait until it is tried again to take a cursor out. */
const RETRY_MS_MIN = 1_000;
/** Names that a row or a line of the log repeats. */
const NAMES_MAX = 100;

export class Continuity {
  readonly #ports: ContinuityPorts;
  #memory = memoryOf(null);
  #text: string | null = null;
  #graceMs = 0;
  #timer: TimerHandle = undefined;
  #countedAtMs = 0;
  #isSaved = true;
  #isClosed = false;
  /** Pending operations, one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(ports: ContinuityPorts) {
    this.#ports = ports;
  }

  /** Objections to running this version; empty where there are none. */
  problemsWith(next: PreparedConfig, origin: ReloadOrigin): ConfigProblem[] {
    const known: Known = { ...this.#memory, text: this.#text };
    return continuityProblems(known, next, origin);
  }

  /** Whether the cursor of a sink of this address is kept although it is not configured. */
  isKept(address: string): boolean {
    return Object.hasOwn(this.#memory.gone, address);
  }

  /** Reads what the process before left. To be called once, when the engine runs. */
  async open(): Promise<void> {
    const text = await this.#ports.engine.loadState(STATE);
    this.#memory = memoryOf(text);
    this.#countedAtMs = this.#ports.clock.monotonicMs();
  }

  /** This version runs now, and `cause` is the row that says so. What is known changes at once; the promise
   *  resolves when it is told and written down. Never rejects: what cannot be written is tried again. */
  applied(next: PreparedConfig, cause: number | null): Promise<void> {
    const by = cause === null ? {} : { cause };
    this.#graceMs = next.config.engine.removedGraceMs;
    this.#addTime();
    const before = this.#memory;
    const present = addressesIn(next);
    const lost: Entries = {
      sources: without(before.sources, present.sources),
      sinks: without(before.sinks, present.sinks),
    };
    this.#memory = {
      tokensSeen: before.tokensSeen || next.config.auth.tokens.length > 0,
      sections: lastingSections(next),
      ...present,
      gone: goneNow(before.gone, present.sinks, lost.sinks),
      goneSources: goneNow(before.goneSources, present.sources, lost.sources),
    };
    this.#text = next.text;
    this.#isSaved = false;
    return this.#queue(async () => {
      if (before.tokensSeen && next.config.auth.tokens.length === 0) this.#tellOpened(by);
      const confirmed = addressed(next.config.removed);
      await this.#tellGone(lost, confirmed, by);
      const { gone, goneSources } = this.#memory;
      const named = {
        sinks: confirmed.sinks.filter((sink) => Object.hasOwn(gone, sink)),
        sources: confirmed.sources.filter((source) => Object.hasOwn(goneSources, source)),
      };
      await this.#giveUp(named, 'removed', by);
      await this.#look();
    });
  }

  /** This version ran for a moment. Sources that only it had may have left cursors: they are gone, too. Never
   *  rejects. */
  takenBack(next: PreparedConfig): Promise<void> {
    this.#addTime();
    const { sources, goneSources } = this.#memory;
    const tried = without(addressesIn(next).sources, [...sources, ...Object.keys(goneSources)]);
    if (tried.length === 0) return Promise.resolve();
    this.#memory = { ...this.#memory, goneSources: goneNow(goneSources, [], tried) };
    this.#isSaved = false;
    return this.#queue(() => this.#look());
  }

  /** Writes down how much of the grace is used up. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ports.clock.clearTimeout(this.#timer);
    await this.#queue(() => this.#look());
  }

  #queue(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    return this.#work;
  }

  #tellOpened(by: By): void {
    this.#note('config.opened', { field: 'auth.open' }, by);
    const next = 'add a token and remove auth.open, unless the gateway is meant to be open';
    this.#ports.log.warn(
      { field: 'auth.open', next },
      'the gateway runs without tokens: whoever reaches it may do everything',
    );
  }

  async #tellGone({ sources, sinks }: Entries, confirmed: Entries, by: By): Promise<void> {
    if (sources.length === 0 && sinks.length === 0) return;
    const keptMs = this.#graceMs;
    const shown = { sources: sources.slice(0, NAMES_MAX), sinks: sinks.slice(0, NAMES_MAX) };
    const counts = { sourcesTotal: sources.length, sinksTotal: sinks.length };
    this.#note('config.removed', { ...shown, ...counts, keptMs }, by);
    const next = 'put it back to go on where it was; name it under "removed" where it is gone for good';
    const suppressed = [...without(sources, confirmed.sources), ...without(sinks, confirmed.sinks)];
    const facts = { ...shown, ...counts };
    if (suppressed.length === 0) this.#ports.log.info(facts, 'the configuration removes sources or sinks');
    else this.#ports.log.warn({ ...facts, keptMs, next }, 'sources or sinks are gone from the configuration');
    for (const sink of without(sinks, confirmed.sinks)) {
      await this.#tellUndelivered('config.sinkRemoved', sink, by);
    }
  }

  /** A row that is an alert, where the sink has something left to deliver. */
  async #tellUndelivered(event: `config.${string}`, sink: string, by: By): Promise<void> {
    try {
      const backlog = await this.#ports.engine.undelivered(sink);
      if (backlog === null || backlog.records === 0) return;
      const { reads, records, oldestAtMs } = backlog;
      this.#note(event, { sink, reads, undelivered: records, oldestAtMs, keptMs: this.#graceMs }, by);
    } catch (error) {
      this.#ports.log.warn({ sink, ...errorFacts(error) }, 'how far the sink had come is not known');
    }
  }

  /** Adds the time since the last look to what each has used of its grace. */
  #addTime(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    const passedMs = nowMs - this.#countedAtMs;
    this.#countedAtMs = nowMs;
    if (nextWaitMs(this.#memory, this.#graceMs) === null) return;
    const { gone, goneSources } = this.#memory;
    this.#memory = {
      ...this.#memory,
      gone: aged(gone, passedMs),
      goneSources: aged(goneSources, passedMs),
    };
    this.#isSaved = false;
  }

  /** Gives up the cursors whose grace is over, writes down what is known, and comes again. */
  async #look(): Promise<void> {
    this.#addTime();
    const { gone, goneSources } = this.#memory;
    const over = { sinks: overdue(gone, this.#graceMs), sources: overdue(goneSources, this.#graceMs) };
    await this.#giveUp(over, 'over', {});
    await this.#save();
    this.#arm();
  }

  /** Takes the cursors out. Where the engine does not, it is tried again at the next look. */
  async #giveUp({ sinks, sources }: Entries, why: Why, by: By): Promise<void> {
    if (sinks.length === 0 && sources.length === 0) return;
    const done: string[] = [];
    for (const sink of sinks) if (await this.#giveUpSink(sink, why, by)) done.push(sink);
    const isDone = await this.#giveUpSources(sources, why, by);
    this.#memory = withoutGone(this.#memory, done, isDone ? sources : []);
    this.#isSaved = false;
  }

  /** Returns whether nothing is kept for it any more. */
  async #giveUpSink(sink: string, why: Why, by: By): Promise<boolean> {
    const { engine, log } = this.#ports;
    try {
      // One that was registered by call goes on at the cursor.
      if (engine.isSinkRegistered(sink)) return true;
      if (why === 'over') await this.#tellUndelivered('config.sinkForgotten', sink, by);
      // It is reported here, or confirmed by the file.
      await engine.deregisterSink(sink, { ...by, keepCursor: false });
    } catch (error) {
      const isGone = error instanceof HeadgateError && error.code === 'HG_SINK_UNKNOWN';
      if (!isGone) {
        log.warn({ sink, error: messageOf(error) }, 'the cursor of a sink that is gone stays');
        return false;
      }
    }
    if (why === 'over') log.warn({ sink }, 'the cursor of a sink that is gone was given up');
    return true;
  }

  /** As {@link #giveUpSink}, for all of them in one transaction. */
  async #giveUpSources(names: readonly string[], why: Why, by: By): Promise<boolean> {
    const { engine, log } = this.#ports;
    if (names.length === 0) return true;
    try {
      const gone = names.filter((source) => !engine.hasSource(source));
      const told = why === 'over' ? gone.filter((source) => engine.hasSourceCursor(source)) : [];
      const facts = { sources: told.slice(0, NAMES_MAX), sourcesTotal: told.length, keptMs: this.#graceMs };
      // The row goes with the transaction that deletes the cursors.
      if (told.length > 0) this.#note('config.sourcesForgotten', facts, by);
      await engine.forgetSources(gone);
      if (told.length > 0) log.warn(facts, 'the cursors of sources that are gone were given up');
      return true;
    } catch (error) {
      log.warn({ sources: names.length, error: messageOf(error) }, 'cursors of sources that are gone stay');
      return false;
    }
  }

  async #save(): Promise<void> {
    if (this.#isSaved) return;
    const memory = this.#memory;
    try {
      await this.#ports.engine.saveState(STATE, JSON.stringify(memory));
      this.#isSaved = this.#memory === memory;
    } catch (error) {
      const next = 'look at the disk; it is tried again by itself';
      this.#ports.log.warn({ error: messageOf(error), next }, 'what ran could not be written down');
    }
  }

  /** Looks again when the next grace is over, or a while later. */
  #arm(): void {
    const { clock } = this.#ports;
    clock.clearTimeout(this.#timer);
    const nextMs = nextWaitMs(this.#memory, this.#graceMs);
    if (this.#isClosed || (nextMs === null && this.#isSaved)) return;
    const waitMs = Math.max(RETRY_MS_MIN, Math.min(TICK_MS, nextMs ?? TICK_MS));
    this.#timer = clock.setTimeout(() => void this.#queue(() => this.#look()), waitMs);
  }

  #note(event: `config.${string}`, data: Readonly<Record<string, unknown>>, by: By): void {
    try {
      this.#ports.engine.noteConfig({ event, data }, by);
    } catch (error) {
      this.#ports.log.debug({ event, error: messageOf(error) }, 'the timeline takes no more rows');
    }
  }
}

/** The grace is over, or the configuration names it as removed. */
type Why = 'over' | 'removed';

interface By {
  readonly cause?: number;
}

function without(names: readonly string[], others: readonly string[]): string[] {
  const left = new Set(others);
  return names.filter((name) => !left.has(name));
}

function addressed({ sources, sinks }: Entries): Entries {
  const plain = (one: string) => formatAddress(parseAddress(one));
  return { sources: sources.map(plain), sinks: sinks.map(plain) };
}
