/** The observer: the one observer of all actors. It sees every birth, transition and end through XState's
 *  inspection and makes a timeline row of each, with its cause: the row that made the sender send. No actor
 *  logs its own lifecycle, so none can forget to.
 *
 *  How causes are found. A message names its sender; what the sender is doing at that moment, its current
 *  row, is the cause of what the message leads to. For a machine that is the row made of the event it is
 *  working on, or, where that event changed nothing, whatever caused that event. For a leaf, which has no
 *  rows, it is the last row of its parent. XState reports a machine's step before it delivers what the step
 *  sent, so the row is always there first. */

import type { AnyActorRef, InspectionEvent } from 'xstate';
import { DEFAULT_TENANT, parseAddress } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { NOTHING_SECRET, redactData, type Redact } from '../../src/domain/redact.ts';
import type { TimelineKind, TimelineRow } from '../../src/domain/timeline.ts';
import { isRecordedCommand } from '../../machines/support/commands.ts';
import { factsOf } from './event-facts.ts';

/** A row that is no transition: a registration, an alert, a clock jump. */
export interface TimelineEntry {
  readonly kind: TimelineKind;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>> | null;
  /** Whose row it is: an actor's id, `plc-7#12` for a source, `registry` for a part. */
  readonly actorId: string;
  /** The event that led to it, or the `seq` of the row that did; null: it came from outside. */
  readonly cause: object | number | null;
}

export interface TimelineObserverOptions {
  readonly clock: Clock;
  readonly run: number;
  /** The last `seq` already in the timeline. */
  readonly lastSeq: number;
  readonly onRow: (row: TimelineRow) => void;
  /** Takes secrets out of the data of rows. Default: there are none. */
  readonly redact?: Redact;
}

/** What rows say of an actor. */
interface Subject {
  readonly tenant: string;
  readonly actor: string;
  readonly incarnation: number | null;
  /** The row of its latest birth, transition or note. */
  lastRow: number | null;
  /** What its messages are caused by just now. */
  current: number | null;
  state: string | null;
  ended: boolean;
}

type Snapshot = {
  readonly status: string;
  readonly value?: unknown;
  readonly context?: unknown;
  readonly error?: unknown;
};
type MessageEvent = { readonly type: string } & Readonly<Record<string, unknown>>;

export class TimelineObserver {
  readonly #options: TimelineObserverOptions;
  readonly #subjects = new WeakMap<object, Subject>();
  readonly #byId = new Map<string, Subject>();
  #seq: number;

  constructor(options: TimelineObserverOptions) {
    this.#options = options;
    this.#seq = options.lastSeq;
  }

  /** To be given to `createActor` of the root as `inspect`. */
  readonly inspect = (inspected: InspectionEvent): void => {
    if (inspected.type === '@xstate.event') {
      const { sourceRef, actorRef, event } = inspected;
      this.#messaged(sourceRef as AnyActorRef | undefined, actorRef as AnyActorRef, event);
    } else if (inspected.type === '@xstate.microstep') {
      this.#stepped(inspected.actorRef as AnyActorRef, inspected.event, inspected.snapshot);
    }
  };

  /** Writes a row that is no transition. Returns its `seq`. */
  append({ kind, event, data, actorId, cause }: TimelineEntry): number {
    const subject = this.#byId.get(actorId) ?? newSubject(actorId);
    const causeSeq = typeof cause === 'number' || cause === null ? cause : causeOf(cause);
    const state = subject.state;
    const seq = this.#write(subject, kind, event, state, state, causeSeq, data);
    if (cause !== null && typeof cause === 'object') {
      // What the sender goes on to send while working on this event hangs on the note.
      setCause(cause, seq);
    }
    subject.lastRow = seq;
    return seq;
  }

  /** Writes the end of an actor that an earlier run left without one. */
  noteLostEnd(actorId: string, state: string | null, cause: number): void {
    this.#write(newSubject(actorId), 'ended', 'crash', state, 'stopped', cause, null);
  }

  /** The last `seq` given out. */
  get lastSeq(): number {
    return this.#seq;
  }

  /** The state of an actor, as its rows say; null where it has none or has ended. */
  stateOf(actorId: string): string | null {
    return this.#byId.get(actorId)?.state ?? null;
  }

  /** The last row of an actor. */
  lastRowOf(actorId: string): number | null {
    return this.#byId.get(actorId)?.lastRow ?? null;
  }

  #messaged(sender: AnyActorRef | undefined, receiver: AnyActorRef, event: MessageEvent): void {
    const cause = sender === undefined ? this.#causeFromOutside(event) : this.#currentOf(sender);
    setCause(event, cause);
    if (sender !== undefined && event.type.startsWith('xstate.error.actor.'))
      this.#broke(sender, event, cause);

    const subject = this.#subjectOf(receiver);
    if (subject === undefined) return;
    if (event.type === 'xstate.init') {
      this.#born(subject, receiver, cause);
    } else if (isRecordedCommand(event.type)) {
      const { state } = subject;
      setCause(event, this.#write(subject, 'command', event.type, state, state, cause, factsOf(event)));
    }
  }

  /** A message from outside may name the row that led to it. */
  #causeFromOutside({ cause }: MessageEvent): number | null {
    return typeof cause === 'number' && cause <= this.#seq ? cause : null;
  }

  #born(subject: Subject, actor: AnyActorRef, cause: number | null): void {
    const snapshot = actor.getSnapshot() as Snapshot;
    subject.state = stateName(snapshot.value);
    this.#byId.set(idOf(actor), subject);
    subject.lastRow = this.#write(subject, 'born', 'born', null, subject.state, cause, null);
    subject.current = subject.lastRow;
  }

  #stepped(actor: AnyActorRef, event: MessageEvent, snapshot: Snapshot): void {
    const subject = this.#subjectOf(actor);
    const cause = causeOf(event);
    if (subject === undefined) {
      this.#hiddenCurrent.set(actor, cause);
      return;
    }
    subject.current = cause ?? subject.lastRow;
    const state = stateName(snapshot.value);
    if (subject.lastRow === null || subject.ended) return;
    if (state !== subject.state) {
      const data = { ...factsOf(event), ...waitOf(state, snapshot.context) };
      const from = subject.state;
      subject.state = state;
      subject.lastRow = this.#write(subject, 'transition', event.type, from, state, cause, orNull(data));
      subject.current = subject.lastRow;
    }
    if (snapshot.status === 'stopped') subject.lastRow = this.#stopperOf(actor) ?? subject.lastRow;
    if (snapshot.status !== 'active') this.#ended(subject, idOf(actor), snapshot.status, null);
  }

  /** Who stops an actor sends no message; it is its parent, and what that does just now is the cause. */
  #stopperOf(actor: AnyActorRef): number | null {
    const parent = parentOf(actor);
    return parent === undefined ? null : this.#currentOf(parent);
  }

  /** A machine whose own code threw reports no step; its parent is told, and so are we. */
  #broke(sender: AnyActorRef, event: MessageEvent, cause: number | null): void {
    const subject = this.#subjectOf(sender);
    if (subject === undefined || subject.ended || subject.lastRow === null) return;
    const data = { error: { code: 'HG_ENGINE_ESCALATED', message: messageOf(event.error) } };
    this.#ended(subject, idOf(sender), 'error', data);
    if (cause !== null && subject.lastRow !== null) setCause(event, subject.lastRow);
  }

  #ended(
    subject: Subject,
    actorId: string,
    status: string,
    data: Readonly<Record<string, unknown>> | null,
  ): void {
    const to = status === 'done' ? subject.state : status === 'error' ? 'failed' : 'stopped';
    subject.ended = true;
    subject.lastRow = this.#write(subject, 'ended', status, subject.state, to, subject.lastRow, data);
    subject.state = to;
    if (this.#byId.get(actorId) === subject) this.#byId.delete(actorId);
  }

  #write(
    subject: Subject,
    kind: TimelineKind,
    event: string,
    fromState: string | null,
    toState: string | null,
    cause: number | null,
    data: Readonly<Record<string, unknown>> | null,
  ): number {
    const { clock, run, onRow, redact = NOTHING_SECRET } = this.#options;
    // Before the number is taken: where the clock has jumped, the row about that comes first.
    const atMs = clock.wallMs();
    const monoMs = Math.round(clock.monotonicMs() * 1_000) / 1_000;
    const seq = ++this.#seq;
    const { tenant, actor, incarnation } = subject;
    onRow({
      seq,
      run,
      atMs,
      monoMs,
      tenant,
      actor,
      incarnation,
      kind,
      event,
      fromState,
      toState,
      cause,
      data: redactData(data, redact),
    });
    return seq;
  }

  #currentOf(sender: AnyActorRef): number | null {
    const subject = this.#subjectOf(sender);
    if (subject !== undefined) return subject.current;
    if (isMachine(sender)) return this.#hiddenCurrent.get(sender) ?? null;
    const parent = parentOf(sender);
    return parent === undefined ? null : (this.#subjectOf(parent)?.lastRow ?? this.#currentOf(parent));
  }

  /** Machines without rows of their own, which pass on what they were told. */
  readonly #hiddenCurrent = new WeakMap<object, number | null>();

  /** Rows are kept of all machines except shards, which are a detail of the registry. */
  #subjectOf(actor: AnyActorRef): Subject | undefined {
    const known = this.#subjects.get(actor);
    if (known !== undefined) return known;
    if (!isMachine(actor) || HIDDEN.has(machineId(actor) ?? '')) return undefined;
    // Not made up yet: it has no name, and no row before its birth.
    if (actor.getSnapshot() === undefined) return undefined;
    const subject = newSubject(idOf(actor));
    this.#subjects.set(actor, subject);
    return subject;
  }
}

/** The row that led to a message, kept on the message itself: a weak map of all messages costs the garbage
 *  collector more than everything else here together. */
const CAUSE: unique symbol = Symbol('headgate.cause');

function causeOf(event: object): number | null {
  return (event as { [CAUSE]?: number | null })[CAUSE] ?? null;
}

function setCause(event: object, cause: number | null): void {
  if (Object.isExtensible(event)) (event as { [CAUSE]?: number | null })[CAUSE] = cause;
}

const HIDDEN: ReadonlySet<string> = new Set(['shard']);

function newSubject(actorId: string): Subject {
  const [name = '', incarnation] = actorId.split('#');
  const tenant = incarnation === undefined ? DEFAULT_TENANT : parseAddress(name).tenant;
  return {
    tenant,
    actor: name,
    incarnation: incarnation === undefined ? null : Number(incarnation),
    lastRow: null,
    current: null,
    state: null,
    ended: false,
  };
}

/** The name of a state is that of its innermost node: `{ live: 'streaming' }` is `streaming`. */
function stateName(value: unknown): string | null {
  let name = value;
  while (typeof name === 'object' && name !== null) name = Object.values(name)[0];
  return typeof name === 'string' ? name : null;
}

/** How long a state that waits is going to wait. */
function waitOf(state: string | null, context: unknown): { waitMs?: number } {
  if (state !== 'backingOff' && state !== 'circuitOpen') return {};
  const { waitMs } = context as { waitMs?: number };
  return waitMs === undefined ? {} : { waitMs };
}

function orNull(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | null {
  return Object.keys(data).length === 0 ? null : data;
}

/** The name of an actor in the timeline. Sources bear theirs in their context: as children they have places,
 *  which others had before them. */
function idOf(actor: AnyActorRef): string {
  const { context } = (actor.getSnapshot() ?? {}) as { context?: { actorId?: string } };
  return context?.actorId ?? actor.id;
}

function machineId(actor: AnyActorRef): string | undefined {
  return (actor as unknown as { logic?: { id?: string } }).logic?.id;
}

function isMachine(actor: AnyActorRef): boolean {
  return 'root' in ((actor as unknown as { logic?: object }).logic ?? {});
}

function parentOf(actor: AnyActorRef): AnyActorRef | undefined {
  return actor._parent;
}
