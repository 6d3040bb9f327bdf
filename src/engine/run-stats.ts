/** What a run of an engine counts and knows of itself, gathered from its parts. */

import { statSync } from 'node:fs';
import type { RecordOutput } from '../../actors/data-plane/record-output.ts';
import type { DataPlane } from '../../actors/data-plane/data-plane.ts';
import { canonicalPath, isInMemory } from '../../storage/file/database-path.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import type {
  BurstStats,
  EngineStats,
  LimiterStats,
  SinkStats,
  SourceStats,
  StorageStats,
} from './engine-stats.ts';
import type { RunPersistence } from './run-persistence.ts';
import type { RunSettings } from './run-settings.ts';

/** What the engine itself adds to what a run knows. */
export type RunStats = Omit<EngineStats, 'state' | 'monoMs' | 'ageMs' | 'startedAtMs' | 'deliveredRecords'>;

export interface RunStatsParts {
  readonly books: RunPersistence;
  readonly plane: DataPlane;
  readonly exit: RecordOutput;
  readonly settings: RunSettings;
  /** Null: nothing is stored, or in memory. */
  readonly file: string | null;
  readonly isStored: boolean;
  readonly sources: readonly SourceStats[];
  readonly sinks: readonly SinkStats[];
}

export function runStats(parts: RunStatsParts): RunStats {
  const { books, plane, exit, sources, sinks } = parts;
  return {
    sources,
    sinks,
    stages: plane.reports(),
    limiter: limiterStats(parts),
    burst: burstStats(parts),
    storage: storageStats(parts),
    inFlightRecords: plane.betweenStages + exit.pendingRecords,
    deadLetters: books.deadLetters.count,
    alerts: books.alerts.counts(),
  };
}

/** As it is before the first start. */
export const NO_RUN: RunStats = {
  sources: [],
  sinks: [],
  stages: [],
  limiter: { state: 'off', recordsPerSecondMax: null, admittedRecords: 0, droppedRecords: 0 },
  burst: null,
  storage: null,
  inFlightRecords: 0,
  deadLetters: 0,
  alerts: {},
};

function limiterStats({ books, plane, settings }: RunStatsParts): LimiterStats {
  const isLimiting = books.observer.stateOf('rateLimiter') === 'limiting';
  return {
    state: isLimiting ? 'limiting' : settings.rateLimit === null ? 'off' : 'open',
    recordsPerSecondMax: settings.globalLimit?.recordsPerSecondMax ?? null,
    admittedRecords: plane.admitted,
    droppedRecords: plane.dropped,
  };
}

function burstStats({ books, settings }: RunStatsParts): BurstStats | null {
  if (settings.burst === null) return null;
  const isBursting = books.observer.stateOf('burstDetector') === 'bursting';
  return { state: isBursting ? 'bursting' : 'quiet', bursts: books.bursts };
}

function storageStats({ books, file, isStored }: RunStatsParts): StorageStats | null {
  if (!isStored) return null;
  return {
    ...books.committer.stats(),
    fileBytes: file === null ? 0 : bytesOf(file),
    walBytes: file === null ? 0 : bytesOf(`${file}-wal`),
  };
}

/** The file of a database; null where it has none. To be asked once, while its folder is there. */
export function databaseFile({ timeline }: Pick<EngineOptions, 'timeline'>): string | null {
  return timeline === false || isInMemory(timeline.path) ? null : canonicalPath(timeline.path);
}

/** 0 where it is not there, or cannot be looked at. */
function bytesOf(file: string): number {
  try {
    return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    return 0;
  }
}
