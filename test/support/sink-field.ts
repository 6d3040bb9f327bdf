/** A sink on a real store, with a far end that does what a script says, under the virtual clock. */

import { onTestFinished } from 'vitest';
import { createActor, type Actor } from 'xstate';
import { createSinkRun } from '../../actors/sinks/runtime/sink-run.ts';
import { LogTail } from '../../actors/sinks/runtime/log-tail.ts';
import { SinkProgress } from '../../actors/sinks/runtime/sink-progress.ts';
import { SinkRuntime } from '../../actors/sinks/runtime/sink-runtime.ts';
import { createSinkDrain, createSinkWait } from '../../actors/sinks/runtime/sink-waiting.ts';
import { defineSink } from '../../actors/sinks/define-sink.ts';
import { GroupCommitter } from '../../actors/persistence/group-committer.ts';
import { sinkMachine, type SinkFact } from '../../machines/sink-machine.ts';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import { seededRandom } from '../../src/domain/random.ts';
import type { OutboundRecord, SinkIo, SinkLink, SinkSpec } from '../../src/domain/sink.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openOptions, recordRow } from '../storage/fixture.ts';

/** What the far end does; a test may change it at any time. */
export interface FarEnd {
  /** Whether it answers when a link is opened. */
  greeted?: boolean;
  open?(io: SinkIo): Promise<void>;
  deliver?: SinkLink['deliver'];
  close?(): Promise<void>;
}

export type SinkOptions = Partial<Omit<Parameters<ReturnType<typeof defineSink>>[0], 'id'>>;

export interface SinkFieldOptions {
  readonly file: string;
  readonly farEnd: FarEnd;
  readonly options?: SinkOptions;
}

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

export class SinkField {
  readonly clock = virtualClock();
  readonly store: EventStore;
  readonly ledger: GroupCommitter;
  readonly feed: LogTail;
  readonly rig: SinkRuntime;
  readonly actor: Actor<typeof sinkMachine>;
  /** Links opened, and how many of them have closed. */
  opened = 0;
  closed = 0;
  /** Damaged rows as they were told. */
  readonly damaged: number[] = [];
  /** Why the far end was found to refuse everything. */
  readonly refusals: ErrorFacts[] = [];
  /** What the machine heard of its ports. */
  readonly facts: SinkFact[] = [];
  #records = 0;

  /** Opens the store and starts the sink where its cursor says. */
  static async open(options: SinkFieldOptions): Promise<SinkField> {
    const store = await openEventStore(openOptions(options.file));
    onTestFinished(() => store.close(null));
    return new SinkField(options, store);
  }

  constructor({ farEnd, options = {} }: SinkFieldOptions, store: EventStore) {
    const { clock } = this;
    this.store = store;
    this.#records = store.lastRecordSeq;
    this.feed = new LogTail(store);
    this.ledger = new GroupCommitter({
      store,
      clock,
      onWritten: (rows) => this.feed.rowsStored(rows),
      onRecords: (seq) => this.feed.recordsStored(seq),
      onGivenUp() {},
      onFailed() {},
      onRecovered() {},
    });
    const books = new SinkProgress({
      clock,
      committer: this.ledger,
      bury: (rig, record, { code, message }) => {
        const letter = {
          ...{ tenant: record.tenant, sourceId: record.sourceId, stage: rig.stage, code, message },
          ...{ payload: JSON.stringify(record.data), attempts: 1, isTruncated: false },
          ...{ firstAtMs: clock.wallMs(), lastAtMs: clock.wallMs() },
          origin: {
            ...{ incarnation: record.incarnation, sourceSeq: record.sourceSeq, atMs: record.atMs },
            ...{ dedupKey: null, contentType: null, recordSeq: record.seq },
          },
        };
        this.ledger.addDeadLetter(letter, { isAwaited: true });
      },
      damaged: (_rig, seqs) => void this.damaged.push(...seqs),
      refusesAll: (_rig, reason) => void this.refusals.push(reason),
    });
    const spec = this.#spec(farEnd, options);
    const cursor = store.sinkCursors.get('default/out')?.seq ?? 0;
    this.rig = new SinkRuntime({ spec, incarnation: 1, clock, cursor });
    const ports = { clock, log: QUIET, feed: this.feed, books, raise() {}, random: seededRandom(1) };
    const machine = sinkMachine.provide({
      actors: {
        run: createSinkRun(ports),
        wait: createSinkWait(clock, () => {}),
        drain: createSinkDrain(clock),
      },
    });
    const { backoff, breaker, drainDeadlineMs } = spec;
    this.actor = createActor(machine, {
      input: {
        actorId: this.rig.actorId,
        runtime: this.rig,
        backoff,
        breaker,
        drainDeadlineMs,
        resume: null,
      },
      inspect: (seen) => {
        if (seen.type === '@xstate.event' && seen.actorRef === this.actor)
          this.facts.push(seen.event as never);
      },
    }).start();
  }

  #spec(farEnd: FarEnd, options: SinkOptions): SinkSpec {
    return defineSink({
      type: 'scripted',
      open: async (io) => {
        await farEnd.open?.(io);
        this.opened++;
        return {
          ...(farEnd.greeted === true ? { greeted: true } : {}),
          deliver: async (batch, progress) => farEnd.deliver?.(batch, progress),
          close: async () => {
            this.closed++;
            await farEnd.close?.();
          },
        };
      },
    })({ id: 'out', backoff: { jitter: 'none' }, ...options });
  }

  get state(): string {
    const { value } = this.actor.getSnapshot();
    return typeof value === 'string' ? value : (Object.values(value)[0] as string);
  }

  /** Stores so many more records; the n-th ever stored bears the number n. Resolves when they are stored. */
  append(records: number, data: (n: number) => unknown = (n) => n): Promise<void> {
    const rows = Array.from({ length: records }, () => {
      const n = ++this.#records;
      return recordRow({ sourceSeq: n, data: JSON.stringify(data(n)) });
    });
    this.ledger.addRecords({ records: rows, onSettled() {} });
    return this.settle(this.ledger.flush());
  }

  /** Stores an alert. */
  alert(row: TimelineRow): Promise<void> {
    this.ledger.addRow(row);
    return this.settle(this.ledger.flush());
  }

  settle<Result>(work: Promise<Result>): Promise<Result> {
    return this.clock.runUntil(work);
  }

  /** The process is gone: what was not committed never will be. */
  async crash(): Promise<void> {
    this.rig.isReleased = true;
    this.rig.abort();
    this.actor.stop();
    await this.store.close(null);
  }

  /** Ends the sink, then everything else. */
  async end(): Promise<void> {
    this.actor.send({ type: 'sink.stop' });
    await this.clock.advance(6_000);
    await this.settle(this.ledger.close());
    await this.store.close({ atMs: this.clock.wallMs() });
  }
}

export const numbersOf = (batch: readonly OutboundRecord[]) => batch.map(({ data }) => Number(data));
