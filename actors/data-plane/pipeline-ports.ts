/** The ports of rate limiter and pipeline: they open the data plane, watch it, change it, tell edges. */

import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { errorFacts, type ErrorCode, type ErrorFacts } from '../../src/domain/errors.ts';
import { RATE_WINDOW_MS } from '../../src/pipeline/rate-limiter.ts';
import type { PipelineCommand } from '../../machines/pipeline-machine.ts';
import type { PartFact } from '../../machines/support/ports.ts';
import type { RateLimiterCommand } from '../../machines/rate-limiter-machine.ts';
import { managed, type Scope } from '../support/managed.ts';
import type { RecordOutput } from './record-output.ts';
import type { DataPlane } from './data-plane.ts';

/** How often the pipeline is looked at: at the second look without progress it counts as blocked. */
const LOOK_MS = 1_000;
/** How often a draining pipeline is looked at. */
const DRAIN_LOOK_MS = 5;

export function partFailed(error: unknown): PartFact {
  return { type: 'part.failed', error: errorFacts(error, 'HG_ENGINE_ESCALATED') };
}

type Fact = { type: string } & Record<string, unknown>;

/** Opens the gate, and has other limits put in place when it is told to. Reports `limit.hit` at the first
 *  refusal, and `limit.cleared` a window after the pause of the last one: a limit that holds records back
 *  window after window is hit all the while. */
export function createRateLimiterPort(
  clock: Clock,
  plane: DataPlane,
  apply: (command: RateLimiterCommand) => void,
) {
  return managed<undefined, Fact, RateLimiterCommand>(partFailed, (scope) => {
    let timer: TimerHandle = undefined;
    let lastMonoMs = 0;
    let dropped = 0;

    const look = () => {
      const calmAtMs = lastMonoMs + RATE_WINDOW_MS;
      const remainingMs = calmAtMs - clock.monotonicMs();
      if (remainingMs > 0) {
        timer = clock.setTimeout(look, Math.ceil(remainingMs));
        return;
      }
      timer = undefined;
      scope.send({ type: 'limit.cleared', dropped });
      dropped = 0;
    };
    const limited = plane.limited$.subscribe(
      scope.guard((event) => {
        const { limit, lane } = event;
        lastMonoMs = Math.max(lastMonoMs, clock.monotonicMs(), event.untilMs);
        dropped += event.dropped;
        if (timer !== undefined) return;
        timer = clock.setTimeout(look, RATE_WINDOW_MS);
        const { scope: limitScope, recordsPerSecondMax } = limit.options;
        scope.send({ type: 'limit.hit', scope: limitScope, recordsPerSecondMax, source: lane.name });
      }),
    );
    // A limit that was being hit counts as hit until a window has passed, whatever takes its place.
    scope.receive((command) => {
      if (command.type === 'rateLimiter.configure') apply(command);
    });
    scope.onClose(() => {
      if (timer !== undefined) clock.clearTimeout(timer);
      limited.unsubscribe();
      plane.close();
    });
    plane.open();
  });
}

export interface PipelinePorts {
  readonly clock: Clock;
  readonly plane: DataPlane;
  readonly exit: RecordOutput;
  /** Records in outlets. */
  readonly waitingRecords: () => number;
  /** What became of the command. */
  readonly onConfigured: (command: ConfigureStages, refusal: ErrorFacts | null) => void;
}

type ConfigureStages = Extract<PipelineCommand, { type: 'pipeline.configure' }>;
type StagesCommand = PipelineCommand | { readonly type: 'engine.draining' };

/** Runs the stages. Reports `flow.blocked` when records wait and none moves, `flow.moved` when they do again;
 *  `flow.switched` or `flow.kept` after it was told to exchange the stages; `flow.drained` after a drain. */
export function createPipelinePort(ports: PipelinePorts) {
  return managed<undefined, Fact, StagesCommand>(partFailed, (scope) => new PipelineRun(ports, scope));
}

class PipelineRun {
  readonly #ports: PipelinePorts;
  readonly #scope: Scope<Fact, StagesCommand>;
  #progress: number;
  #isBlocked = false;
  /** Of the next look, or of the deadline of an exchange. */
  #timer: TimerHandle = undefined;
  /** The exchange of stages that is under way. */
  #exchange: ConfigureStages | null = null;
  #isDraining = false;

  constructor(ports: PipelinePorts, scope: Scope<Fact, StagesCommand>) {
    const { clock, plane } = ports;
    this.#ports = ports;
    this.#scope = scope;
    this.#progress = plane.progress;
    scope.receive((command) => this.#receive(command));
    const failures = plane.failures$.subscribe((error) => scope.send(partFailed(error)));
    scope.onClose(() => {
      clock.clearTimeout(this.#timer);
      failures.unsubscribe();
      plane.stopStages();
    });
    this.#lookLater();
  }

  #receive(command: StagesCommand): void {
    if (command.type === 'pipeline.configure') {
      if (this.#isDraining) this.#ports.onConfigured(command, STOPPING);
      else if (this.#exchange !== null) this.#ports.onConfigured(command, UNDER_WAY);
      else this.#beginExchange(command);
      return;
    }
    if (this.#exchange !== null) this.#endExchange(STOPPING);
    if (command.type !== 'pipeline.drain') return;
    this.#isDraining = true;
    const { clock } = this.#ports;
    clock.clearTimeout(this.#timer);
    this.#drain(clock.monotonicMs() + command.deadlineMs);
  }

  #lookLater(): void {
    this.#timer = this.#ports.clock.setTimeout(() => this.#look(), LOOK_MS);
  }

  #look(): void {
    const { plane } = this.#ports;
    const waitingRecords = this.#ports.waitingRecords() + plane.betweenStages;
    const stoodStill = this.#progress === plane.progress && waitingRecords > 0;
    this.#progress = plane.progress;
    if (stoodStill && !this.#isBlocked) this.#scope.send({ type: 'flow.blocked', waitingRecords });
    if (!stoodStill && this.#isBlocked) this.#scope.send({ type: 'flow.moved' });
    this.#isBlocked = stoodStill;
    this.#lookLater();
  }

  #beginExchange(command: ConfigureStages): void {
    const { clock, plane } = this.#ports;
    this.#exchange = command;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#endExchange(tooLate(command)), command.deadlineMs);
    plane.holdBack(this.#scope.guard(() => this.#endExchange(null)));
  }

  /** The new stages take over, or, where something is in the way, the old ones go on. */
  #endExchange(refusal: ErrorFacts | null): void {
    const command = this.#exchange;
    if (command === null) return;
    const { clock, plane, onConfigured } = this.#ports;
    this.#exchange = null;
    clock.clearTimeout(this.#timer);
    if (refusal === null) plane.exchange();
    else plane.keepStages();
    // Standing still was wanted: from here on it is looked at anew.
    this.#progress = plane.progress;
    this.#isBlocked = false;
    this.#lookLater();
    this.#scope.send(refusal === null ? { type: 'flow.switched' } : { type: 'flow.kept', error: refusal });
    onConfigured(command, refusal);
  }

  #drain(endMonoMs: number): void {
    const { clock, plane, exit, waitingRecords } = this.#ports;
    const isLate = clock.monotonicMs() >= endMonoMs;
    const isDone = waitingRecords() === 0 && plane.isIdle;
    if (!isDone && !isLate) {
      this.#timer = clock.setTimeout(() => this.#drain(endMonoMs), DRAIN_LOOK_MS);
      return;
    }
    this.#scope.send({ type: 'flow.drained', lostRecords: isDone ? 0 : exit.clear() });
  }
}

const UNDER_WAY: ErrorFacts = {
  code: 'HG_ENGINE_STATE' satisfies ErrorCode,
  message: 'the stages are being exchanged already; wait for that to end',
};

const STOPPING: ErrorFacts = {
  code: 'HG_ENGINE_STATE' satisfies ErrorCode,
  message: 'the engine is stopping; the old stages take in what is left',
};

function tooLate({ deadlineMs }: ConfigureStages): ErrorFacts {
  return {
    code: 'HG_RECONFIGURE_TIMEOUT' satisfies ErrorCode,
    message:
      `what was between the stages did not get through within ${deadlineMs} ms; the old stages go on. ` +
      'A stage hangs, or a consumer does not read',
  };
}
