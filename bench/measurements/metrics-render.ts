/** Processor time that one answer of `/metrics` takes of the event loop. */

import { pushSource } from '../../actors/sources/push-source.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { createEngine } from '../../src/index.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { realClock } from '../../src/platform/real-clock.ts';

const NO_RELOAD = { version: 1, digest: '', last: null, counts: {} };

/** Milliseconds of processor time, one value a run after a warm-up, with as many sources as have series of
 *  their own. */
export async function measureMetricsRender(runs: number): Promise<number[]> {
  const engine = createEngine({ timeline: false });
  await engine.start();
  const ids = Array.from({ length: LIMITS.metricsSourcesMax }, (_, index) => `source-${index}`);
  await Promise.all(ids.map((id) => engine.register(pushSource({ id }))));
  const metrics = createMetrics({ stats: () => engine.stats(), reload: () => NO_RELOAD, clock: realClock });
  const renderMs: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const before = process.cpuUsage();
    const { text } = await metrics.render();
    const { user, system } = process.cpuUsage(before);
    if (!text.includes(`source="${ids.at(-1)}"`)) throw new Error('a source has no series');
    if (run > 0) renderMs.push((user + system) / 1_000);
  }
  metrics.close();
  await engine.stop();
  return renderMs;
}
