/** Runs the command as a user does: as a process, with the Node that runs the tests. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { PROJECT_ROOT } from './project-files.ts';

export const HEADGATE = join(PROJECT_ROOT, 'src/cli/headgate.ts');

export interface Ended {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment; undefined takes a name away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface Running {
  /** Lines of stdout as they come. */
  readonly lines: AsyncIterator<string>;
  /** What it has written to stderr by now. */
  readonly stderrSoFar: () => string;
  signal(name: NodeJS.Signals): void;
  /** Stops reading: the command then writes to a pipe that nobody has open. */
  hangUp(): void;
  readonly ended: Promise<Ended>;
}

/** Starts a program. It cannot outlive the test: the caller awaits `ended`. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(command, args, {
    cwd: options.cwd ?? PROJECT_ROOT,
    env: { ...process.env, NO_COLOR: undefined, FORCE_COLOR: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  let lines: AsyncIterator<string> | undefined;
  return {
    // Made when asked for: a line reader that nobody reads from holds the program up.
    get lines() {
      return (lines ??= createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    },
    stderrSoFar: () => stderr,
    signal: (name) => void child.kill(name),
    hangUp: () => void child.stdout.destroy(),
    ended: closed.then(([exitCode, signal]) => ({ exitCode, signal, stdout, stderr })),
  };
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return start(command, args, options).ended;
}

/** `headgate …` to its end. */
export function headgate(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run(process.execPath, [HEADGATE, ...args], options);
}

/** `headgate …`, still running. */
export function startHeadgate(args: readonly string[], options: RunOptions = {}): Running {
  return start(process.execPath, [HEADGATE, ...args], options);
}
