/** Engines as processes of their own: what plain Node does with them, and what a kill leaves behind. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { temporaryFolder } from '../storage/fixture.ts';

export interface EngineProcess {
  readonly lines: string[];
  /** Resolves with the first line for which `wanted` is true. */
  line(wanted: (line: string) => boolean): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has ended: exit code or signal, and what it wrote to stderr. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

/** Runs a program under plain `node`; in it, `headgate` is the project's library. */
export function startProgram(code: string, ...parameters: string[]): EngineProcess {
  const file = join(temporaryFolder(), 'program.ts');
  const library = JSON.stringify(join(PROJECT_ROOT, 'src', 'index.ts'));
  writeFileSync(file, code.replaceAll("'headgate'", library));
  const child = spawn(process.execPath, [file, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(([exit, signal]) => ({
    code: exit as number | null,
    signal: signal as string | null,
    stderr,
  }));
  return {
    lines,
    ended,
    async line(wanted) {
      for (;;) {
        const found = lines.find(wanted);
        if (found !== undefined) return found;
        const next = await Promise.race([once(reader, 'line'), ended]);
        if (!Array.isArray(next) && lines.find(wanted) === undefined) {
          throw new Error(`it ended without that line: ${JSON.stringify(next)}`);
        }
      }
    },
    kill: (signal) => void child.kill(signal),
  };
}
