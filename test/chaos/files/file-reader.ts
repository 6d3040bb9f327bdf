/** Runs the code of a file source against a {@link FileWorld}, one poll at a time, and loses what a kill
 *  would lose: what was handed in and not committed. */

import { fileSource } from '../../../actors/sources/file/file-source.ts';
import type { Clock } from '../../../src/domain/clock.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { seededRandom } from '../../../src/domain/random.ts';
import type { RecordMeta } from '../../../src/domain/record.ts';
import type { SourceIo, SourceSpec } from '../../../src/domain/source.ts';
import { idOf, type FileWorld } from './file-world.ts';

export interface SeenAlert {
  readonly event: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** Records that had been handed in before it. */
  readonly after: number;
}

interface Seen {
  readonly value: unknown;
  readonly cursor: string;
}

/** What becomes of a cursor between two runs; for the control, which reads like an earlier version. */
export type AlterCursor = (cursor: string) => string;

export class FileReader {
  readonly seen: Seen[] = [];
  readonly alerts: SeenAlert[] = [];
  readonly deadLetters: unknown[] = [];
  readonly #spec: SourceSpec;
  readonly #world: FileWorld;
  readonly #alterCursor: AlterCursor;
  #room = Number.POSITIVE_INFINITY;
  #committed = 0;
  #abort = new AbortController();
  #run: Promise<void> | null = null;
  /** What a run ended with that waiting does not mend. */
  crash: unknown = null;
  #wake: (() => void) | null = null;
  #wakeRoom: (() => void) | null = null;
  #onIdle: (() => void) | null = null;

  constructor(world: FileWorld, alterCursor: AlterCursor = (cursor) => cursor) {
    const { path, format, archive } = world;
    this.#spec = fileSource({ id: 'file', path, format, pollMs: 10, rotated: [archive] });
    this.#alterCursor = alterCursor;
    this.#world = world;
  }

  /** Starts a run where the last committed record says, and waits until it has nothing to do. */
  async start(): Promise<void> {
    this.#abort = new AbortController();
    this.#room = Number.POSITIVE_INFINITY;
    const last = this.seen.at(-1)?.cursor ?? null;
    const io = this.#createIo(last === null ? null : this.#alterCursor(last));
    const idle = this.#untilIdle();
    this.#run = (this.#spec.logic.stream(io) as Promise<void>).then(
      () => this.#ended(null),
      (error: unknown) => this.#ended(error),
    );
    await idle;
  }

  get isRunning(): boolean {
    return this.#run !== null;
  }

  /** Lets one poll happen. A run that has failed, as there is no file, is started again. */
  async poll(): Promise<void> {
    if (this.#run === null) return this.start();
    if (this.#wake === null) return;
    const idle = this.#untilIdle();
    const wake = this.#wake;
    this.#wake = null;
    wake();
    await idle;
  }

  /** Takes no more than so many further records until `unblock`. */
  block(records: number): void {
    this.#room = this.seen.length + records;
  }

  async unblock(): Promise<void> {
    this.#room = Number.POSITIVE_INFINITY;
    const wake = this.#wakeRoom;
    if (wake === null) return;
    this.#wakeRoom = null;
    const idle = this.#untilIdle();
    wake();
    await idle;
  }

  /** Commits a part of what was handed in. */
  commit(share: number): void {
    this.#committed += Math.floor((this.seen.length - this.#committed) * share);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake?.();
    this.#wakeRoom?.();
    this.#wake = this.#wakeRoom = null;
    await this.#run;
    this.#committed = this.seen.length;
    this.#forget();
  }

  #forget(): void {
    const last = this.seen.at(-1);
    const id = last === undefined ? 0 : idOf(last.value, this.#world.format);
    this.#world.forgetLooks(this.#world.lines[id - 1]?.content ?? null);
  }

  /** Ends the run and forgets what was not committed. */
  async kill(): Promise<void> {
    const kept = this.#committed;
    await this.stop();
    this.seen.length = this.#committed = kept;
    this.#forget();
    // An alert is stored with what comes after it; the last ones go.
    const stored = this.alerts.filter(({ after }) => after < kept);
    this.alerts.splice(0, this.alerts.length, ...stored);
  }

  #untilIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #idle(): void {
    this.#onIdle?.();
    this.#onIdle = null;
  }

  #ended(error: unknown): void {
    this.#run = null;
    if (error !== null && !(error instanceof HeadgateError && error.remedy === 'retry')) this.crash = error;
    this.#idle();
  }

  #hasRoom(): boolean {
    return this.seen.length < this.#room || this.#abort.signal.aborted;
  }

  #emitAll(values: readonly unknown[], meta: RecordMeta | undefined): boolean {
    if (!this.#abort.signal.aborted) {
      for (const value of values) this.seen.push({ value, cursor: meta?.cursor ?? '' });
    }
    return this.#hasRoom();
  }

  #createIo(cursor: string | null): SourceIo {
    const { signal } = this.#abort;
    return {
      ...{ sourceId: 'file', tenant: 'default', signal, cursor, pollsSinceMs: null, log: SILENT_LOGGER },
      clock: this.#clock(),
      random: seededRandom(1),
      countPollsFrom: () => {},
      keepCursor: () => Promise.resolve(),
      opened: () => {},
      emit: (value, meta) => this.#emitAll([value], meta),
      emitAll: (values, meta) => this.#emitAll(values, meta),
      receive: (payload) => {
        this.deadLetters.push(payload);
        return true;
      },
      room: async () => {
        if (this.#hasRoom()) return;
        const woken = new Promise<void>((resolve) => {
          this.#wakeRoom = resolve;
        });
        this.#idle();
        await woken;
      },
      readFailed: () => {},
      readSucceeded: () => {},
      alert: (event, _, details = {}) => {
        if (!signal.aborted) this.alerts.push({ event, details, after: this.seen.length });
      },
    };
  }

  #clock(): Clock {
    const unused = (): never => {
      throw new Error('a file source only sleeps');
    };
    return {
      ...{ wallMs: () => 0, monotonicMs: () => 0, setTimeout: unused, clearTimeout: unused },
      sleep: (_, signal) => {
        if (signal?.aborted === true) return Promise.resolve();
        this.#world.looks++;
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#idle();
        return woken;
      },
    };
  }
}
