/** `chaos faults`: one fault after the other, each held against what is promised for it. */

import type { Output } from '../../src/cli/output.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { FAULTS } from './faults/all-faults.ts';
import { differences, type Expected, type Fault, type Observed } from './faults/fault.ts';

interface FaultRow {
  readonly name: string;
  readonly title: string;
  readonly expected: Expected;
  /** Null where it could not be brought about, or the run broke off. */
  readonly observed: Observed | null;
  readonly skipped: string | null;
  readonly differences: readonly string[];
  readonly seconds: number;
}

export interface FaultCommandOptions {
  readonly seed: number;
  readonly only?: string;
  readonly json?: boolean;
}

/** Returns why it failed; empty where all is well. */
export async function runFaults(options: FaultCommandOptions, output: Output): Promise<string[]> {
  const chosen = FAULTS.filter(({ name }) => options.only === undefined || name === options.only);
  if (chosen.length === 0) return [`no such fault; they are ${FAULTS.map(({ name }) => name).join(', ')}`];
  output.note(`seed ${options.seed}`);
  const rows: FaultRow[] = [];
  for (const fault of chosen) {
    output.note(`${fault.name} …`);
    const row = await bringAbout(fault, options.seed);
    rows.push(row);
    if (options.json !== true) await output.write(`${readable(row)}\n`);
  }
  if (options.json === true) await output.write(`${JSON.stringify({ seed: options.seed, rows }, null, 2)}\n`);
  return rows.flatMap(({ name, differences: found }) => found.map((one) => `${name}: ${one}`));
}

async function bringAbout(fault: Fault, seed: number): Promise<FaultRow> {
  const { name, title, expected } = fault;
  const skipped = fault.unavailable?.() ?? null;
  const startedMs = realClock.monotonicMs();
  const row = (observed: Observed | null, found: readonly string[]): FaultRow => ({
    ...{ name, title, expected, observed, skipped },
    differences: found,
    seconds: Math.round((realClock.monotonicMs() - startedMs) / 100) / 10,
  });
  if (skipped !== null) return row(null, []);
  try {
    const observed = await fault.run({ scale: 'long', seed });
    return row(observed, differences(expected, observed));
  } catch (error) {
    return row(null, [messageOf(error)]);
  }
}

function readable({ name, title, observed, skipped, differences: found, seconds }: FaultRow): string {
  const verdict =
    skipped !== null ? `skipped: ${skipped}` : found.length === 0 ? 'as promised' : found.join('; ');
  const facts = Object.entries(observed ?? {}).map(([fact, value]) => `${fact} ${String(value)}`);
  return `${name} (${seconds} s): ${verdict}\n  ${title}\n  ${facts.join(', ')}`;
}
