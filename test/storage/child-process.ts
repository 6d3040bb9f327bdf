/** Starts child.ts and waits for what it prints. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export interface StoreChild {
  /** Lines printed so far. */
  readonly lines: string[];
  /** Resolves when so many lines are printed; rejects if the child ends before. */
  printed(count: number): Promise<void>;
  /** Kills the process without a chance to clean up; resolves when it is gone and all it printed is read. */
  kill(): Promise<void>;
}

/** `wrapper` is a command that runs the child, with its arguments. */
export function startChild(
  mode: 'write' | 'keyless' | 'hold',
  path: string,
  wrapper: readonly string[] = [],
): StoreChild {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url));
  const [command = process.execPath, ...before] = wrapper;
  const node = wrapper.length === 0 ? [] : [process.execPath];
  const child = spawn(command, [...before, ...node, script, mode, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const closed = once(child, 'close');
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    lines,
    async printed(count) {
      const ended = closed.then(() =>
        Promise.reject(new Error(`the child ended after ${lines.length} lines`)),
      );
      ended.catch(() => {});
      while (lines.length < count) await Promise.race([once(reader, 'line'), ended]);
    },
    async kill() {
      child.kill('SIGKILL');
      await closed;
    },
  };
}
