// @module-tag full
/** The engine under kill -9, and the control that shows that a loss would be seen. */

import { describe, expect, test } from 'vitest';
import { mosquittoMissing } from '../support/mqtt-brokers.ts';
import { skipNote } from '../support/skip-note.ts';
import { killReport, problemsOf } from './kill-report.ts';
import { killRounds, type KillOutcome } from './kill-rounds.ts';
import { killSchedule } from './kill-schedule.ts';

const ROUNDS = 20;
const CONTROL_ROUNDS = 3;
const SEED = 20;
/** From the start of the process: some of them hit an engine that is not up yet. */
const RANGE = { minMs: 200, maxMs: 700 };
const note = skipNote(mosquittoMissing);

describe.skipIf(mosquittoMissing !== null)(`an engine that is killed again and again${note}`, () => {
  test(`has stored all it acknowledged, once, after ${ROUNDS} kills; a naive one has not`, async () => {
    const outcome = await killRounds({ seed: SEED, rounds: ROUNDS, program: 'engine', range: RANGE });
    const control = await killRounds({ seed: SEED, rounds: CONTROL_ROUNDS, program: 'naive', range: RANGE });
    expect(problemsOf(outcome, control)).toEqual([]);
    expect(killReport(outcome, control)).toMatchObject({ rounds: ROUNDS, lost: 0, duplicates: 0 });
  }, 180_000);
});

describe('a verdict', () => {
  const sound: KillOutcome = {
    ...{ rounds: 20, fedRounds: 15, recoveriesMs: [600], integrity: 'ok' },
    ...{
      acknowledged: 9_000,
      stored: 9_010,
      lost: [],
      brokerLost: [],
      stuck: [],
      duplicates: [],
      altered: [],
      damage: [],
    },
    ...{ strayAcks: 0, redeliveries: 40, isAlive: true, exitCode: 0 },
  };
  const losing: KillOutcome = { ...sound, rounds: 4, lost: [7, 8] };

  test('is printed as the documentation has it', () => {
    expect(killReport(sound, losing)).toEqual({
      rounds: 20,
      acknowledged: 9_000,
      stored: 9_010,
      lost: 0,
      brokerLost: 0,
      duplicates: 0,
      control: { rounds: 4, acknowledged: 9_000, lost: 2 },
      bound95: 0.15,
    });
    expect(killReport(losing, losing).bound95).toBeNull();
  });

  const faulty: [what: string, outcome: Partial<KillOutcome>][] = [
    ['a loss', { lost: [3] }],
    ['a loss by a broker that nothing killed', { brokerLost: [3] }],
    ['a message that nothing takes', { stuck: [3] }],
    ['a row too many', { duplicates: [3] }],
    ['a row that was not sent so', { altered: [3] }],
    ['a record that does not fit its checksum', { damage: ['records: …'] }],
    ['an acknowledgement of nothing', { strayAcks: 1 }],
    ['a damaged file', { integrity: 'row 3 missing from index' }],
    ['an engine that takes nothing any more', { isAlive: false }],
    ['an engine that cannot stop', { exitCode: null }],
    ['kills of engines that were not up yet', { fedRounds: 2 }],
    ['kills that hit nothing', { redeliveries: 0 }],
  ];
  for (const [what, outcome] of faulty) {
    test(`tells of ${what}`, () => {
      expect(problemsOf(sound, losing)).toEqual([]);
      expect(problemsOf({ ...sound, ...outcome }, losing)).toHaveLength(1);
    });
  }

  test('is worth nothing where the control lost nothing', () => {
    expect(problemsOf(sound, sound)).toHaveLength(1);
  });
});

test('a seed names its moments', () => {
  expect(killSchedule(7, 50)).toEqual(killSchedule(7, 50));
  expect(killSchedule(7, 50)).not.toEqual(killSchedule(8, 50));
});
