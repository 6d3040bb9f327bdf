/** The API under requests drawn from its own document. `npm run -s chaos -- api` draws more of them. */

import { expect, test } from 'vitest';
import { runFuzz } from './fuzz/run-fuzz.ts';

test('2,000 drawn requests are answered as the document says, and leave nothing behind', async () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? 1);
  const report = await runFuzz(seed, 2_000);
  expect({ seed, wrong: report.wrong, defects: report.defects }).toEqual({ seed, wrong: [], defects: 0 });
  expect(report.operationsReached).toBe(report.operations);
  expect(report.heapBytesAfter - report.heapBytesBefore).toBeLessThan(24 * 1024 * 1024);
});
