/** The run: runs deliveries while the statechart wants it. Waits until the last link has closed, opens
 *  the next, and tells the statechart: opened, failed, recovered, drained. While it drains it tries again by
 *  itself, until it is told that time is up. */

import { backoffMs } from '../../../src/domain/backoff.ts';
import type { TimerHandle } from '../../../src/domain/clock.ts';
import { HeadgateError, remedyOf, type ErrorFacts } from '../../../src/domain/errors.ts';
import type { Random } from '../../../src/domain/random.ts';
import type { SinkRunCommand, SinkFact } from '../../../machines/sink-machine.ts';
import { managed, type Scope } from '../../support/managed.ts';
import { LogDelivery, type DeliveryListener, type DeliveryPorts } from './log-delivery.ts';
import type { SinkRuntime } from './sink-runtime.ts';
import { sinkPortFailed } from './sink-waiting.ts';

export interface SinkRunPorts extends DeliveryPorts {
  readonly random: Random;
}

export function createSinkRun(ports: SinkRunPorts) {
  return managed<{ runtime: object; isDraining: boolean }, SinkFact, SinkRunCommand>(
    sinkPortFailed,
    (scope, { runtime, isDraining }) => new SinkRun(ports, scope, runtime as SinkRuntime, isDraining).begin(),
  );
}

class SinkRun implements DeliveryListener {
  readonly #ports: SinkRunPorts;
  readonly #scope: Scope<SinkFact, SinkRunCommand>;
  readonly #runtime: SinkRuntime;
  #isDraining: boolean;
  #delivery: LogDelivery | null = null;
  #timer: TimerHandle = undefined;
  #failures = 0;

  constructor(
    ports: SinkRunPorts,
    scope: Scope<SinkFact, SinkRunCommand>,
    runtime: SinkRuntime,
    isDraining: boolean,
  ) {
    this.#ports = ports;
    this.#scope = scope;
    this.#runtime = runtime;
    this.#isDraining = isDraining;
  }

  begin(): void {
    this.#scope.onClose(() => {
      this.#clearTimer();
      this.#delivery?.leave();
    });
    this.#scope.receive(() => {
      this.#isDraining = true;
      this.#delivery?.drain();
    });
    this.#startWhenClosed();
  }

  opened(): void {
    this.#scope.send({ type: 'link.opened', monoMs: this.#ports.clock.monotonicMs() });
  }

  recovered(): void {
    this.#failures = 0;
    this.#scope.send({ type: 'delivery.recovered' });
  }

  drained(): void {
    this.#scope.send({ type: 'log.drained' });
  }

  failed(error: unknown, isDelivering: boolean): void {
    const facts = this.#runtime.countError(error);
    const { clock } = this.#ports;
    this.#runtime.notBeforeMonoMs = clock.monotonicMs() + (retryAfterOf(error) ?? 0);
    this.#delivery = null;
    const remedy = remedyOf(error);
    if (this.#isDraining && remedy !== 'stop') this.#tryAgain(error, facts);
    else this.#report(error, facts, isDelivering);
  }

  /** Two links of a sink never overlap: one that does not close is waited for, within bounds. */
  #startWhenClosed(): void {
    const { closing, spec } = this.#runtime;
    if (closing === null) {
      this.#startWhenWelcome();
      return;
    }
    const { connectTimeoutMs } = spec;
    let isWaiting = true;
    this.#setTimer(connectTimeoutMs, () => {
      isWaiting = false;
      const message = `its last link has not closed for ${connectTimeoutMs} ms after its signal aborted`;
      this.failed(new HeadgateError('HG_SINK_TIMEOUT', message), false);
    });
    const start = () => {
      if (!isWaiting) return;
      this.#clearTimer();
      this.#startWhenWelcome();
    };
    void closing.then(this.#scope.guard(start));
  }

  /** A far end that asked to be left alone is, also after a pause and while the sink drains. */
  #startWhenWelcome(): void {
    const restMs = this.#runtime.notBeforeMonoMs - this.#ports.clock.monotonicMs();
    if (restMs > 0) this.#setTimer(restMs, () => this.#start());
    else this.#start();
  }

  #start(): void {
    const delivery = new LogDelivery(this.#ports, this.#runtime, this);
    this.#delivery = delivery;
    if (this.#isDraining) delivery.drain();
    delivery.begin();
  }

  #tryAgain(error: unknown, facts: ErrorFacts): void {
    const { log, random } = this.#ports;
    const { spec, name } = this.#runtime;
    this.#failures++;
    const waitMs = backoffMs(spec.backoff, this.#failures, random.next());
    log.warn({ sink: name, ...facts, waitMs }, 'a delivery failed while its sink drains; it is tried again');
    this.#setTimer(Math.max(waitMs, retryAfterOf(error) ?? 0), () => this.#startWhenClosed());
  }

  #report(error: unknown, facts: ErrorFacts, isDelivering: boolean): void {
    const { clock, random } = this.#ports;
    this.#scope.send({
      type: 'link.failed',
      error: facts,
      remedy: remedyOf(error),
      retryAfterMs: retryAfterOf(error),
      isDelivering,
      monoMs: clock.monotonicMs(),
      random: random.next(),
    });
  }

  #setTimer(delayMs: number, callback: () => void): void {
    this.#clearTimer();
    this.#timer = this.#ports.clock.setTimeout(this.#scope.guard(callback), delayMs);
  }

  #clearTimer(): void {
    if (this.#timer !== undefined) this.#ports.clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function retryAfterOf(error: unknown): number | null {
  const wished = error instanceof HeadgateError ? error.details['retryAfterMs'] : undefined;
  return typeof wished === 'number' && Number.isFinite(wished) && wished > 0 ? wished : null;
}
