/** Starts a program of this tree in a thread of its own: compiled, or as it is, as whoever starts it. */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

interface Thread {
  /** As debuggers and the system show it. */
  readonly name: string;
  /** What the program finds as its `workerData`. */
  readonly workerData: unknown;
}

/** `program` is the URL of the program without its ending: the compiler does not look into URLs. */
export function startThread(program: URL, { name, workerData }: Thread): Worker {
  const file = new URL(program.href + extname(new URL(import.meta.url).pathname));
  // Without the flags of the process: what is preloaded for the user's program has no business there.
  return new Worker(file, { workerData, execArgv: [], name });
}
