/** The alert dispatcher: every alert gets its row, and is stored before anybody is told. Only then come the
 *  observers and the user's callback; a storm of alerts is collapsed there, and only there. */

import { Subject } from 'rxjs';
import { isBurstAlert, type Alert, type BurstAlert } from '../../src/domain/alert.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { Logger } from '../../src/domain/logger.ts';

/** A burst as the user's callback gets it. */
export type BurstNotification = BurstAlert & {
  /** Bursts of this source that were stored, but not notified, since the last notification. */
  readonly suppressed: number;
};

export interface AlertDispatcherOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Writes the alert's row. */
  readonly record: (alert: Alert, actorId: string, cause: object | number | null) => void;
  /** Resolves when what was recorded is stored. */
  readonly flush: () => Promise<void>;
  /** The user's callback for bursts, as it is now. May throw, reject or hang: nothing waits for it. */
  readonly onBurst: () => ((alert: BurstNotification) => unknown) | null;
}

const MINUTE_MS = 60_000;

/** Under this name alerts are counted that are too many to be counted by their own. */
const OTHER_EVENTS = 'OTHER';

interface Budget {
  minute: number;
  used: number;
  suppressed: number;
}

export class AlertDispatcher {
  /** Alerts, once they are stored. */
  readonly alerts$ = new Subject<Alert>();
  readonly #options: AlertDispatcherOptions;
  readonly #budgets = new Map<string, Budget>();
  #inFlight = 0;
  /** Alerts that wait until they are stored. */
  #unshown = 0;
  /** Alerts that were raised, by event. Sources name theirs as they like, so there is a bound. */
  readonly #counts = new Map<string, number>();

  constructor(options: AlertDispatcherOptions) {
    this.#options = options;
  }

  /** How many alerts were raised, by event. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  raise(alert: Alert, actorId: string, cause: object | number | null): void {
    this.#count(alert.event);
    this.#options.record(alert, actorId, cause);
    // The database may be out of order for long, and bursts go on meanwhile.
    if (this.#unshown >= LIMITS.unshownAlertsMax) {
      if (isBurstAlert(alert)) this.#budget(alert.sourceId).suppressed++;
      return;
    }
    this.#unshown++;
    // Not within the step of the machine that raised it: writing may take its time.
    queueMicrotask(() => void this.#showOnceStored(alert));
  }

  #count(event: string): void {
    const isCounted = this.#counts.has(event) || this.#counts.size < LIMITS.alertEventsCountedMax;
    const name = isCounted ? event : OTHER_EVENTS;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  async #showOnceStored(alert: Alert): Promise<void> {
    await this.#options.flush();
    this.#unshown--;
    this.#show(alert);
  }

  #show(alert: Alert): void {
    this.alerts$.next(alert);
    const onBurst = this.#options.onBurst();
    if (onBurst === null || !isBurstAlert(alert)) return;
    const budget = this.#budget(alert.sourceId);
    if (
      budget.used >= LIMITS.notificationsPerMinuteMax ||
      this.#inFlight >= LIMITS.notificationsInFlightMax
    ) {
      budget.suppressed++;
      return;
    }
    const { suppressed } = budget;
    budget.used++;
    budget.suppressed = 0;
    void this.#call(onBurst, { ...alert, suppressed });
  }

  /** Calls the user's callback. One that takes its time counts as in flight until it is done. */
  async #call(
    onBurst: (alert: BurstNotification) => unknown,
    notification: BurstNotification,
  ): Promise<void> {
    let isWaiting = false;
    try {
      const outcome = onBurst(notification);
      if (!(outcome instanceof Promise)) return;
      isWaiting = true;
      this.#inFlight++;
      await outcome;
    } catch (error) {
      const fields = { source: notification.sourceId, error: messageOf(error) };
      this.#options.log.warn(fields, 'onBurst failed; the alert itself is stored');
    } finally {
      if (isWaiting) this.#inFlight--;
    }
  }

  #budget(sourceId: string): Budget {
    const minute = Math.floor(this.#options.clock.monotonicMs() / MINUTE_MS);
    const known = this.#budgets.get(sourceId);
    if (known === undefined) {
      const fresh = { minute, used: 0, suppressed: 0 };
      this.#budgets.set(sourceId, fresh);
      return fresh;
    }
    if (known.minute !== minute) {
      known.minute = minute;
      known.used = 0;
    }
    return known;
  }

  /** A source has gone; what was counted for it is forgotten. */
  forget(sourceId: string): void {
    this.#budgets.delete(sourceId);
  }
}
