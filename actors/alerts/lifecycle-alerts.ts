/** Alerts about the lives of sources, sinks and parts. An alert is raised once, when its condition begins; it
 *  stays open while the condition lasts, through every try in between, and its end is one alert more
 *  (`…_OVER`) with the duration and the number of repetitions. Where the condition is that a link does not
 *  work, it is over when the link has held for a while and has no errors that were not followed by a success:
 *  a link that opens and fails again has not ended it. */

import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { isSinkName } from '../../src/domain/address.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import type { LeftAlert } from '../../storage/event-store.ts';
import {
  alertOf,
  CONFIG_REFUSED,
  endOf,
  goesOn,
  isLasting,
  isOfLink,
  isOpenLink,
  isTrouble,
  linkDownAlert,
  topicOf,
  worksAgain,
} from './derived-alerts.ts';
import { LinkTrouble, type Trouble } from './link-trouble.ts';

export interface LifecycleAlertPorts {
  readonly clock: Clock;
  readonly raise: (alert: OperatorAlert, actorId: string, cause: number | null) => void;
  /** Whether the source or sink has had no error since its last success. */
  readonly isSound: (actorId: string) => boolean;
  /** Errors since the last success. Undefined where the actor is gone. */
  readonly errorsOf: (actorId: string) => number | undefined;
  readonly lastRowOf: (actorId: string) => number | null;
}

interface OpenAlert {
  readonly alert: OperatorAlert;
  /** See {@link topicOf}. */
  readonly topic: string;
  readonly beganMonoMs: number;
  /** Times that the condition was met again while the alert was open. */
  repeats: number;
  timer: TimerHandle;
}

export class LifecycleAlerts {
  readonly #ports: LifecycleAlertPorts;
  /** By their topics; later incarnations of an actor have its name. */
  readonly #open = new Map<string, OpenAlert>();
  readonly #trouble: LinkTrouble;
  /** Left open by runs before, by the names of sources and sinks that have not come back yet. */
  readonly #left = new Map<string, LeftAlert>();
  #leftTimer: TimerHandle;

  constructor(ports: LifecycleAlertPorts) {
    this.#ports = ports;
    this.#trouble = new LinkTrouble({ ...ports, onDown: (trouble) => this.#linkDown(trouble) });
  }

  /** Takes a row of the timeline: it may begin an alert, repeat one, or end one. */
  onRow(row: TimelineRow, actorId: string): void {
    const topic = topicOf(row);
    const open = this.#open.get(topic);
    const alert = alertOf(row);
    if (open !== undefined) {
      if (repeats(open.alert.event, alert, row)) {
        open.repeats++;
        this.#stopTimer(open);
        return;
      }
      const end = endOf(open.alert.event, row);
      if (end === 'now') this.#close(open, actorId, stateIn(row), row.seq);
      else if (end === 'later') this.#watch(open, actorId, stateIn(row));
      else if (row.kind === 'transition') this.#stopTimer(open);
    }
    if (!this.#open.has(row.actor)) this.#trouble.onRow(row, actorId);
    if (alert !== null) {
      this.#ports.raise(alert, actorId, row.seq);
      if (isLasting(row, alert)) this.#begin(topic, alert);
      return;
    }
    const left = row.kind === 'born' ? this.#left.get(row.actor) : undefined;
    if (left === undefined) return;
    this.#left.delete(row.actor);
    if (goesOn(left.event, row)) this.#adopt(left, actorId, stateIn(row));
    else this.#closeLeft(left, stateIn(row), row.seq);
  }

  /** Takes over the alerts that runs before left open. Those of parts are over with their run; a source or
   *  sink that is there again goes on with its own, and one that does not come back ends it. */
  takeLeft(alerts: readonly LeftAlert[]): void {
    for (const left of alerts) {
      if (left.incarnation === null) this.#closeLeft(left, 'started again', null);
      else this.#left.set(left.actor, left);
    }
    if (this.#left.size === 0) return;
    this.#leftTimer = this.#ports.clock.setTimeout(() => {
      for (const left of this.#left.values()) this.#closeLeft(left, 'gone', null);
      this.#left.clear();
    }, LIMITS.leftAlertsMs);
  }

  #adopt({ actor, event, atMs, seq }: LeftAlert, actorId: string, state: string): void {
    const { clock } = this.#ports;
    const beganMonoMs = clock.monotonicMs() - Math.max(0, clock.wallMs() - atMs);
    const sourceId = isSinkName(actor) ? null : actor;
    const alert = {
      event,
      severity: 'warning',
      sourceId,
      timestamp: atMs,
      message: '',
      details: { seq },
    } as const;
    const open = this.#begin(actor, alert, beganMonoMs);
    if (isOpenLink(state)) this.#watch(open, actorId, state);
  }

  #closeLeft({ actor, incarnation, event, atMs }: LeftAlert, state: string, cause: number | null): void {
    const { clock, raise } = this.#ports;
    const durationMs = Math.max(0, clock.wallMs() - atMs);
    const topic = event === CONFIG_REFUSED ? 'the configuration' : actor;
    raise(
      {
        event: `${event}_OVER`,
        severity: 'info',
        sourceId: incarnation === null || isSinkName(actor) ? null : actor,
        timestamp: clock.wallMs(),
        message: `${topic} is ${state} now; ${event} of an earlier run is over after ${durationMs} ms`,
        details: { state, durationMs, repeats: 0 },
      },
      actor,
      cause,
    );
  }

  /** The run is over: alerts that are open end with it. */
  close(): void {
    for (const open of this.#open.values()) this.#stopTimer(open);
    this.#open.clear();
    if (this.#leftTimer !== undefined) this.#ports.clock.clearTimeout(this.#leftTimer);
    this.#trouble.close();
  }

  #begin(topic: string, alert: OperatorAlert, beganMonoMs = this.#ports.clock.monotonicMs()): OpenAlert {
    this.#trouble.drop(topic);
    const open: OpenAlert = { alert, topic, repeats: 0, timer: undefined, beganMonoMs };
    this.#open.set(topic, open);
    const oldest = this.#open.values().next().value;
    if (this.#open.size > LIMITS.openAlertsMax && oldest !== undefined) {
      this.#stopTimer(oldest);
      this.#open.delete(oldest.topic);
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
    this.#open.delete(open.topic);
    const { clock, raise } = this.#ports;
    const { alert, topic, repeats, beganMonoMs } = open;
    const durationMs = Math.round(clock.monotonicMs() - beganMonoMs);
    const isBack = worksAgain(alert.event, state) || this.#ports.errorsOf(actorId) === 0;
    raise(
      {
        event: `${alert.event}_OVER`,
        severity: 'info',
        sourceId: alert.sourceId,
        timestamp: clock.wallMs(),
        message:
          `${topic} is ${state} now; ${alert.event} is over after ${durationMs} ms` +
          (isBack ? '' : ', and the link has not come back'),
        details: { state, durationMs, repeats, ...(isBack ? {} : { isBack }) },
      },
      actorId,
      cause,
    );
  }
}

/** The state that a row names, or what became of a version of the configuration. */
function stateIn({ kind, toState, event }: TimelineRow): string {
  if (kind === 'config') return event.slice(event.indexOf('.') + 1);
  return toState ?? event;
}

/** Whether the condition of an open alert is met again. A circuit that opens while a link is known not to
 *  work tells nothing new. */
function repeats(event: string, alert: OperatorAlert | null, row: TimelineRow): boolean {
  if (alert !== null && alert.event === event && isLasting(row, alert)) return true;
  if (row.kind !== 'transition') return false;
  return event.endsWith('_LINK_DOWN') && (isTrouble(row) || (alert !== null && isOfLink(alert.event)));
}
