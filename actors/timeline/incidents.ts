/** Lifecycle alerts that belong together. An actor in trouble enters the same state again and again: a broken
 *  link is tried after each cool-down, and its circuit opens each time. That is one incident: one alert when
 *  it begins and one (`…_OVER`) when it ends, with a count of how often it came.
 *
 *  It ends when the actor has worked again for `INCIDENT_CALM_MS`, when an operator pauses it, or with the
 *  actor itself. A source or sink that failed for good stays in trouble until one of the same name works. */

import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';
import { alertEventOf, alertOf, isWorkingState, sourceOf } from './lifecycle-rules.ts';

export interface IncidentsOptions {
  readonly clock: Clock;
  /** Raises an alert that this row led to. */
  readonly raise: (alert: OperatorAlert, row: TimelineRow) => void;
  /** Whether the source or sink of this row has no error that was not followed by a success. */
  readonly isSound: (row: TimelineRow) => boolean;
}

interface Incident {
  readonly sinceMonoMs: number;
  readonly sinceMs: number;
  /** How often each of its alerts would have been raised. */
  readonly times: Map<string, number>;
  calm: TimerHandle;
}

/** An actor that has worked for so long is no longer in trouble. */
export const INCIDENT_CALM_MS = 10_000;

export class Incidents {
  readonly #options: IncidentsOptions;
  /** By the name of the actor, the oldest first. */
  readonly #open = new Map<string, Incident>();

  constructor(options: IncidentsOptions) {
    this.#options = options;
  }

  /** Hears of every row, in order. */
  see(row: TimelineRow): void {
    const alert = alertOf(row);
    if (row.kind === 'config') {
      if (alert !== null) this.#options.raise(alert, row);
    } else if (alert !== null) this.#trouble(alert, row);
    // An earlier run raised the alert of a source that begins in its cool-down.
    else if (row.kind === 'born') this.#resume(row);
    else if (this.#open.has(row.actor)) this.#follow(row);
  }

  /** Forgets what is open. */
  close(): void {
    for (const incident of this.#open.values()) this.#disturb(incident);
    this.#open.clear();
  }

  #trouble(alert: OperatorAlert, row: TimelineRow): void {
    const incident = this.#open.get(row.actor) ?? this.#begin(row);
    this.#disturb(incident);
    const times = incident.times.get(alert.event) ?? 0;
    incident.times.set(alert.event, times + 1);
    if (times === 0) this.#options.raise(alert, row);
  }

  #resume(row: TimelineRow): void {
    const event = alertEventOf(row);
    if (event !== null) this.#begin(row).times.set(event, 1);
  }

  #begin(row: TimelineRow): Incident {
    const incident: Incident = {
      sinceMonoMs: row.monoMs,
      sinceMs: row.atMs,
      times: new Map(),
      calm: undefined,
    };
    const [oldest] = this.#open.keys();
    if (this.#open.size >= LIMITS.openIncidentsMax && oldest !== undefined) this.#forget(oldest);
    this.#open.set(row.actor, incident);
    return incident;
  }

  /** A row of an actor that is in trouble. */
  #follow(row: TimelineRow): void {
    const incident = this.#open.get(row.actor) as Incident;
    if (row.kind === 'ended') {
      if (row.toState !== 'failed') this.#end(row, 'has ended');
      return;
    }
    if (row.kind !== 'transition') return;
    this.#disturb(incident);
    if (row.toState === 'paused') this.#end(row, 'is paused');
    else if (isWorkingState(row)) this.#watch(incident, row);
  }

  /** Where a circuit was open an open link alone proves nothing: deliveries and reads over it may still fail,
   *  each after a while. */
  #watch(incident: Incident, row: TimelineRow): void {
    const isOfLink = [...incident.times.keys()].some((event) => event.endsWith('_CIRCUIT_OPEN'));
    incident.calm = this.#options.clock.setTimeout(() => {
      if (!isOfLink || this.#options.isSound(row)) this.#end(row, `is ${row.toState} again`);
      else this.#watch(incident, row);
    }, INCIDENT_CALM_MS);
  }

  #end(row: TimelineRow, how: string): void {
    const incident = this.#open.get(row.actor) as Incident;
    this.#forget(row.actor);
    const seconds = Math.max(0, Math.round((row.monoMs - incident.sinceMonoMs) / 1_000));
    for (const [event, times] of incident.times) {
      this.#options.raise(
        {
          event: `${event}_OVER`,
          severity: 'info',
          sourceId: sourceOf(row),
          timestamp: this.#options.clock.wallMs(),
          message: `${row.actor} ${how}, ${seconds} s after the alert`,
          details: { sinceMs: incident.sinceMs, seconds, times },
        },
        row,
      );
    }
  }

  #forget(actor: string): void {
    const incident = this.#open.get(actor);
    if (incident === undefined) return;
    this.#disturb(incident);
    this.#open.delete(actor);
  }

  /** It is not calm, or no longer matters. */
  #disturb(incident: Incident): void {
    if (incident.calm !== undefined) this.#options.clock.clearTimeout(incident.calm);
    incident.calm = undefined;
  }
}
