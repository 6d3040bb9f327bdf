/** The example of a source of one's own, as a process. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../support/command-line.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';

test('a kind of source that a program defines gives numbered records, and the program ends by itself', async () => {
  const { exitCode, stdout, stderr } = await run(process.execPath, [
    join(PROJECT_ROOT, 'demos/own-source.ts'),
  ]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  expect(lines.length).toBeGreaterThan(0);
  const seqs = lines.map((line) =>
    Number(/^gateway-load (\d+) \{ load1: [\d.]+, load5: [\d.]+, load15: [\d.]+ \}$/.exec(line)?.[1]),
  );
  expect(seqs).toEqual(lines.map((_, index) => (seqs[0] ?? Number.NaN) + index));
});
