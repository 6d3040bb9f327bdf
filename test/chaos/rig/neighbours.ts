/** Runs an engine in which users' code goes wrong, and reads what it says of itself and of the neighbours. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface NeighboursOptions {
  readonly file: string;
  /** `throws`: source, stage, subscribers and callback throw in every loud second. `crash-loop`: a source
   *  that throws whenever it is started, with the defaults. */
  readonly fault: 'throws' | 'crash-loop';
  /** Quiet and loud seconds, so many of each. */
  readonly turns: number;
}

export interface NeighboursNews {
  readonly thrown: Readonly<Record<'source' | 'stage' | 'subscriber' | 'callback', number>>;
  /** Of the source that crashes. */
  readonly state: string;
  readonly restarts: number;
  /** Records of the neighbours that were stored. */
  readonly quietPerSecond: number;
  readonly loudPerSecond: number;
  readonly loudMs: number;
  readonly lost: number;
  readonly engineState: string;
}

export interface NeighboursRun extends NeighboursNews {
  readonly exitCode: number | null;
  readonly logLines: readonly string[];
}

/** @throws Error where the process ended without a word, with what it wrote to stderr. */
export async function runNeighbours(options: Omit<NeighboursOptions, 'file'>): Promise<NeighboursRun> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-'));
  const script = fileURLToPath(new URL('../neighbours-child.ts', import.meta.url));
  const whole: NeighboursOptions = { ...options, file: join(folder, 'edge.db') };
  const child = fork(script, [JSON.stringify(whole)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  try {
    let news: NeighboursNews | null = null;
    child.on('message', (message: NeighboursNews) => (news = message));
    let log = '';
    child.stderr?.on('data', (bytes: Buffer) => (log += bytes.toString()));
    const [exitCode] = (await once(child, 'close')) as [number | null];
    if (news === null) throw new Error(`the engine ended (${exitCode}) without a word: ${log.slice(-4_000)}`);
    const logLines = log.split('\n').filter((line) => line !== '');
    return { ...(news as NeighboursNews), exitCode, logLines };
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}
