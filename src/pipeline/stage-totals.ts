/** What stages counted before others took their places: a stage of the same name counts on from there. */

import type { QueueWaits } from './bounded-queue.ts';
import type { StageReport } from './stage-chain.ts';

export class StageTotals {
  #before: ReadonlyMap<string, StageReport> = new Map();

  /** Adds what was counted before to what is counted now. */
  over(reports: readonly StageReport[]): StageReport[] {
    return reports.map((now) => {
      const before = this.#before.get(now.stageName);
      return before === undefined ? now : sum(before, now);
    });
  }

  /** These stages end, and those take their places. What was counted under a name that is not used any more
   *  is forgotten. */
  handOver(ending: readonly StageReport[], names: readonly string[]): void {
    const kept = this.over(ending).filter(({ stageName }) => names.includes(stageName));
    this.#before = new Map(kept.map((report) => [report.stageName, report]));
  }
}

function sum(before: StageReport, now: StageReport): StageReport {
  const counts = {
    stageName: now.stageName,
    in: before.in + now.in,
    out: before.out + now.out,
    filtered: before.filtered + now.filtered,
    failed: before.failed + now.failed,
  };
  if (now.queue === undefined) return counts;
  if (before.queue === undefined) return { ...counts, queue: now.queue };
  return {
    ...counts,
    queue: {
      capacityRecords: now.queue.capacityRecords,
      size: now.queue.size,
      highWater: now.queue.highWater,
      dropped: before.queue.dropped + now.queue.dropped,
      waits: sumOfWaits(before.queue.waits, now.queue.waits),
    },
  };
}

function sumOfWaits(before: QueueWaits, now: QueueWaits): QueueWaits {
  const count = before.count + now.count;
  return {
    count,
    avgMs: count === 0 ? 0 : (before.avgMs * before.count + now.avgMs * now.count) / count,
    maxMs: Math.max(before.maxMs, now.maxMs),
    over5ms: before.over5ms + now.over5ms,
  };
}
