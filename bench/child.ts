/** Runs one measurement in a process of its own, so that neither the heap nor the compiled code of one bears
 *  on another. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { MeasurementName, Measurements } from './measure.ts';

const MEASURE = fileURLToPath(new URL('./measure.ts', import.meta.url));

/** Looking for live objects is a feature Node may still change; the warning is no news to anybody here. */
const NODE_FLAGS = ['--expose-gc', '--disable-warning=ExperimentalWarning'];

type Outcome<Name extends MeasurementName> = Awaited<ReturnType<Measurements[Name]>>;

/** @throws Error with what the child said, where it failed. */
export async function measureInChild<Name extends MeasurementName>(
  name: Name,
  ...args: Parameters<Measurements[Name]>
): Promise<Outcome<Name>> {
  const child = spawn(process.execPath, [...NODE_FLAGS, MEASURE, name, JSON.stringify(args)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [exitCode, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ]);
  if (exitCode !== 0) throw new Error(`the measurement ${name} ended with ${signal ?? exitCode}: ${stderr}`);
  return JSON.parse(stdout) as Outcome<Name>;
}
