/** Runs the command as a user does: as a process, with the Node that runs the tests. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { main } from '../../src/cli/program.ts';
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

/** Commands that take the process for themselves: its signals, its end, its standard streams. */
const OF_THEIR_OWN: ReadonlySet<string | undefined> = new Set(['run', 'start', 'demo', 'test']);

/** `headgate …` to its end: within this process, where the command leaves it as it was. Calls have their
 *  turns: the working folder and the environment are the process's. */
export function headgate(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  if (OF_THEIR_OWN.has(args[0])) return spawnHeadgate(args, options);
  const ended = lastHere.then(() => headgateHere(args, options));
  lastHere = ended.catch(() => {});
  return ended;
}

let lastHere: Promise<unknown> = Promise.resolve();

/** `headgate …` to its end, as a process. */
export function spawnHeadgate(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return run(process.execPath, [HEADGATE, ...args], options);
}

async function headgateHere(args: readonly string[], { cwd, env = {} }: RunOptions): Promise<Ended> {
  const before = { folder: process.cwd(), env: { ...process.env } };
  let [stdout, stderr] = ['', ''];
  try {
    process.chdir(cwd ?? PROJECT_ROOT);
    for (const [name, value] of Object.entries({ NO_COLOR: undefined, FORCE_COLOR: undefined, ...env }))
      setEnvironment(name, value);
    const exitCode = await main(args, {
      columns: null,
      open: true,
      onClosed() {},
      write: async (text) => void (stdout += text),
      note: (text) => void (stderr += `${text}\n`),
      style: (_style, text) => text,
    });
    return { exitCode, signal: null, stdout, stderr };
  } finally {
    process.chdir(before.folder);
    for (const name of new Set([...Object.keys(process.env), ...Object.keys(before.env)]))
      setEnvironment(name, before.env[name]);
  }
}

function setEnvironment(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** `headgate …`, still running. */
export function startHeadgate(args: readonly string[], options: RunOptions = {}): Running {
  return start(process.execPath, [HEADGATE, ...args], options);
}
