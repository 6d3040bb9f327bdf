/** Starts the publisher as a process of its own and speaks with it. */

import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PublishedCounts, PublisherNews, PublisherOrder, PublisherTask } from './feed.ts';

export interface PublisherProcess extends AsyncDisposable {
  readonly pid: number;
  /** Starts the feeds. */
  begin(): void;
  /** Resolves when every feed has ended and the broker has all it was sent; rejects if the process failed. */
  readonly finished: Promise<PublishedCounts>;
  /** Ends the feeds and the process; resolves when it has gone. Safe to call twice.
   *  @throws Error if it had ended before it was told to, for a reason of its own. */
  stop(): Promise<void>;
}

/** How long the publisher may take to end by itself before it is killed. */
const STOP_DEADLINE_MS = 2_000;
const ERROR_TEXT_CHARS_MAX = 2_000;

/** Resolves once the publisher is connected to the broker. It publishes nothing before `begin()`. */
export async function startPublisher(task: PublisherTask): Promise<PublisherProcess> {
  // Sources run as .ts, a build as .js: the publisher lies beside this file under the same ending.
  const program = fileURLToPath(new URL(`./publisher${extname(import.meta.url)}`, import.meta.url));
  const child = fork(program, [JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
  });
  const ready = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<PublishedCounts>();
  const gone = Promise.withResolvers<void>();
  let errorText = '';
  let orderly = false;
  let failure: Error | undefined;

  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errorText = (errorText + text).slice(-ERROR_TEXT_CHARS_MAX);
  });
  child.on('message', (news: PublisherNews) => {
    if (news.type === 'ready') ready.resolve();
    else {
      orderly = true;
      finished.resolve(news.published);
    }
  });
  child.once('error', (error) => {
    ready.reject(error);
    finished.reject(error);
    gone.resolve();
  });
  child.once('close', (code, signal) => {
    const end = signal === null ? `code ${code}` : signal;
    const error = new Error(`the publisher ended too early (${end}) ${errorText}`.trimEnd());
    if (!orderly) failure = error;
    ready.reject(error);
    finished.reject(error);
    gone.resolve();
  });
  // Who only stops the publisher need not hear how its feeds ended.
  finished.promise.catch(() => {});

  const order = (message: PublisherOrder) => {
    if (child.connected) child.send(message, () => {});
  };
  const stop = async () => {
    orderly ||= failure === undefined;
    order({ type: 'stop' });
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await gone.promise;
    clearTimeout(kill);
    if (failure !== undefined) throw failure;
  };
  await ready.promise;
  return {
    pid: child.pid ?? 0,
    begin: () => order({ type: 'begin' }),
    finished: finished.promise,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
