/** A history of the database at a path, seen from the thread of whoever asks.
 *
 *  The thread that reads is started with the first question, and again after it died: asking once more is all
 *  that it takes. The file need not be there yet. A question reads one state of the file, and none is held
 *  between two questions, so that readers never keep the write-ahead log from being cut back. A database in
 *  memory is seen by nobody but its engine: each question about it is answered with HG_STORAGE_NOT_FOUND. */

import type { Worker } from 'node:worker_threads';
import { HeadgateError, messageOf } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { isInMemory } from '../file/database-path.ts';
import { QUESTIONS, type FromReader, type Question, type ReaderOptions } from './history-protocol.ts';
import type { History, HistoryFilter } from './history.ts';
import { checkFilter } from './timeline-queries.ts';
import { startThread } from '../worker/start-thread.ts';
import { errorOf } from '../worker/worker-protocol.ts';

/** `close` before or after the engine: closed before, the engine leaves a single file behind. */
export function openHistory(path: string): History {
  const desk = new QuestionDesk(path);
  const questions = Object.fromEntries(
    QUESTIONS.map((question) => [question, async (...args: unknown[]) => desk.ask(question, args)]),
  ) as unknown as Pick<History, Question>;
  return {
    ...questions,
    timeline: async (filter = {}) => (await desk.ask('timeline', [bounded(filter)])) as never,
    alerts: async (filter = {}) => (await desk.ask('alerts', [bounded(filter)])) as never,
    close: () => desk.close(),
  };
}

/** A page that fits in memory. */
function bounded(filter: HistoryFilter): HistoryFilter {
  checkFilter(filter);
  const { limit = LIMITS.historyRows } = filter;
  if (limit <= LIMITS.historyRowsMax) return { ...filter, limit };
  const message = `limit: is ${limit}; use at most ${LIMITS.historyRowsMax} and ask for the next page`;
  throw new HeadgateError('HG_OPTION_INVALID', message, { details: { field: 'limit' } });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: HeadgateError) => void;
}

class QuestionDesk {
  readonly #path: string;
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #closing: Promise<void> | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async ask(question: Question, args: readonly unknown[]): Promise<unknown> {
    if (this.#closing !== null) {
      throw new HeadgateError('HG_ENGINE_STATE', `${this.#path}: its history is closed; open it again`);
    }
    if (isInMemory(this.#path)) throw inMemory(this.#path);
    if (this.#waiting.size >= LIMITS.historyQuestionsMax) throw overloaded(this.#path);
    return this.#post(question, args);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    // A thread that died meanwhile is closed, too.
    await this.#post('close', []).catch(() => undefined);
    await exited;
  }

  #post(question: Question | 'close', args: readonly unknown[]): Promise<unknown> {
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    try {
      worker.postMessage({ id, question, args });
    } catch (error) {
      throw new HeadgateError('HG_OPTION_INVALID', `${question}: ${messageOf(error)}`);
    }
    // A question that waits keeps the process alive; an idle thread does not.
    if (this.#waiting.size === 0) worker.ref();
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #start(): Worker {
    const workerData: ReaderOptions = { path: this.#path };
    const program = new URL('./history-worker', import.meta.url);
    const worker = startThread(program, { name: 'headgate-history', workerData });
    worker.on('message', (message: FromReader) => this.#onAnswer(worker, message));
    worker.on('error', (error: unknown) => this.#onDeath(worker, messageOf(error)));
    worker.on('exit', (code) => this.#onDeath(worker, `it exited with code ${code}`));
    return worker;
  }

  #onAnswer(worker: Worker, message: FromReader): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    // A thread that is about to end is waited for.
    if (this.#waiting.size === 0 && this.#closing === null) worker.unref();
    if ('value' in message) waiting?.resolve(message.value);
    else waiting?.reject(errorOf(message.error));
  }

  #onDeath(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    const message = `${this.#path}: the thread that reads the database has ended: ${reason}; ask again`;
    const error = new HeadgateError('HG_STORAGE_FAILED', message, { details: { file: this.#path } });
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function inMemory(path: string): HeadgateError {
  const message = `${path}: a database in memory is seen by its engine only; give the engine a file`;
  return new HeadgateError('HG_STORAGE_NOT_FOUND', message, { details: { file: path } });
}

function overloaded(path: string): HeadgateError {
  const message = `${path}: ${LIMITS.historyQuestionsMax} questions wait already; ask again in a moment`;
  return new HeadgateError('HG_HISTORY_OVERLOADED', message, { details: { file: path } });
}
