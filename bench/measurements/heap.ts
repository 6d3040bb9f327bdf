/** The heap after everything that can go has gone. */

/** Bytes of live objects. Needs `--expose-gc`. */
export function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc');
  // What finalisers and weak references let go in the first pass is collected in the second.
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
