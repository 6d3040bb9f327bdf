/** A store in a thread of its own, seen from the engine's thread: neither a flush to a slow disk nor the
 *  lock of another process stops the event loop.
 *
 *  Should the thread end before it is told to, every call that waits, and every later one, rejects with
 *  HG_STORAGE_STOPPED: whether a commit that waited was written is not known then, as after a crash. */

import type { Worker } from 'node:worker_threads';
import { HeadgateError, messageOf } from '../../src/domain/errors.ts';
import type { WriteBatch } from '../../src/domain/timeline.ts';
import type { CommitResult, EventStore, OpenOptions, RefusedRow } from '../event-store.ts';
import { followCursors } from '../tables/recovered-state.ts';
import { closedError, storageError } from '../file/storage-error.ts';
import { startThread } from './start-thread.ts';
import { errorOf, FORWARDED_CALLS, OPENING } from './worker-protocol.ts';
import type { ForwardedCall, FromWorker, StoreFacts, ToWorker, WorkerOptions } from './worker-protocol.ts';
import { encodeBatch, uncrossableRows } from './write-batch-codec.ts';

/** As {@link openEventStore} of open-event-store.ts.
 *  @throws HeadgateError as that one; HG_STORAGE_STOPPED if the thread cannot run. */
export async function openEventStoreInWorker(options: OpenOptions): Promise<EventStore> {
  const thread = new StoreThread(options);
  const facts = await thread.opened;
  const cursors = new Map(facts.cursors);
  const forwarded = Object.fromEntries(
    Object.keys(FORWARDED_CALLS).map((call) => [
      call,
      (...args: unknown[]) => thread.ask({ call: call as ForwardedCall, args }),
    ]),
  ) as unknown as Pick<EventStore, ForwardedCall>;
  return {
    ...facts,
    ...forwarded,
    cursors,
    async commit(unit) {
      const result = await thread.commit(unit);
      followCursors(cursors, unit.cursors);
      return result;
    },
    examine: (unit) => thread.examine(unit),
    close: (end) => thread.close(end),
    abandon: () => thread.abandon(),
  };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: HeadgateError) => void;
}

type Call = ToWorker extends infer Message ? (Message extends unknown ? Omit<Message, 'id'> : never) : never;

function killProcess(): void {
  process.kill(process.pid, 'SIGKILL');
}

class StoreThread {
  readonly opened: Promise<StoreFacts>;
  readonly #path: string;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = OPENING;
  /** Why nothing more can be asked. */
  #over: HeadgateError | null = null;
  #closing: Promise<void> | null = null;

  constructor({ uuid, ...options }: OpenOptions) {
    this.#path = options.path;
    const workerData: WorkerOptions = { ...options, uuids: [uuid(), uuid()] };
    const program = new URL('./store-worker', import.meta.url);
    this.#worker = startThread(program, { name: 'headgate-storage', workerData });
    this.opened = this.#awaitAnswer(OPENING).catch(async (error: unknown) => {
      await this.#exited;
      throw error;
    }) as Promise<StoreFacts>;
    this.#worker.on('message', (message: FromWorker) => this.#onAnswer(message));
    this.#worker.on('error', (error: unknown) => this.#onDeath(messageOf(error)));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', (code) => {
        this.#onDeath(`it exited with code ${code}`);
        resolve();
      });
    });
  }

  /** @throws HeadgateError what the thread answers; HG_STORAGE_STOPPED. */
  async ask(call: Call, transfers: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#over !== null) throw this.#over;
    const id = ++this.#lastId;
    try {
      this.#worker.postMessage({ ...call, id }, transfers);
    } catch (error) {
      // A value that cannot be sent: it never could be stored either.
      throw storageError(error, this.#path);
    }
    return this.#awaitAnswer(id);
  }

  async commit(unit: WriteBatch): Promise<CommitResult> {
    if (this.#over !== null) throw this.#over;
    const { unit: encoded, transfers } = this.#encode(unit);
    return (await this.ask({ call: 'commit', unit: encoded }, transfers)) as CommitResult;
  }

  async examine(unit: WriteBatch): Promise<readonly RefusedRow[]> {
    const refused = uncrossableRows(unit);
    if (refused.length > 0) return refused;
    const { unit: encoded, transfers } = this.#encode(unit);
    return (await this.ask({ call: 'examine', unit: encoded }, transfers)) as RefusedRow[];
  }

  #encode(unit: WriteBatch): ReturnType<typeof encodeBatch> {
    try {
      return encodeBatch(unit);
    } catch (error) {
      throw storageError(error, this.#path);
    }
  }

  /** Resolves when the thread has ended. */
  close(end: { readonly atMs: number } | null): Promise<void> {
    this.#closing ??= this.#close(end);
    return this.#closing;
  }

  /** A thread that hangs in a call of the system can neither be ended nor be waited for, and Node would wait
   *  for it at the end of the process, for ever: then the process ends itself by a signal instead. */
  abandon(): void {
    this.#onDeath('it does not answer');
    // Should the disk come back, the thread finds this next: what it holds is let go then.
    this.#worker.postMessage({ id: ++this.#lastId, call: 'close', end: null } satisfies ToWorker);
    this.#worker.unref();
    process.on('exit', killProcess);
    this.#worker.once('exit', () => process.off('exit', killProcess));
  }

  async #close(end: { readonly atMs: number } | null): Promise<void> {
    const answer = this.ask({ call: 'close', end });
    this.#over ??= closedError(this.#path);
    try {
      await answer;
    } finally {
      await this.#exited;
    }
  }

  /** A call that waits keeps the process alive; an idle thread does not. */
  #awaitAnswer(id: number): Promise<unknown> {
    if (this.#waiting.size === 0) this.#worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
  }

  #onAnswer(message: FromWorker): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    // A thread that is about to end is waited for.
    const isEnding = this.#closing !== null || (message.id === OPENING && 'error' in message);
    if (this.#waiting.size === 0 && !isEnding) this.#worker.unref();
    if ('value' in message) waiting?.resolve(message.value);
    else waiting?.reject(errorOf(message.error));
  }

  #onDeath(reason: string): void {
    const message = `${this.#path}: the thread that writes the database has ended: ${reason}`;
    const error = new HeadgateError('HG_STORAGE_STOPPED', message, { details: { file: this.#path } });
    this.#over ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
