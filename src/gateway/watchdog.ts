/** Watches over the process while it runs, from its own event loop: whether the loop turns, whether the
 *  engine and its supervisors answer, whether commits come back. What it finds goes to the log and to the
 *  service manager: its watchdog is told that all is well only when it is. */

import type { Clock, TimerHandle } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { EngineStats } from '../engine/engine-stats.ts';
import type { Readiness } from './gateway-control.ts';
import { lifeProblemOf, type GatewayPhase } from './readiness.ts';
import { statusOf, type ServiceNotifier } from './service-notifier.ts';

export interface WatchdogPorts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly notifier: ServiceNotifier;
  readonly phase: () => GatewayPhase;
  readonly engineState: () => string;
  readonly stats: () => EngineStats;
  readonly readiness: () => Readiness;
  /** Resolves when the supervisor of all sources has answered. */
  readonly askSupervisors: () => Promise<unknown>;
  /** The engine has come to an end that nobody asked for. Told once. */
  readonly onEngineEnded: () => void;
}

export interface Watchdog {
  /** Looks now at what is otherwise looked at every few seconds. */
  look(): void;
  close(): void;
}

const PULSE_MS = 1_000;
/** Whoever holds the event loop for longer is told of in the log. */
const STANDSTILL_MS = 1_000;
/** Readiness is told to log and service manager when it changes; while it is there, it is looked at this
 *  often. */
const LOOK_MS = 5_000;
/** Of the time the service manager waits; sd_watchdog_enabled(3) recommends half. */
const WATCHDOG_SHARE = 1 / 3;

/** Begins to watch. */
export function startWatchdog(ports: WatchdogPorts): Watchdog {
  const { clock, log, notifier } = ports;
  const watchdogMs = notifier.watchdogMs === null ? null : notifier.watchdogMs * WATCHDOG_SHARE;
  const pulseMs = Math.min(PULSE_MS, watchdogMs ?? PULSE_MS);
  const watchdog = watchdogMs === null ? null : new ServiceWatchdog(ports);
  let isClosed = false;
  let hasEnded = false;
  let told: string | null = null;
  let timer: TimerHandle = null;
  let dueMs = 0;
  let lookAtMs = 0;
  let watchdogAtMs = 0;

  const look = () => {
    const readiness = ports.readiness();
    // By what is wrong, not by its words: they may count seconds.
    const key = readiness.reasons.map(({ code, subject }) => `${code} ${subject}`).join();
    if (key === told) return;
    notifier.notify(statusOf(summaryOf(readiness)));
    if (ports.phase() === 'running') tellReadiness(log, readiness, told !== null);
    told = key;
  };
  const pulse = () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - dueMs >= STANDSTILL_MS) tellStandstill(log, nowMs - dueMs);
    const isOver = ports.phase() === 'running' && ENDED.has(ports.engineState());
    if (isOver && !hasEnded) {
      hasEnded = true;
      ports.onEngineEnded();
    }
    if (watchdogMs !== null && nowMs >= watchdogAtMs) {
      watchdogAtMs = nowMs + watchdogMs;
      watchdog?.feed();
    }
    const isReady = told === '';
    if (!isReady || nowMs >= lookAtMs) {
      lookAtMs = nowMs + LOOK_MS;
      look();
    }
    arm();
  };
  const arm = () => {
    if (isClosed) return;
    dueMs = clock.monotonicMs() + pulseMs;
    timer = clock.setTimeout(pulse, pulseMs);
  };

  arm();
  return {
    look,
    close() {
      isClosed = true;
      clock.clearTimeout(timer);
    },
  };
}

const ENDED = new Set(['failed', 'stopped']);

/** Feeds the service manager's watchdog, or lets it go hungry and says why. */
class ServiceWatchdog {
  readonly #ports: WatchdogPorts;
  #isAsking = false;
  #isWithheld = false;

  constructor(ports: WatchdogPorts) {
    this.#ports = ports;
  }

  feed(): void {
    const { phase, stats, clock } = this.#ports;
    if (this.#isAsking) {
      this.#withhold('the supervisor of the sources does not answer');
      return;
    }
    const problem = lifeProblemOf(stats(), phase(), clock.monotonicMs());
    if (problem !== null) this.#withhold(problem);
    else if (phase() === 'running') this.#askThenFeed();
    else this.#give();
  }

  #askThenFeed(): void {
    this.#isAsking = true;
    const answered = () => {
      this.#isAsking = false;
      this.#give();
    };
    // A refusal is an answer, too: the engine is on its way down.
    this.#ports.askSupervisors().then(answered, answered);
  }

  #give(): void {
    if (this.#isWithheld) this.#ports.log.info({}, 'the watchdog is told again that all is well');
    this.#isWithheld = false;
    this.#ports.notifier.notify('WATCHDOG=1');
  }

  #withhold(problem: string): void {
    if (this.#isWithheld) return;
    this.#isWithheld = true;
    const next = 'the service manager will start the gateway anew; what was not acknowledged is sent again';
    this.#ports.log.error({ problem, next }, 'the watchdog is not told that all is well');
  }
}

function summaryOf({ isReady, reasons }: Readiness): string {
  return isReady ? 'ready' : `not ready: ${reasons.map(({ message }) => message).join('; ')}`;
}

function tellReadiness(log: Logger, { isReady, reasons }: Readiness, isNews: boolean): void {
  if (!isReady) log.warn({ reasons }, 'the gateway is not ready');
  else if (isNews) log.info({}, 'the gateway is ready');
}

function tellStandstill(log: Logger, lateMs: number): void {
  const next =
    'find what computes for so long (a stage, a decoder, a filter of a sink) and make it shorter; ' +
    'or the machine was suspended, or has too few processors';
  log.warn({ lateMs: Math.round(lateMs), next }, 'the event loop stood still');
}
