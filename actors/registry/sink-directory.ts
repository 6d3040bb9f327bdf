/** The directory of sinks: which are registered, where they run, how far they came, who waits for what. The
 *  controller decides, the directory remembers; it holds every sink that has not ended, and the cursors of
 *  those that left one behind. */

import { addressOf, formatAddress, parseAddress } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Redact } from '../../src/domain/redact.ts';
import { HeadgateError, type ErrorCode, type ErrorFacts } from '../../src/domain/errors.ts';
import type { SinkCounter, SinkHealth, SinkSpec } from '../../src/domain/sink.ts';
import type { Totals } from '../../src/domain/tally.ts';
import type { DeadlineRow, SinkCursor, SinkCursorRow } from '../../src/domain/timeline.ts';
import type { RegistryEntry } from '../../machines/support/command-rejection.ts';
import type { SinkInput } from '../../machines/sink-machine.ts';
import type { SinkPlacement, SinkRegister, SinksCommand } from '../../machines/sinks-machine.ts';
import { EndedHealth } from './ended-health.ts';
import { subjectName } from './subject-name.ts';
import type { LogTail, LogName } from '../sinks/runtime/log-tail.ts';
import { SinkRuntime } from '../sinks/runtime/sink-runtime.ts';
import { noSinkWait, resumedSinkWait } from '../sinks/runtime/sink-waiting.ts';

interface Entry extends SinkPlacement {
  readonly runtime: SinkRuntime;
  /** Told to go; it stays listed until it has ended. */
  leaving: boolean;
  successor: SinkSpec | null;
  /** Its cursor goes with it. */
  takesCursor: boolean;
  /** The last stored `seq` at that time; 0: undelivered records are given up on purpose. */
  toldAtSeq: number;
  /** Requests to be answered when it has ended. */
  waiting: readonly SinksCommand[];
}

export interface SinkDirectoryPorts {
  readonly clock: Clock;
  /** Null: nothing is stored that a sink could read. */
  readonly feed: LogTail | null;
  /** Whether records are stored. */
  readonly keepsRecords: boolean;
  readonly cursors: ReadonlyMap<string, SinkCursor>;
  readonly nextIncarnation: () => number;
  /** Why the engine cannot run such a sink; null if it can. */
  readonly problemOf: (spec: SinkSpec) => ErrorFacts | null;
  /** What a crash left of waits, by name with the tenant written out. */
  readonly deadlines: ReadonlyMap<string, readonly DeadlineRow[]>;
  readonly saveCursor: (cursor: SinkCursorRow) => void;
  readonly saveDeadline: (deadline: DeadlineRow) => void;
  /** A sink goes, and its cursor with it: what is after that place is not delivered any more. */
  readonly leftBehind: (
    sink: { readonly name: string; readonly actorId: string },
    cursor: SinkCursor,
  ) => void;
  /** What the table says of it has changed. */
  readonly touch: (runtime: SinkRuntime) => void;
  readonly answer: (
    command: SinksCommand,
    outcome: ErrorFacts | null,
    sink: { readonly name: string; readonly incarnation: number } | null,
  ) => void;
  readonly note: (event: object, note: RegistryEntry) => void;
  readonly redact?: Redact | undefined;
}

export class SinkDirectory implements SinkRegister {
  readonly #ports: SinkDirectoryPorts;
  readonly #byName = new Map<string, Entry>();
  readonly #byChild = new Map<string, Entry>();
  readonly #byActor = new Map<string, SinkRuntime>();
  /** Cursors of sinks that are not registered, by name. */
  readonly #leftovers = new Map<string, SinkCursor>();
  /** Waits that a crash cut off, of sinks that have not been registered since, by name. */
  readonly #waits = new Map<string, DeadlineRow>();
  readonly #ended = new EndedHealth<SinkHealth, SinkCounter>();
  /** Ids of children that no sink has now. */
  readonly #free: string[] = [];

  constructor(ports: SinkDirectoryPorts) {
    this.#ports = ports;
    for (const [key, cursor] of ports.cursors) this.#leftovers.set(formatAddress(parseAddress(key)), cursor);
    for (const row of [...ports.deadlines.values()].flat()) {
      if (row.kind === 'sink') this.#waits.set(formatAddress(row), row);
    }
  }

  get size(): number {
    return this.#byChild.size;
  }

  get running(): readonly { readonly childId: string; readonly drainDeadlineMs: number }[] {
    return Array.from(this.#byChild.values(), ({ childId, runtime }) => ({
      childId,
      drainDeadlineMs: runtime.spec.drainDeadlineMs,
    }));
  }

  /** The runtimes of all sinks that have not ended, in order of registration. */
  *runtimes(): IterableIterator<SinkRuntime> {
    for (const { runtime } of this.#byName.values()) yield runtime;
  }

  /** Whether a sink of this name, as users see it, has not ended. */
  has(name: string): boolean {
    return this.#byName.has(name);
  }

  byActorId(actorId: string): SinkRuntime | undefined {
    return this.#byActor.get(actorId);
  }

  /** Health of all sinks that have not ended and of those that ended last, in order of registration. */
  healths(): SinkHealth[] {
    return this.#ended.healths(this);
  }

  /** The same, with what each came to over all of its incarnations. */
  stats(): (SinkHealth & { readonly totals: Totals<SinkCounter> })[] {
    return this.#ended.stats(this);
  }

  /** Rows of this log after that `seq` are still needed by a sink; null: no sink reads it. */
  neededAfter(log: LogName): number | null {
    const seqs = [
      ...Array.from(this.runtimes(), ({ spec, neededAfter }) => ({ reads: spec.reads, seq: neededAfter })),
      ...this.#leftovers.values(),
    ].filter(({ reads }) => reads === log);
    return seqs.length === 0 ? null : Math.min(...seqs.map(({ seq }) => seq));
  }

  /** How far the sink of this name came, registered or not; null: none of this name has a cursor. */
  cursorOf(name: string): SinkCursor | null {
    const runtime = this.#byName.get(name)?.runtime;
    if (runtime !== undefined) return { reads: runtime.spec.reads, seq: runtime.cursor };
    return this.#leftovers.get(name) ?? null;
  }

  refusal(command: SinksCommand): ErrorFacts | null {
    if (command.type === 'sinks.list' || command.type === 'sinks.close') return null;
    const name = subjectName(command);
    const entry = this.#byName.get(name);
    if (command.type === 'sinks.register') {
      if (entry === undefined) {
        const { spec } = command;
        return this.#unreadable(spec) ?? this.#misfit(name, spec) ?? this.#claimed(name, spec);
      }
      const state = entry.leaving ? 'is still draining' : 'is registered already';
      const advice = 'deregister it first or choose another id';
      return refusal('HG_SINK_DUPLICATE', `sink "${name}" ${state}; ${advice}`);
    }
    if (entry === undefined) {
      if (this.isLeftover(command)) return null;
      return refusal('HG_SINK_UNKNOWN', `no sink "${name}" is registered; sinks.list names those that are`);
    }
    const isForced = command.type === 'sinks.deregister' && command.mode === 'now';
    if (entry.leaving && !isForced) {
      return refusal('HG_SINK_STOPPED', `sink "${name}" is on its way out and takes no more commands`);
    }
    if (command.type !== 'sinks.update') return null;
    const { reads } = entry.runtime.spec;
    return command.spec.reads === reads ? this.#claimed(name, command.spec) : otherLog(name, reads);
  }

  isLeftover(command: SinksCommand): boolean {
    if (command.type !== 'sinks.deregister' || command.keepCursor === true) return false;
    const name = subjectName(command);
    return !this.#byName.has(name) && this.#leftovers.has(name);
  }

  admit(spec: SinkSpec): SinkPlacement & { readonly input: SinkInput } {
    const { clock, nextIncarnation, touch } = this.#ports;
    const childId = this.#free.pop() ?? `sink-${this.#byChild.size + 1}`;
    const runtime = new SinkRuntime({
      spec,
      incarnation: nextIncarnation(),
      clock,
      cursor: this.#cursorFor(spec),
      redact: this.#ports.redact,
      tally: this.#ended.tallyOf(addressOf(spec)),
      lastSeq: () => this.#ports.feed?.lastSeq(spec.reads) ?? 0,
    });
    const { actorId, name } = runtime;
    const entry: Entry = {
      ...{ childId, actorId, runtime, leaving: false, successor: null, takesCursor: false, toldAtSeq: 0 },
      waiting: NOBODY,
    };
    this.#byName.set(name, entry);
    this.#byChild.set(childId, entry);
    this.#byActor.set(actorId, runtime);
    this.#leftovers.delete(name);
    touch(runtime);
    const { backoff, breaker, drainDeadlineMs } = spec;
    const resume = resumedSinkWait(spec, this.#waits.get(name), clock.wallMs());
    // What a crash cut off goes on once.
    this.#waits.delete(name);
    return { childId, actorId, input: { actorId, runtime, backoff, breaker, drainDeadlineMs, resume } };
  }

  locate(command: SinksCommand): SinkPlacement {
    const entry = this.#byName.get(subjectName(command));
    if (entry === undefined) throw new HeadgateError('HG_SINK_UNKNOWN', `no sink "${subjectName(command)}"`);
    return entry;
  }

  retire(placement: SinkPlacement, command: SinksCommand, successor: SinkSpec | null): void {
    const entry = this.#byChild.get(placement.childId) as Entry;
    entry.leaving = true;
    entry.successor = successor;
    entry.waiting = [...entry.waiting, command];
    if (command.type !== 'sinks.deregister') return;
    entry.takesCursor = command.keepCursor !== true;
    const isConfirmed = command.keepCursor === false;
    entry.toldAtSeq = isConfirmed ? 0 : (this.#ports.feed?.lastSeq(entry.runtime.spec.reads) ?? 0);
    entry.runtime.deregisteredAtMs ??= this.#ports.clock.wallMs();
  }

  release(childId: string): SinkSpec | null {
    const entry = this.#byChild.get(childId);
    if (entry === undefined) return null;
    const { runtime } = entry;
    runtime.abort();
    runtime.isReleased = true;
    this.#byChild.delete(childId);
    this.#byName.delete(runtime.name);
    this.#byActor.delete(runtime.actorId);
    this.#free.push(childId);
    const { tenant, id: sinkId, reads } = runtime.spec;
    if (entry.takesCursor) {
      if (runtime.cursor < entry.toldAtSeq) this.#ports.leftBehind(runtime, { reads, seq: runtime.cursor });
      this.#ports.saveCursor({ tenant, sinkId, reads, seq: null });
      this.#ports.saveDeadline(noSinkWait(runtime.spec));
    } else this.#leftovers.set(runtime.name, { reads, seq: runtime.cursor });
    this.#ended.keep(runtime);
    this.#ports.touch(runtime);
    for (const command of entry.waiting) this.#ports.answer(command, null, runtime);
    return entry.successor;
  }

  forget(command: SinksCommand): void {
    const name = subjectName(command);
    const cursor = this.#leftovers.get(name);
    if (cursor === undefined) return;
    this.#leftovers.delete(name);
    const isConfirmed = command.type === 'sinks.deregister' && command.keepCursor === false;
    if (!isConfirmed) this.#ports.leftBehind({ name, actorId: 'sinks' }, cursor);
    const { tenant, sourceId: sinkId } = parseAddress(name);
    this.#ports.saveCursor({ tenant, sinkId, reads: cursor.reads, seq: null });
    if (this.#waits.delete(name)) this.#ports.saveDeadline(noSinkWait({ tenant, id: sinkId }));
  }

  answer(command: SinksCommand, outcome: ErrorFacts | null): void {
    const name = outcome === null && command.type !== 'sinks.list' ? subjectName(command) : '';
    const runtime = this.#byName.get(name)?.runtime;
    this.#ports.answer(command, outcome, runtime ?? { name, incarnation: 0 });
  }

  note(event: object, note: RegistryEntry): void {
    this.#ports.note(event, note);
  }

  /** Where a sink goes on, or begins; kept at once, so that what it has to deliver is clear from now on. */
  #cursorFor(spec: SinkSpec): number {
    const { tenant, id: sinkId, reads, startAt } = spec;
    const known = this.#leftovers.get(addressOf(spec));
    if (known !== undefined) return known.seq;
    const seq = startAt === 'first' ? 0 : (this.#ports.feed?.lastSeq(reads) ?? 0);
    this.#ports.saveCursor({ tenant, sinkId, reads, seq });
    return seq;
  }

  #unreadable({ id, reads }: SinkSpec): ErrorFacts | null {
    const { feed, keepsRecords } = this.#ports;
    if (feed !== null && (reads === 'alerts' || keepsRecords)) return null;
    const missing = feed === null ? 'timeline is false' : 'records.keep is false';
    return refusal(
      'HG_ENGINE_STATE',
      `sink "${id}" reads the log of ${reads}, and there is none: the engine's option ${missing}`,
    );
  }

  /** Two that write one file would mix their lines, and cut back each other's. */
  #claimed(name: string, spec: SinkSpec): ErrorFacts | null {
    const { claim } = spec;
    if (claim === undefined) return null;
    for (const [other, { runtime, successor }] of this.#byName) {
      if (other === name || (runtime.spec.claim !== claim && successor?.claim !== claim)) continue;
      const advice = 'give each a path of its own, or deregister the other first';
      return refusal('HG_OPTION_INVALID', `sink "${name}": sink "${other}" writes "${claim}"; ${advice}`);
    }
    return this.#ports.problemOf(spec);
  }

  #misfit(name: string, { reads }: SinkSpec): ErrorFacts | null {
    const known = this.#leftovers.get(name);
    return known === undefined || known.reads === reads ? null : otherLog(name, known.reads);
  }
}

const NOBODY: readonly SinksCommand[] = [];

function refusal(code: ErrorCode, message: string): ErrorFacts {
  return { code, message };
}

function otherLog(name: string, reads: LogName): ErrorFacts {
  const rule = 'its cursor is a place in that log';
  return refusal('HG_OPTION_INVALID', `sink "${name}" reads ${reads}; ${rule}; deregister it first`);
}
