/** The outcome of the kills as the command prints it. */

import type { KillOutcome } from './kill-rounds.ts';

/** What `chaos --json` prints. */
export interface KillReport {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly stored: number;
  readonly lost: number;
  readonly brokerLost: number;
  readonly duplicates: number;
  readonly control: { readonly rounds: number; readonly acknowledged: number; readonly lost: number };
  /** With no loss in n rounds, the chance of a loss in a round is below this with a confidence of 95 %; null
   *  where there was a loss. */
  readonly bound95: number | null;
}

export function killReport(outcome: KillOutcome, control: KillOutcome): KillReport {
  return {
    rounds: outcome.rounds,
    acknowledged: outcome.acknowledged,
    stored: outcome.stored,
    lost: outcome.lost.length,
    brokerLost: outcome.brokerLost.length,
    duplicates: outcome.duplicates.length,
    control: { rounds: control.rounds, acknowledged: control.acknowledged, lost: control.lost.length },
    bound95: outcome.lost.length === 0 ? 3 / outcome.rounds : null,
  };
}

/** Why the run failed or proves nothing; empty where all is well. */
export function problemsOf(outcome: KillOutcome, control: KillOutcome): string[] {
  const { lost, brokerLost, stuck, duplicates, altered, damage, strayAcks, redeliveries } = outcome;
  const problems: [boolean, string][] = [
    [lost.length > 0, `acknowledged and not stored: ${some(lost)}`],
    [brokerLost.length > 0, `lost by the broker, which nothing killed: ${some(brokerLost)}`],
    [stuck.length > 0, `delivered, neither stored nor acknowledged: ${some(stuck)}`],
    [duplicates.length > 0, `stored more than once: ${some(duplicates)}`],
    [altered.length > 0, `stored otherwise than sent: ${some(altered)}`],
    [strayAcks > 0, `acknowledged ${strayAcks} packet ids that had no message`],
    [outcome.integrity !== 'ok', `the database is damaged: ${outcome.integrity}`],
    [damage.length > 0, `checksums, chain or mark do not fit: ${damage.slice(0, 3).join('; ')}`],
    [!outcome.isAlive, 'no fresh message came through after the kills'],
    [outcome.exitCode !== 0, `a stop ended with ${String(outcome.exitCode)}`],
    [outcome.fedRounds * 2 < outcome.rounds, `only ${outcome.fedRounds} rounds got to work before the kill`],
    [redeliveries === 0, 'nothing was ever delivered twice: the kills hit nothing'],
    [control.lost.length === 0, 'the control lost nothing: this harness would not see a loss'],
  ];
  return problems.filter(([isTrue]) => isTrue).map(([, problem]) => problem);
}

function some(ids: readonly number[]): string {
  return ids.length <= 10 ? ids.join(', ') : `${ids.slice(0, 10).join(', ')} … (${ids.length})`;
}
