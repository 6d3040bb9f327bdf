/** `chaos power-cut`: cuts by the thousand, for the store in this thread and behind its own, and the
 *  control. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output } from '../../src/cli/output.ts';
import { cutPower, type CutOutcome } from './power-cut/cuts.ts';
import { POWER_CUT_HOSTS, recordRun, whyNoRecording, type PowerCutHost } from './power-cut/record-run.ts';

/** In memory where that can be: the copies are opened by the thousand, and what is durable is simulated. */
const SCRATCH = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
/** Transactions in a recorded run. */
const UNITS = 120;
/** The control need only lose: a part of the points is enough. */
const CONTROL_SHARE = 0.25;

export interface PowerCutOptions {
  readonly seed: number;
  readonly points: number;
}

export type PowerCutReport = Readonly<Record<PowerCutHost, CutOutcome>>;

/** Records a run of each host and cuts its power at so many points. */
export async function powerCuts(
  { seed, points }: PowerCutOptions,
  note: (text: string) => void,
): Promise<PowerCutReport> {
  const scratch = mkdtempSync(join(SCRATCH, 'headgate-power-cut-'));
  try {
    const report: Partial<Record<PowerCutHost, CutOutcome>> = {};
    for (const host of POWER_CUT_HOSTS) {
      const cuts = host === 'control' ? Math.ceil(points * CONTROL_SHARE) : points;
      const run = await recordRun(host, { scratch, units: UNITS, seed });
      note(`${host}: ${run.operations.length} operations recorded, ${cuts} cuts …`);
      report[host] = await cutPower(run, { points: cuts, seed, scratch });
    }
    return report as PowerCutReport;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Why the cuts failed or prove nothing; empty where all is well. */
export function powerCutProblems({ control, ...hosts }: PowerCutReport): string[] {
  const problems = Object.entries(hosts).flatMap(
    ([host, { lost, pointsWithLoss, halfUnits, complaints }]) => [
      ...(lost > 0 ? [`${host}: ${lost} acknowledged records lost at ${pointsWithLoss} points`] : []),
      ...(halfUnits > 0 ? [`${host}: a transaction was there by half at ${halfUnits} points`] : []),
      ...complaints.map((complaint) => `${host}: ${complaint}`),
    ],
  );
  return control.lost > 0 ? problems : [...problems, 'the control lost nothing: a loss would not be seen'];
}

/** Returns why it failed; empty where all is well. */
export async function runPowerCuts(
  options: PowerCutOptions & { readonly json?: boolean },
  output: Output,
): Promise<string[]> {
  const refusal = whyNoRecording();
  if (refusal !== undefined) return [refusal];
  output.note(`seed ${options.seed}`);
  const report = await powerCuts(options, (text) => output.note(text));
  const document = { seed: options.seed, ...report };
  await output.write(options.json === true ? `${JSON.stringify(document, null, 2)}\n` : readable(report));
  return powerCutProblems(report);
}

function readable(report: PowerCutReport): string {
  const lines = Object.entries(report).map(
    ([host, { points, acknowledged, lost, pointsWithLoss, modes }]) => {
      const kinds = Object.entries(modes).map(([mode, count]) => `${mode} ${count}`);
      const losses = `${lost} lost at ${pointsWithLoss} of ${points} points`;
      return `${host.padEnd(8)} ${losses} (${kinds.join(', ')}); ${acknowledged} records in the run`;
    },
  );
  return `${lines.join('\n')}\n`;
}
