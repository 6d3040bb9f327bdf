/** The engine: starts its parts in order, stops them in reverse, and ends as failed when a part or an
 *  essential source is past mending. Parts: recorder, sinks, pipeline, rate limiter, burst detector, health
 *  monitor, janitor, registry. */

import { assign, sendTo, setup } from 'xstate';
import type { ErrorFacts } from '../src/domain/errors.ts';
import { burstDetectorMachine } from './burst-detector-machine.ts';
import { healthMonitorMachine } from './health-monitor-machine.ts';
import { janitorMachine } from './janitor-machine.ts';
import { pipelineMachine } from './pipeline-machine.ts';
import { MACHINE_OPTIONS, type PartFact } from './support/ports.ts';
import { rateLimiterMachine } from './rate-limiter-machine.ts';
import { recorderMachine } from './recorder-machine.ts';
import { registryMachine, type Directory } from './registry-machine.ts';
import { sinksMachine, type SinkRegister } from './sinks-machine.ts';

/** Drain every source and queue, let sinks deliver what is stored, then end; each of the three at the latest
 *  after `deadlineMs`. */
export type EngineCommand = { type: 'engine.start' } | { type: 'engine.stop'; deadlineMs: number };

type EngineFact = PartFact | { type: 'registry.escalated'; error: ErrorFacts };

export interface EngineOutput {
  /** Records that were on their way when the deadline came. */
  readonly lostRecords: number;
  readonly error: ErrorFacts | null;
}

export const engineMachine = setup({
  types: {
    context: {} as {
      readonly directory: Directory;
      readonly sinks: SinkRegister;
      readonly deadlineMs: number;
      readonly lostRecords: number;
      readonly error: ErrorFacts | null;
    },
    input: {} as { readonly directory: Directory; readonly sinks: SinkRegister },
    events: {} as EngineCommand | EngineFact,
    output: {} as EngineOutput,
  },
  actors: {
    recorder: recorderMachine,
    sinks: sinksMachine,
    pipeline: pipelineMachine,
    rateLimiter: rateLimiterMachine,
    burstDetector: burstDetectorMachine,
    healthMonitor: healthMonitorMachine,
    janitor: janitorMachine,
    registry: registryMachine,
  },
  guards: { isFailed: ({ context }) => context.error !== null },
  actions: {
    setDeadline: assign({
      deadlineMs: ({ context, event }) =>
        event.type === 'engine.stop' ? event.deadlineMs : context.deadlineMs,
    }),
    noteError: assign({
      error: ({ context, event }) =>
        event.type === 'part.failed' || event.type === 'registry.escalated' ? event.error : context.error,
    }),
    keepStages: sendTo('pipeline', { type: 'engine.draining' }),
    closeRegistry: sendTo('registry', ({ context }) => ({
      type: 'registry.close',
      deadlineMs: context.deadlineMs,
    })),
    drainPipeline: sendTo('pipeline', ({ context }) => ({
      type: 'pipeline.drain',
      deadlineMs: context.deadlineMs,
    })),
    closeSinks: sendTo('sinks', ({ context }) => ({
      type: 'sinks.close',
      deadlineMs: context.deadlineMs,
    })),
  },
}).createMachine({
  id: 'engine',
  options: MACHINE_OPTIONS,
  context: ({ input }) => ({ ...input, deadlineMs: 0, lostRecords: 0, error: null }),
  initial: 'booting',
  states: {
    booting: { on: { 'engine.start': 'up.running', 'engine.stop': 'stopped' } },
    up: {
      initial: 'running',
      // In this order they start; XState stops them in the order of their birth, so the way down is by
      // drains, in reverse.
      invoke: [
        { id: 'recorder', src: 'recorder', onError: { target: 'failed', actions: 'noteError' } },
        {
          id: 'sinks',
          src: 'sinks',
          input: ({ context }) => ({ register: context.sinks }),
          onDone: [{ guard: 'isFailed', target: 'failed' }, { target: 'stopped' }],
          onError: { target: 'failed', actions: 'noteError' },
        },
        {
          id: 'pipeline',
          src: 'pipeline',
          onDone: {
            actions: [assign({ lostRecords: ({ event }) => event.output.lostRecords }), 'closeSinks'],
          },
          onError: { target: 'failed', actions: 'noteError' },
        },
        { id: 'rateLimiter', src: 'rateLimiter', onError: { target: 'failed', actions: 'noteError' } },
        { id: 'burstDetector', src: 'burstDetector', onError: { target: 'failed', actions: 'noteError' } },
        { id: 'healthMonitor', src: 'healthMonitor', onError: { target: 'failed', actions: 'noteError' } },
        { id: 'janitor', src: 'janitor', onError: { target: 'failed', actions: 'noteError' } },
        {
          id: 'registry',
          src: 'registry',
          input: ({ context }) => ({ directory: context.directory }),
          onDone: { actions: 'drainPipeline' },
          onError: { target: 'failed', actions: 'noteError' },
        },
      ],
      on: {
        'engine.stop': { target: '.draining', actions: ['setDeadline', 'keepStages', 'closeRegistry'] },
        // A broken part cannot be drained through; an essential source that gave up can.
        'part.failed': { target: 'failed', actions: 'noteError' },
        'registry.escalated': { target: '.draining', actions: ['noteError', 'keepStages', 'closeRegistry'] },
      },
      states: {
        running: {},
        draining: { on: { 'engine.stop': {}, 'registry.escalated': {} } },
      },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
  output: ({ context }) => ({ lostRecords: context.lostRecords, error: context.error }),
});
