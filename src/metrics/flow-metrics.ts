/** Metrics of the way through the engine: rate limit, bursts, stages, what is under way. */

import type { StageReport } from '../pipeline/stage-chain.ts';
import { single, stateSet, type MetricDefinition, type ValueDefinition } from './metric.ts';

const STAGE = ['stage'];

export const FLOW_METRICS: readonly MetricDefinition[] = [
  stateSet(
    'headgate_limiter_state',
    '1 for the state the rate limit is in, 0 for the others.',
    ['open', 'limiting', 'off'],
    ({ stats }) => stats.limiter.state,
  ),
  single(
    'gauge',
    'headgate_limiter_records_per_second_limit',
    'The global rate limit; none where there is no such limit.',
    ({ stats }) => stats.limiter.recordsPerSecondMax,
  ),
  single(
    'counter',
    'headgate_limiter_admitted_records_total',
    'Records the rate limits let through.',
    ({ stats }) => stats.limiter.admittedRecords,
  ),
  single(
    'counter',
    'headgate_limiter_dropped_records_total',
    'Records the rate limits dropped.',
    ({ stats }) => stats.limiter.droppedRecords,
  ),
  single('gauge', 'headgate_burst_active', '1 while a burst goes on, otherwise 0.', ({ stats: { burst } }) =>
    burst === null ? null : Number(burst.state === 'bursting'),
  ),
  single(
    'counter',
    'headgate_bursts_total',
    'Bursts that began.',
    ({ stats }) => stats.burst?.bursts ?? null,
  ),
  stageCounter('input_records', 'Records that came into the stage.', (stage) => stage.in),
  stageCounter(
    'output_records',
    'Records that came out of it, poison records among them.',
    (stage) => stage.out,
  ),
  stageCounter('filtered_records', 'Records it took out.', (stage) => stage.filtered),
  stageCounter(
    'failed_records',
    'Records for which it threw; each is a dead letter.',
    (stage) => stage.failed,
  ),
  stageCounter(
    'dropped_records',
    'Records its queue dropped, being full.',
    ({ queue }) => queue?.dropped ?? 0,
  ),
  queueGauge('queue_records', 'Records in the queue of the stage.', ({ size }) => size),
  queueGauge('queue_capacity_records', 'Records that fit into it.', ({ capacityRecords }) => capacityRecords),
  queueGauge('queue_high_water_records', 'Most records it ever held.', ({ highWater }) => highWater),
  queueGauge(
    'queue_wait_max_seconds',
    'The longest that a record has waited for a place in it.',
    ({ waits }) => waits.maxMs / 1_000,
  ),
  single(
    'gauge',
    'headgate_in_flight_records',
    'Records that passed the rate limits and are not through the stages yet.',
    ({ stats }) => stats.inFlightRecords,
  ),
  single(
    'counter',
    'headgate_delivered_records_total',
    'Records that came out of the stages.',
    ({ stats }) => stats.deliveredRecords,
  ),
];

function stageCounter(what: string, help: string, valueOf: (stage: StageReport) => number): ValueDefinition {
  return {
    type: 'counter',
    name: `headgate_stage_${what}_total`,
    help,
    labels: STAGE,
    read: ({ stats }) =>
      stats.stages.map((stage) => ({ labels: { stage: stage.stageName }, value: valueOf(stage) })),
  };
}

function queueGauge(
  what: string,
  help: string,
  valueOf: (queue: NonNullable<StageReport['queue']>) => number,
): ValueDefinition {
  return {
    type: 'gauge',
    name: `headgate_stage_${what}`,
    help,
    labels: STAGE,
    read: ({ stats }) =>
      stats.stages.flatMap(({ stageName, queue }) =>
        queue === undefined ? [] : [{ labels: { stage: stageName }, value: valueOf(queue) }],
      ),
  };
}
