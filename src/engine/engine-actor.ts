/** The actor system of one run: every machine with its ports filled. Machines name what they need, here it is
 *  given. */

import type { Subject } from 'rxjs';
import { createActor, type Actor, type InspectionEvent } from 'xstate';
import { createMeterPort, type MeterPorts } from '../../actors/data-plane/burst-meter.ts';
import type { RecordOutput } from '../../actors/data-plane/record-output.ts';
import {
  createRateLimiterPort,
  createPipelinePort,
  type PipelinePorts,
} from '../../actors/data-plane/pipeline-ports.ts';
import type { DataPlane } from '../../actors/data-plane/data-plane.ts';
import { createSamplerPort, type SamplerPorts } from '../../actors/health/sampler.ts';
import { createReconnectPacer } from '../../actors/sources/runtime/reconnect-pacer.ts';
import { createSourceRun } from '../../actors/sources/runtime/source-run.ts';
import type { SourceRunPorts } from '../../actors/sources/runtime/source-run-ports.ts';
import { createDrain, createWait, type KeepDeadline } from '../../actors/sources/runtime/wait-ports.ts';
import type { SourceDirectory } from '../../actors/registry/source-directory.ts';
import { createJanitorPort, type JanitorPorts } from '../../actors/retention/janitor.ts';
import { createRecorderPort, type CommitEvent } from '../../actors/persistence/recorder-port.ts';
import { sourceShardMachine } from '../../machines/source-shard-machine.ts';
import { burstDetectorMachine } from '../../machines/burst-detector-machine.ts';
import { engineMachine, type EngineOutput } from '../../machines/engine-machine.ts';
import { healthMonitorMachine } from '../../machines/health-monitor-machine.ts';
import { janitorMachine } from '../../machines/janitor-machine.ts';
import { pipelineMachine } from '../../machines/pipeline-machine.ts';
import { rateLimiterMachine } from '../../machines/rate-limiter-machine.ts';
import { recorderMachine } from '../../machines/recorder-machine.ts';
import { registryMachine } from '../../machines/registry-machine.ts';
import { backingOffSinkMachine, circuitOpenSinkMachine, sinkMachine } from '../../machines/sink-machine.ts';
import { sinksMachine } from '../../machines/sinks-machine.ts';
import {
  backingOffSourceMachine,
  circuitOpenSourceMachine,
  sourceMachine,
} from '../../machines/source-machine.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { Random } from '../domain/random.ts';
import type { RateLimiterCommand } from '../../machines/rate-limiter-machine.ts';
import type { RunSettings } from './run-settings.ts';
import type { SinkActors } from './sink-subsystem.ts';

export interface EngineActorParts {
  readonly clock: Clock;
  readonly options: EngineOptions;
  readonly settings: RunSettings;
  readonly random: Random;
  readonly log: Logger;
  readonly plane: DataPlane;
  readonly exit: RecordOutput;
  readonly directory: SourceDirectory;
  readonly sinks: SinkActors;
  readonly edges$: Subject<CommitEvent>;
  readonly inspect: (inspected: InspectionEvent) => void;
  readonly deadLetter: SourceRunPorts['deadLetter'];
  readonly keepDeadline: KeepDeadline;
  readonly keepPollPhase: SourceRunPorts['keepPollPhase'];
  readonly keepCursor: SourceRunPorts['keepCursor'];
  readonly ownFileProblem: SourceRunPorts['ownFileProblem'];
  readonly holdOff: SourceRunPorts['holdOff'];
  readonly raise: MeterPorts['raise'] & SourceRunPorts['raise'];
  readonly onSample: SamplerPorts['onSample'];
  readonly onSecond: SamplerPorts['onSecond'];
  /** Puts another rate limit in place. */
  readonly limit: (command: RateLimiterCommand) => void;
  readonly onBurstConfigured: MeterPorts['onConfigured'];
  readonly onStagesConfigured: PipelinePorts['onConfigured'];
  readonly janitor: Omit<JanitorPorts, 'clock' | 'log' | 'retention' | 'edges$'>;
}

/** Makes the root actor; nothing runs before it is started. */
export function createEngineActor(parts: EngineActorParts): Actor<typeof engineMachine> {
  const { clock, plane, directory, sinks, edges$, inspect } = parts;
  const machine = engineMachine.provide({
    actors: {
      recorder: recorderMachine.provide({ actors: { committer: createRecorderPort(edges$) } }),
      sinks: sinksMachine.provide({ actors: sinksOf(sinks) }),
      pipeline: pipelineMachine.provide({ actors: { stages: stagesOf(parts) } }),
      rateLimiter: rateLimiterMachine.provide({
        actors: { gate: createRateLimiterPort(clock, plane, parts.limit) },
      }),
      burstDetector: burstDetectorMachine.provide({ actors: { meter: meterOf(parts) } }),
      healthMonitor: healthMonitorMachine.provide({ actors: { sampler: samplerOf(parts) } }),
      janitor: janitorMachine.provide({ actors: { retention: broomOf(parts) } }),
      registry: registryMachine.provide({
        actors: { shard: sourceShardMachine.provide({ actors: sourcesOf(parts) }) },
      }),
    },
  });
  return createActor(machine, {
    id: 'engine',
    input: { directory, sinks: sinks.directory },
    clock: {
      setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
      clearTimeout: (handle) => clock.clearTimeout(handle),
    },
    inspect,
  });
}

/** A source, and what one becomes whose wait a crash cut off. */
function sourcesOf(parts: EngineActorParts) {
  const {
    clock,
    random,
    log,
    plane,
    deadLetter,
    keepDeadline,
    keepPollPhase,
    keepCursor,
    holdOff,
    ownFileProblem,
    raise,
  } = parts;
  const run = createSourceRun({
    clock,
    random: random.fork('sources'),
    log,
    arrivals$: plane.arrivals$,
    deadLetter,
    keepPollPhase,
    keepCursor,
    holdOff,
    ownFileProblem,
    raise,
  });
  const pacer = createReconnectPacer(clock, parts.options.reconnectsPerSecondMax);
  const ports = {
    actors: { run, wait: createWait(clock, keepDeadline, pacer), drain: createDrain(clock) },
  };
  return {
    source: sourceMachine.provide(ports),
    backingOffSource: backingOffSourceMachine.provide(ports),
    circuitOpenSource: circuitOpenSourceMachine.provide(ports),
  };
}

/** A sink, and what one becomes whose wait a crash cut off. */
function sinksOf({ ports: actors }: SinkActors) {
  return {
    sink: sinkMachine.provide({ actors }),
    backingOffSink: backingOffSinkMachine.provide({ actors }),
    circuitOpenSink: circuitOpenSinkMachine.provide({ actors }),
  };
}

function stagesOf({ clock, plane, exit, directory, onStagesConfigured: onConfigured }: EngineActorParts) {
  const waitingRecords = () => directory.waitingRecords;
  return createPipelinePort({ clock, plane, exit, waitingRecords, onConfigured });
}

function meterOf({ clock, plane, settings, raise, onBurstConfigured: onConfigured }: EngineActorParts) {
  return createMeterPort({ clock, plane, options: settings.burst, raise, onConfigured });
}

function samplerOf({ clock, options, directory, onSample, onSecond }: EngineActorParts) {
  return createSamplerPort({
    clock,
    intervalMs: options.health.intervalMs,
    healths: () => Array.from(directory.runtimes(), (runtime) => runtime.health()),
    onSample,
    onSecond,
  });
}

function broomOf({ clock, log, options, edges$, janitor }: EngineActorParts) {
  return createJanitorPort({ clock, log, edges$, retention: options.storage.retention, ...janitor });
}

/** Resolves when the engine machine has come to its end, one way or the other. */
export function untilFinished(actor: Actor<typeof engineMachine>, log: Logger): Promise<EngineOutput> {
  return new Promise((resolve) => {
    actor.subscribe({
      complete: () => resolve(actor.getSnapshot().output ?? { lostRecords: 0, error: null }),
      error: (error: unknown) => {
        log.error({ error: messageOf(error) }, 'the engine’s own statechart failed');
        resolve({ lostRecords: 0, error: { code: 'HG_ENGINE_ESCALATED', message: messageOf(error) } });
      },
    });
  });
}
