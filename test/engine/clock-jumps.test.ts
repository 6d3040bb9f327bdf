/** The wall clock is set while the engine runs. Windows and waits do not notice; the timeline says so. */

import { expect, test } from 'vitest';
import { simulatedSource } from '../../src/index.ts';
import { startedRig } from '../support/engine-rig.ts';

const HOUR_MS = 3_600_000;

async function run(jumpMs: number | null) {
  const rig = await startedRig(
    {
      health: { intervalMs: 100 },
      rateLimit: { recordsPerSecondMax: 60 },
      burst: { thresholdRecords: 30, windowMs: 500 },
    },
    simulatedSource({ id: 'steady', intervalMs: 20 }),
    simulatedSource({ id: 'shaky', intervalMs: 50, script: ['ok', 'lost', 'ok', 'crash'] }),
  );
  await rig.clock.advance(1_000);
  if (jumpMs !== null) rig.clock.jumpWall(jumpMs);
  await rig.clock.advance(2_000);
  const report = await rig.stop();
  return {
    numbers: report.sources.map((source) => [source.recordsProduced, source.droppedCount, source.restarts]),
    passed: [report.admitted, report.dropped],
    alerts: rig.query('SELECT event FROM alerts ORDER BY seq'),
    course: rig.course('shaky'),
    clock: rig.timeline("kind = 'clock'").map(({ data }) => data),
    seqs: rig.timeline().map(({ seq }) => seq),
  };
}

test.each([
  ['an hour back', -HOUR_MS],
  ['two hours on', 2 * HOUR_MS],
  ['to 1970', -Date.UTC(2020, 0, 1)],
  ['beyond 2038', Date.UTC(2040, 0, 1) - Date.UTC(2020, 0, 1)],
])('a wall clock that is set %s changes no count, no alert and no wait', async (_, jumpMs) => {
  const undisturbed = await run(null);
  const jumped = await run(jumpMs);
  expect({ ...jumped, clock: [], seqs: [] }).toEqual({ ...undisturbed, clock: [], seqs: [] });
  expect(undisturbed.clock).toEqual([]);
  expect(jumped.clock).toEqual([{ jumpMs }]);
  expect(jumped.seqs).toEqual(jumped.seqs.map((_seq, index) => index + 1));
});
