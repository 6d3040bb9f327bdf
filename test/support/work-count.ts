/** Counts the work of a function: how often each part of the code ran, as V8 counts it for coverage, and the
 *  elements of arrays that V8 goes through by itself. Unlike times, counts are the same on every machine. For
 *  processes that were started with {@link EXACT_COUNTS}. */

import { Session } from 'node:inspector/promises';

/** Code that V8 compiles for speed, or throws away, is not counted in full. */
export const EXACT_COUNTS: readonly string[] = [
  ...['--no-opt', '--no-maglev', '--no-sparkplug', '--no-flush-bytecode'],
];

/** Methods of arrays that go through all elements and call nothing. */
const SCANS = ['includes', 'indexOf', 'lastIndexOf', 'concat', 'slice', 'splice', 'shift', 'join', 'sort'];

/** Runs of blocks of code (functions, branches, bodies of loops) in `work`, those of packages included, and
 *  elements that were scanned. */
export async function workOf(work: () => unknown): Promise<number> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    await session.post('Profiler.takePreciseCoverage');
    const scanned = elementsScanned(work);
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const counts = result.flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges));
    return counts.reduce((sum, { count }) => sum + count, scanned);
  } finally {
    session.disconnect();
  }
}

type Method = (this: unknown[], ...args: unknown[]) => unknown;

function elementsScanned(work: () => unknown): number {
  const prototype = Array.prototype as unknown as Record<PropertyKey, Method>;
  const names = [...SCANS, 'unshift', Symbol.iterator];
  const natives = names.map((name) => prototype[name] as Method);
  let scanned = 0;
  for (const [index, name] of names.entries()) {
    const native = natives[index] as Method;
    prototype[name] = function counted(...args) {
      scanned += this.length;
      return Reflect.apply(native, this, args);
    };
  }
  try {
    work();
    return scanned;
  } finally {
    names.forEach((name, index) => (prototype[name] = natives[index] as Method));
  }
}
