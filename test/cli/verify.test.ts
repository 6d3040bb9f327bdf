/** `headgate verify` as a process. */

import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { flipBit } from '../storage/damage.ts';
import { headgate } from '../support/command-line.ts';
import { brokenLinkLog, type Log } from './log-fixture.ts';

let log: Log;
beforeAll(async () => {
  log = await brokenLinkLog();
  await log.end();
});
afterAll(() => log[Symbol.asyncDispose]());

test('a sound file is said to be sound, and the exit code is 0', async () => {
  const { exitCode, stdout, stderr } = await headgate(['verify', log.path]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^timeline {2}9 rows \(seq 1 to 9\), \d+ links\nrecords {3}0 rows\nsound\n$/);
  const json = await headgate(['verify', log.path, '--json']);
  expect(json.exitCode).toBe(0);
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, timeline: { rows: 9 }, problems: [] });
});

test('a damaged file is said to be damaged, where, and the exit code is 65', async () => {
  const damaged = `${log.path}.flipped`;
  copyFileSync(log.path, damaged);
  flipBit(damaged, 'HG_LINK_LOST');
  const { exitCode, stdout, stderr } = await headgate(['verify', damaged]);
  expect(exitCode).toBe(65);
  expect(stdout).toMatch(/chain, seq \d+ to \d+: the rows do not fit their link\n$/);
  expect(stdout).not.toContain('sound');
  expect(stderr).toBe(`headgate: ${damaged}: one problem found (HG_STORAGE_CORRUPT)\n`);
  const json = await headgate(['verify', damaged, '--json']);
  expect(json.exitCode).toBe(65);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: false,
    problems: [{ where: 'chain' }],
    problemCount: 1,
  });
});

test('a file that is not there fails as it does for other commands', async () => {
  const verified = await headgate(['verify', `${log.path}.none`]);
  const listed = await headgate(['timeline', `${log.path}.none`]);
  expect(verified).toEqual(listed);
  expect(verified.exitCode).not.toBe(0);
  expect((await headgate(['verify'])).exitCode).toBe(2);
});
