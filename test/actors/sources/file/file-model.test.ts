import { expect, test } from 'vitest';
import { fileScripts, withoutTail } from '../../../chaos/files/file-command.ts';

const SEED = Number(process.env['FILE_SEED'] ?? 1);

test(
  'every line is stored once, or an alert names where the missing ones began',
  { tags: 'full', timeout: 60_000 },
  async () => {
    const { failed, problems, lines, missing, alerts } = await fileScripts({ seed: SEED, scripts: 200 });
    expect({ failed, problems }, `seed ${SEED}`).toEqual({ failed: 0, problems: [] });
    expect(lines).toBeGreaterThan(1_000);
    expect(missing).toBeGreaterThan(0);
    expect(alerts).toBeGreaterThan(0);
  },
);

test('a reader that compares only the first bytes fails the same scripts', async () => {
  const { failed } = await fileScripts({ seed: SEED, scripts: 100 }, withoutTail);
  expect(failed).toBeGreaterThan(0);
}, 60_000);
