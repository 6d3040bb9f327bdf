/** Alerts about the lives of sources, sinks and parts. An alert is raised once, when its condition begins; it
 *  stays open while the condition lasts, through every try in between, and its end is one alert more
 *  (`…_OVER`) with the duration and the number of repetitions. Where the condition is that a link does not
 *  work, it is over when the link has held for a while and has no errors that were not followed by a success:
 *  a link that opens and fails again has not ended it. */

import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import {
  alertOf,
  endOf,
  isOfLink,
  isOpenLink,
  isTrouble,
  linkDownAlert,
  resumedAlertOf,
} from './lifecycle-rules.ts';
import { LinkTrouble, type Trouble } from './link-trouble.ts';

export interface LifecycleAlertPorts {
  readonly clock: Clock;
  readonly raise: (alert: OperatorAlert, actorId: string, cause: number | null) => void;
  /** Whether the source or sink has had no error since its last success. */
  readonly isSound: (actorId: string) => boolean;
  readonly lastRowOf: (actorId: string) => number | null;
}

interface OpenAlert {
  readonly alert: OperatorAlert;
  readonly actor: string;
  readonly beganMonoMs: number;
  /** Times that the condition was met again while the alert was open. */
  repeats: number;
  timer: TimerHandle;
}

export class LifecycleAlerts {
  readonly #ports: LifecycleAlertPorts;
  /** By the name of the actor, which later incarnations have too. */
  readonly #open = new Map<string, OpenAlert>();
  readonly #trouble: LinkTrouble;

  constructor(ports: LifecycleAlertPorts) {
    this.#ports = ports;
    this.#trouble = new LinkTrouble({ ...ports, onDown: (trouble) => this.#linkDown(trouble) });
  }

  /** Takes a row of the timeline: it may begin an alert, repeat one, or end one. */
  onRow(row: TimelineRow, actorId: string): void {
    const open = this.#open.get(row.actor);
    const alert = alertOf(row);
    if (open !== undefined) {
      if (repeats(open.alert.event, alert, row)) {
        open.repeats++;
        this.#stopTimer(open);
        return;
      }
      const end = endOf(open.alert.event, row);
      if (end === 'now') this.#close(open, actorId, row.toState ?? row.event, row.seq);
      else if (end === 'later') this.#watch(open, actorId, row.toState ?? row.event);
      else if (row.kind === 'transition') this.#stopTimer(open);
    }
    if (!this.#open.has(row.actor)) this.#trouble.onRow(row, actorId);
    if (alert !== null) {
      this.#ports.raise(alert, actorId, row.seq);
      if (row.kind === 'transition') this.#begin(row.actor, alert);
      return;
    }
    const resumed = resumedAlertOf(row);
    if (resumed !== null) this.#begin(row.actor, resumed);
  }

  /** The run is over: alerts that are open end with it. */
  close(): void {
    for (const open of this.#open.values()) this.#stopTimer(open);
    this.#open.clear();
    this.#trouble.close();
  }

  #begin(actor: string, alert: OperatorAlert, beganMonoMs = this.#ports.clock.monotonicMs()): OpenAlert {
    this.#trouble.drop(actor);
    const open: OpenAlert = { alert, actor, repeats: 0, timer: undefined, beganMonoMs };
    this.#open.set(actor, open);
    const oldest = this.#open.values().next().value;
    if (this.#open.size > LIMITS.openAlertsMax && oldest !== undefined) {
      this.#stopTimer(oldest);
      this.#open.delete(oldest.actor);
    }
    return open;
  }

  #linkDown({ actor, actorId, beganMonoMs, lastFailure, state }: Trouble): void {
    const { clock, raise } = this.#ports;
    const downMs = Math.round(clock.monotonicMs() - beganMonoMs);
    const alert = linkDownAlert(lastFailure, downMs, clock.wallMs());
    raise(alert, actorId, lastFailure.seq);
    const open = this.#begin(actor, alert, beganMonoMs);
    if (isOpenLink(state)) this.#watch(open, actorId, state);
  }

  #watch(open: OpenAlert, actorId: string, state: string): void {
    this.#stopTimer(open);
    open.timer = this.#ports.clock.setTimeout(() => {
      if (this.#ports.isSound(actorId)) {
        this.#close(open, actorId, state, this.#ports.lastRowOf(actorId));
      } else this.#watch(open, actorId, state);
    }, LIMITS.stableLinkMs);
  }

  #stopTimer(open: OpenAlert): void {
    if (open.timer !== undefined) this.#ports.clock.clearTimeout(open.timer);
    open.timer = undefined;
  }

  #close(open: OpenAlert, actorId: string, state: string, cause: number | null): void {
    this.#stopTimer(open);
    this.#open.delete(open.actor);
    const { clock, raise } = this.#ports;
    const { alert, actor, repeats, beganMonoMs } = open;
    const durationMs = Math.round(clock.monotonicMs() - beganMonoMs);
    raise(
      {
        event: `${alert.event}_OVER`,
        severity: 'info',
        sourceId: alert.sourceId,
        timestamp: clock.wallMs(),
        message: `${actor} is ${state} now; ${alert.event} is over after ${durationMs} ms`,
        details: { state, durationMs, repeats },
      },
      actorId,
      cause,
    );
  }
}

/** Whether the condition of an open alert is met again. A circuit that opens while a link is known not to
 *  work tells nothing new. */
function repeats(event: string, alert: OperatorAlert | null, row: TimelineRow): boolean {
  if (row.kind !== 'transition') return false;
  if (alert?.event === event) return true;
  return event.endsWith('_LINK_DOWN') && (isTrouble(row) || (alert !== null && isOfLink(alert.event)));
}
