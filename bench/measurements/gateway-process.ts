/** A gateway in a process of its own, as an operator starts it. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(new URL('../../src/cli/headgate.ts', import.meta.url));

export interface BenchGateway {
  readonly process: ChildProcess;
  /** Resolves with the first line of the log that has this message, also an earlier one.
   *  @throws Error with the log, where the process ends before */
  said(message: string): Promise<Readonly<Record<string, unknown>>>;
  /** SIGTERM. Resolves when it has ended. @throws Error with the log, where it does not end with 0 */
  stop(): Promise<void>;
}

/** Starts `headgate run` on this configuration, which is written to `file` before. */
export function startBenchGateway(file: string, config: object): BenchGateway {
  writeConfig(file, config);
  const program = spawn(process.execPath, [COMMAND, 'run', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines: string[] = [];
  const reader = createInterface({ input: program.stderr });
  const ended = once(program, 'close') as Promise<[number | null]>;
  const find = (message: string) => lines.map(parsed).find(({ msg }) => msg === message);
  reader.on('line', (line) => void lines.push(line));
  return {
    process: program,
    async said(message) {
      const failed = ended.then(([code]) => {
        throw new Error(`the gateway ended with ${code}: ${lines.join('\n')}`);
      });
      failed.catch(() => {});
      let found = find(message);
      while (found === undefined) {
        await Promise.race([once(reader, 'line'), failed]);
        found = find(message);
      }
      return found;
    },
    async stop() {
      program.kill('SIGTERM');
      const [code] = await ended;
      if (code !== 0) throw new Error(`the gateway ended with ${code}: ${lines.join('\n')}`);
    },
  };
}

export function writeConfig(file: string, config: object): void {
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}
