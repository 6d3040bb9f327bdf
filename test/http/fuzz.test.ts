/** The API under requests drawn from its own document. `npm run -s chaos -- api` draws more of them. */

import { expect, test } from 'vitest';
import { complaintAbout } from './fuzz/judge-answer.ts';
import { runFuzz } from './fuzz/run-fuzz.ts';

test(
  '2,000 drawn requests are answered as the document says, and leave nothing behind',
  { tags: 'full' },
  async () => {
    const seed = Number(process.env['FUZZ_SEED'] ?? 1);
    const report = await runFuzz(seed, 2_000);
    expect({ seed, wrong: report.wrong, defects: report.defects }).toEqual({ seed, wrong: [], defects: 0 });
    expect(report.operationsAnswered).toBe(report.operations);
    expect(report.heapBytesAfter - report.heapBytesBefore).toBeLessThan(24 * 1024 * 1024);
  },
);

test('a server that cuts every request is found out', () => {
  const cut = { status: 0, type: '', isSniffable: false, text: '' };
  const drawn = { method: 'GET', target: '/api/sources', headers: {}, body: null, operation: null };
  expect(complaintAbout(drawn, cut)).toMatch(/cut without an answer/);
  expect(complaintAbout({ ...drawn, method: 'POST', body: '{}' }, cut)).toMatch(/cut without an answer/);
  // One that is refused before its body was sent whole may break off.
  expect(complaintAbout({ ...drawn, method: 'POST', body: 'x'.repeat(70_000) }, cut)).toBe(null);
});
