/** What a busy engine says of itself, made up; each part can be given otherwise. */

import { SOURCE_COUNTERS } from '../../src/domain/health.ts';
import { SINK_COUNTERS } from '../../src/domain/sink.ts';
import { Tally, type Totals } from '../../src/domain/tally.ts';
import type { EngineStats, SinkStats, SourceStats, StorageStats } from '../../src/engine/engine-stats.ts';
import type { ReloadFacts } from '../../src/metrics/metric.ts';
import type { StageReport } from '../../src/pipeline/stage-chain.ts';

/** Where no totals are given, it is the first incarnation, and has failed once. */
export function madeUpSource(given: Partial<SourceStats> = {}): SourceStats {
  const health = {
    sourceId: 'plc-7',
    tenant: 'default',
    type: 'mqtt',
    state: 'streaming' as const,
    recordsProduced: 1_200,
    lastReadTimestamp: 1_700_000_000_000,
    consecutiveErrors: 2,
    incarnation: 1,
    restarts: 1,
    lastError: null,
    rate1s: 40,
    queueDepth: 7,
    spilledRecords: 3,
    droppedCount: 5,
    deadLetteredCount: 0,
    lateRecords: 1,
    ...given,
  };
  return { totals: totalsOf(SOURCE_COUNTERS, health), ...health };
}

export function madeUpSink(given: Partial<SinkStats> = {}): SinkStats {
  const health = {
    sinkId: 'archive',
    tenant: 'default',
    type: 'file',
    state: 'delivering' as const,
    incarnation: 2,
    delivered: 900,
    filtered: 4,
    deadLettered: 1,
    cursor: 905,
    lagRecords: 12,
    lagSeconds: 0.25,
    consecutiveErrors: 0,
    lastDeliveryAtMs: 1_700_000_000_500,
    lastError: null,
    ...given,
  };
  return { totals: totalsOf(SINK_COUNTERS, health), ...health };
}

function totalsOf<Counter extends string>(
  counters: readonly Counter[],
  health: Readonly<Record<Counter, number>>,
): Totals<Counter> {
  const tally = new Tally(counters);
  tally.countError('HG_LINK_LOST');
  return tally.totals(health);
}

export const madeUpStages: readonly StageReport[] = [
  { stageName: 'filter', in: 100, out: 80, filtered: 19, failed: 1 },
  {
    ...{ stageName: 'normalised', in: 80, out: 60, filtered: 0, failed: 0 },
    queue: {
      ...{ capacityRecords: 10, size: 4, highWater: 10, dropped: 6 },
      waits: { count: 80, avgMs: 1.5, maxMs: 12, over5ms: 3 },
    },
  },
];

export const madeUpStorage: StorageStats = {
  commits: 50,
  committedRecords: 1_000,
  duplicateRecords: 8,
  committedRows: 300,
  commitSeconds: { bounds: [0.001, 0.01, 0.1], counts: [10, 40, 49], sum: 0.6 },
  lastCommitAtMs: 1_700_000_000_900,
  lastCommitMonoMs: 4_900,
  waitingSinceMonoMs: null,
  isStalled: false,
  stalledBy: null,
  pendingRecords: 3,
  pendingRows: 1,
  fileBytes: 4_096_000,
  walBytes: 32_768,
};

export function madeUpStats(given: Partial<EngineStats> = {}): EngineStats {
  return {
    state: 'running',
    monoMs: 5_000,
    ageMs: (wallMs) => 1_700_000_001_000 - wallMs,
    startedAtMs: 1_699_999_000_000,
    sources: [madeUpSource()],
    sinks: [madeUpSink()],
    stages: madeUpStages,
    limiter: { state: 'limiting', recordsPerSecondMax: 100, admittedRecords: 1_195, droppedRecords: 5 },
    burst: { state: 'bursting', bursts: 2 },
    storage: madeUpStorage,
    inFlightRecords: 4,
    deliveredRecords: 1_000,
    deadLetters: 9,
    alerts: { BURST: 2, SOURCE_QUARANTINED: 1 },
    ...given,
  };
}

export const madeUpReload: ReloadFacts = {
  version: 3,
  digest: 'd1ge57',
  last: { atMs: 1_699_999_500_000, isSuccess: true },
  counts: { applied: 2, unchanged: 0, refused: 1, failed: 0 },
};
