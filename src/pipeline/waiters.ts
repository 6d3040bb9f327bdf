/** A line of those who wait for the same thing. Nobody leaves anything behind on the signal that could have
 *  ended the wait. */

export type Waiters = (() => void)[];

/** Resolves when the line is woken, or `signal` aborts. */
export function addWaiter(line: Waiters, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const wake = () => {
      signal?.removeEventListener('abort', cancel);
      resolve();
    };
    const cancel = () => {
      const index = line.indexOf(wake);
      if (index >= 0) line.splice(index, 1);
      resolve();
    };
    line.push(wake);
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** Wakes everyone in it. */
export function wakeAll(line: Waiters | null): void {
  if (line !== null) for (const wake of line.splice(0)) wake();
}
