/** `chaos`: kills by the hundred, and the control. */

import type { Output } from '../../src/cli/output.ts';
import { killReport, problemsOf } from './kill-report.ts';
import { killRounds, type KillOutcome } from './kill-rounds.ts';
import { describeMoment } from './kill-schedule.ts';

const CONTROL_ROUNDS_MAX = 20;

export interface KillCommandOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly json?: boolean;
}

/** Returns why it failed; empty where all is well. */
export async function runKills(options: KillCommandOptions, output: Output): Promise<string[]> {
  const { seed, rounds } = options;
  output.note(`seed ${seed}`);
  const run = (program: 'engine' | 'naive', count: number) =>
    killRounds({
      seed,
      rounds: count,
      program,
      onRound: (round, moment) =>
        output.note(`${program} ${round}/${count}: killed ${describeMoment(moment)}`),
    });
  const outcome = await run('engine', rounds);
  const control = await run('naive', Math.min(rounds, CONTROL_ROUNDS_MAX));
  const report = killReport(outcome, control);
  await output.write(
    options.json === true ? `${JSON.stringify(report, null, 2)}\n` : readable(outcome, control),
  );
  return problemsOf(outcome, control);
}

function readable(outcome: KillOutcome, control: KillOutcome): string {
  const report = killReport(outcome, control);
  const bound = report.bound95 === null ? '' : ` (below ${(report.bound95 * 100).toFixed(2)} % a kill, 95 %)`;
  const [middleMs, longMs] = [0.5, 0.99].map((share) => quantile(outcome.recoveriesMs, share));
  return [
    `kills                ${report.rounds}, ${outcome.fedRounds} of them at work`,
    `acknowledged         ${report.acknowledged}`,
    `stored               ${report.stored}`,
    `lost                 ${report.lost}${bound}`,
    `lost by the broker   ${report.brokerLost}`,
    `delivered again      ${outcome.redeliveries}`,
    `stored twice         ${report.duplicates}`,
    `start to first ack   ${middleMs} ms in the middle, ${longMs} ms at p99`,
    `control              ${report.control.lost} of ${report.control.acknowledged} lost in ${control.rounds} kills`,
    '',
  ].join('\n');
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}
