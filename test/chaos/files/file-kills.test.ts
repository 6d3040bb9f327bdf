// @module-tag full
/** A file source under kill -9, in a process of its own, and the control that shows that a loss would be
 *  seen. */

import { expect, test } from 'vitest';
import { killProblems } from './file-command.ts';
import { fileKills } from './file-kills.ts';

const KILLS = 5;
const SEED = 8;

test(`every line is stored once after ${KILLS} kills, or an alert says what is missing; a reader without a position loses lines`, async () => {
  const [engine, control] = await Promise.all([
    fileKills({ seed: SEED, kills: KILLS, reader: 'engine' }),
    fileKills({ seed: SEED, kills: 1, reader: 'forgetful' }),
  ]);
  expect(killProblems(engine, control)).toEqual([]);
  expect(engine).toMatchObject({ kills: KILLS });
  expect(engine.stored).toBeGreaterThan(0);
}, 120_000);

test('the verdict names a missing line, a reader that was never at work, and a control without a loss', () => {
  const sound = { kills: 5, atWork: 3, lines: 90, stored: 90, missing: 0, alerts: 0, problems: [] };
  const losing = { ...sound, missing: 1, problems: ['line 7 is missing, and its file was there'] };
  expect(killProblems(sound, losing)).toEqual([]);
  expect(killProblems(losing, losing)).toEqual(losing.problems);
  expect(killProblems({ ...sound, atWork: 0 }, losing)).toHaveLength(1);
  expect(killProblems(sound, sound)).toHaveLength(1);
});
