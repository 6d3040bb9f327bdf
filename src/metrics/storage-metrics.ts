/** Metrics of the database, of what could not be stored, and of the disk. */

import type { StorageStats } from '../engine/engine-stats.ts';
import {
  single,
  type HistogramDefinition,
  type MetricDefinition,
  type MetricFacts,
  type ValueDefinition,
} from './metric.ts';

const commits: HistogramDefinition = {
  type: 'histogram',
  name: 'headgate_storage_commit_duration_seconds',
  help: 'Time from the begin of a commit to its answer.',
  labels: [],
  read: ({ stats: { storage } }) => {
    if (storage === null) return [];
    const { bounds, counts, sum } = storage.commitSeconds;
    return [{ labels: {}, bounds, counts, sum, count: Math.max(storage.commits, counts.at(-1) ?? 0) }];
  },
};

const stalledBy: ValueDefinition = {
  type: 'gauge',
  name: 'headgate_storage_stall_reason',
  help: 'Always 1, labelled by the error that keeps the database from being written; none while all is well.',
  labels: ['code'],
  read: ({ stats: { storage } }) =>
    storage === null || storage.stalledBy === null
      ? []
      : [{ labels: { code: storage.stalledBy.code }, value: 1 }],
};

export const STORAGE_METRICS: readonly MetricDefinition[] = [
  commits,
  counter('records', 'Records committed.', ({ committedRecords }) => committedRecords),
  counter(
    'duplicate_records',
    'Records that were in the log already.',
    ({ duplicateRecords }) => duplicateRecords,
  ),
  counter('rows', 'Rows of the timeline committed.', ({ committedRows }) => committedRows),
  gauge('pending_records', 'Records that wait for their commit.', ({ pendingRecords }) => pendingRecords),
  gauge('pending_rows', 'Rows of the timeline that wait for theirs.', ({ pendingRows }) => pendingRows),
  gauge(
    'waiting_seconds',
    'How long the oldest thing to be written has been waiting; 0 where nothing is.',
    ({ waitingSinceMonoMs }, { stats: { monoMs } }) =>
      waitingSinceMonoMs === null ? 0 : Math.max(0, monoMs - waitingSinceMonoMs) / 1_000,
  ),
  gauge(
    'last_commit_age_seconds',
    'Time since the last commit that succeeded; none before the first.',
    ({ lastCommitMonoMs }, { stats: { monoMs } }) =>
      lastCommitMonoMs === null ? null : Math.max(0, monoMs - lastCommitMonoMs) / 1_000,
  ),
  gauge(
    'stalled',
    '1 where the database cannot be written and the engine waits for it, otherwise 0.',
    ({ isStalled }) => Number(isStalled),
  ),
  stalledBy,
  gauge('file_bytes', 'Size of the database.', ({ fileBytes }) => fileBytes),
  gauge('wal_bytes', 'Size of its write-ahead log.', ({ walBytes }) => walBytes),
  single(
    'counter',
    'headgate_dead_letters_total',
    'Dead letters written since the engine started.',
    ({ stats }) => stats.deadLetters,
  ),
  {
    type: 'counter',
    name: 'headgate_alerts_total',
    help: 'Alerts raised since the engine started.',
    labels: ['event'],
    read: ({ stats }) => Object.entries(stats.alerts).map(([event, value]) => ({ labels: { event }, value })),
  },
  single(
    'gauge',
    'headgate_disk_free_bytes',
    'Room on the disk of the database that the engine may use.',
    ({ disk }) => disk?.freeBytes ?? null,
  ),
  single(
    'gauge',
    'headgate_disk_size_bytes',
    'Size of the disk of the database.',
    ({ disk }) => disk?.sizeBytes ?? null,
  ),
];

function counter(what: string, help: string, valueOf: (storage: StorageStats) => number): ValueDefinition {
  return single('counter', `headgate_storage_${what}_total`, help, ({ stats: { storage } }) =>
    storage === null ? null : valueOf(storage),
  );
}

function gauge(
  what: string,
  help: string,
  valueOf: (storage: StorageStats, facts: MetricFacts) => number | null,
): ValueDefinition {
  return single('gauge', `headgate_storage_${what}`, help, (facts) =>
    facts.stats.storage === null ? null : valueOf(facts.stats.storage, facts),
  );
}
