/** Records what a run of the workload does to its files, by strace. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { DiskOperation } from './disk-operation.ts';
import { readStraceLog, TRACED_CALLS } from './strace-log.ts';

export const POWER_CUT_HOSTS = ['direct', 'worker', 'control'] as const;
export type PowerCutHost = (typeof POWER_CUT_HOSTS)[number];

const WORKLOAD = fileURLToPath(new URL('../power-cut-child.ts', import.meta.url));
/** Longer than any single write. */
const STRING_BYTES_MAX = 1_048_576;
const RUN_MS_MAX = 60_000;

export interface RecordedRun {
  /** Where the files were. */
  readonly folder: string;
  readonly file: string;
  readonly operations: readonly DiskOperation[];
}

/** Why no run can be recorded here; undefined where one can. */
export function whyNoRecording(): string | undefined {
  if (process.platform !== 'linux') return 'strace is of Linux';
  const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true'], { encoding: 'utf8' });
  if (probe.error !== undefined) return 'strace is not installed (apt-get install strace)';
  return probe.status === 0
    ? undefined
    : `strace is not permitted here: ${probe.stderr.trim().split('\n')[0]}`;
}

/** Runs the workload in `scratch`/HOST, a new folder. @throws Error where it fails. */
export async function recordRun(
  host: PowerCutHost,
  { scratch, units, seed }: { readonly scratch: string; readonly units: number; readonly seed: number },
): Promise<RecordedRun> {
  const folder = join(scratch, host);
  mkdirSync(folder);
  const [file, notebook, log] = [
    join(folder, 'edge.db'),
    join(folder, 'notes'),
    join(scratch, `${host}.trace`),
  ];
  const watch = ['-f', '-y', '-xx', '-s', String(STRING_BYTES_MAX), '--seccomp-bpf', '-o', log];
  const calls = ['-e', `trace=${TRACED_CALLS.join()}`, '-e', 'signal=none'];
  const program = [process.execPath, WORKLOAD, host, file, notebook, String(units), String(seed)];
  const child = spawn('strace', [...watch, ...calls, ...program], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: RUN_MS_MAX,
    killSignal: 'SIGKILL',
  });
  const [stderr, [code, signal]] = await Promise.all([
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (code !== 0) throw new Error(`the recorded run ended with ${String(signal ?? code)}: ${stderr}`);
  return { folder, file, operations: await readStraceLog(log, { folder, notebook }) };
}
