/** The engine under kill -9, and the control that shows that a loss would be seen. */

import { describe, expect, test } from 'vitest';
import { mosquittoMissing } from '../support/mqtt-brokers.ts';
import { killReport, problemsOf } from './kill-report.ts';
import { killRounds } from './kill-rounds.ts';
import { killSchedule } from './kill-schedule.ts';

const ROUNDS = 20;
const CONTROL_ROUNDS = 3;
const SEED = 20;
/** From the start of the process: some of them hit an engine that is not up yet. */
const RANGE = { minMs: 200, maxMs: 700 };
const note = mosquittoMissing === null ? '' : ` (skipped: ${mosquittoMissing})`;

describe.skipIf(mosquittoMissing !== null)(`an engine that is killed again and again${note}`, () => {
  test(`has stored all it acknowledged, once, after ${ROUNDS} kills; a naive one has not`, async () => {
    const outcome = await killRounds({ seed: SEED, rounds: ROUNDS, program: 'engine', range: RANGE });
    const control = await killRounds({ seed: SEED, rounds: CONTROL_ROUNDS, program: 'naive', range: RANGE });
    expect(problemsOf(outcome, control)).toEqual([]);
    expect(killReport(outcome, control)).toMatchObject({ rounds: ROUNDS, lost: 0, duplicates: 0 });
  }, 90_000);
});

test('a seed names its moments', () => {
  expect(killSchedule(7, 50)).toEqual(killSchedule(7, 50));
  expect(killSchedule(7, 50)).not.toEqual(killSchedule(8, 50));
});
