/** The alert desk: stored before shown, and a user's callback that may do what it likes. */

import { describe, expect, test } from 'vitest';
import { AlertDispatcher, type BurstNotification } from '../../../actors/alerts/alert-dispatcher.ts';
import type { Alert, BurstAlert } from '../../../src/domain/alert.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { settled } from '../../pipeline/fixture.ts';

function burst(sourceId: string, windowRecords: number): BurstAlert {
  const times = { timestamp: 1, start: 0, end: 1, windowDurationMs: 1, rate: 1_000 };
  return { event: 'BURST', severity: 'warning', sourceId, windowRecords, again: false, ...times };
}

const OPERATOR_ALERT: Alert = {
  event: 'SOURCE_FAILED',
  severity: 'critical',
  sourceId: 'plc-7',
  timestamp: 1,
  message: 'mend it',
};

class Field {
  readonly clock = virtualClock();
  readonly recorded: Alert[] = [];
  readonly stored: Alert[] = [];
  readonly shown: Alert[] = [];
  readonly notified: BurstNotification[] = [];
  readonly warnings: unknown[] = [];
  readonly desk: AlertDispatcher;
  /** How long it takes to store an alert. */
  storeMs = 0;

  constructor(onBurst: ((alert: BurstNotification) => unknown) | null = () => {}) {
    this.desk = new AlertDispatcher({
      clock: this.clock,
      log: { ...SILENT_LOGGER, warn: (fields) => this.warnings.push(fields) },
      record: (alert) => this.recorded.push(alert),
      flush: async () => {
        const recorded = [...this.recorded];
        if (this.storeMs > 0) await this.clock.sleep(this.storeMs);
        this.stored.push(...recorded.slice(this.stored.length));
      },
      onBurst: () =>
        onBurst === null
          ? null
          : (alert) => {
              this.notified.push(alert);
              expect(this.stored.length, 'notified after it was stored').toBeGreaterThanOrEqual(
                this.notified.length,
              );
              return onBurst(alert);
            },
    });
    this.desk.alerts$.subscribe((alert) => {
      expect(this.stored, 'shown after it was stored').toContain(alert);
      this.shown.push(alert);
    });
  }

  raise(...alerts: Alert[]): void {
    for (const alert of alerts) this.desk.raise(alert, 'plc-7#1', null);
  }

  /** Raises bursts one after the other, all within an instant. */
  async storm(sourceId: string, count: number): Promise<void> {
    for (let raised = 0; raised < count; raised++) {
      this.raise(burst(sourceId, raised));
      await settled();
    }
  }
}

describe('an alert', () => {
  test('beyond the bound on those that wait to be stored is recorded, and counted, but not shown', async () => {
    const stored = Promise.withResolvers<void>();
    const counts = { recorded: 0, shown: 0, notified: 0, suppressed: 0 };
    const desk = new AlertDispatcher({
      ...{ clock: virtualClock(), log: SILENT_LOGGER, flush: () => stored.promise },
      record: () => counts.recorded++,
      onBurst:
        () =>
        ({ suppressed }) => {
          counts.notified++;
          counts.suppressed += suppressed;
        },
    });
    desk.alerts$.subscribe(() => counts.shown++);
    const max = LIMITS.unshownAlertsMax;
    for (let raised = 0; raised < max + 5; raised++) desk.raise(burst('plc-7', 30), 'plc-7#1', null);
    await settled();
    stored.resolve();
    await settled();
    expect(counts).toMatchObject({ recorded: max + 5, shown: max, suppressed: 5 });
    desk.raise(burst('plc-7', 31), 'plc-7#1', null);
    await settled();
    expect(counts).toMatchObject({ recorded: max + 6, shown: max + 1 });
  });

  test('is recorded at once, and shown once it is stored', async () => {
    const field = new Field();
    field.storeMs = 50;
    field.raise(OPERATOR_ALERT);
    expect(field.recorded).toEqual([OPERATOR_ALERT]);
    await field.clock.advance(49);
    expect(field.shown).toEqual([]);
    await field.clock.advance(1);
    expect(field.shown).toEqual([OPERATOR_ALERT]);
  });

  test('that is never stored is never shown', async () => {
    const field = new Field();
    field.storeMs = 1e12;
    field.raise(OPERATOR_ALERT, burst('plc-7', 31));
    await field.clock.advance(1e9);
    expect([field.shown, field.notified]).toEqual([[], []]);
  });

  test('follows the one before it', async () => {
    const field = new Field();
    field.raise(...Array.from({ length: 50 }, (_, index) => burst('plc-7', index)));
    await settled();
    expect(field.shown.map((alert) => 'windowRecords' in alert && alert.windowRecords)).toEqual(
      Array.from({ length: 50 }, (_, index) => index),
    );
  });

  test('reaches the callback only where it is a burst', async () => {
    const field = new Field();
    field.raise(OPERATOR_ALERT, burst('plc-7', 31));
    await settled();
    expect(field.shown.length).toBe(2);
    expect(field.notified).toEqual([{ ...burst('plc-7', 31), suppressed: 0 }]);
  });

  test('is shown where there is no callback', async () => {
    const field = new Field(null);
    field.raise(burst('plc-7', 31));
    await settled();
    expect(field.shown.length).toBe(1);
  });
});

describe('a storm of bursts', () => {
  const max = LIMITS.notificationsPerMinuteMax;

  test('reaches the callback so many times a minute, and the rest are counted', async () => {
    const field = new Field();
    for (let minute = 0; minute < 3; minute++) {
      for (let second = 0; second < 60; second++) {
        field.raise(burst('plc-7', second), burst('plc-7', second), burst('plc-7', second));
        await field.clock.advance(1_000);
      }
    }
    expect(field.shown.length).toBe(540);
    expect(field.stored.length).toBe(540);
    expect(field.notified.length).toBe(3 * max);
    const suppressed = field.notified.reduce((sum, alert) => sum + alert.suppressed, 0);
    // What the last minute suppressed is told by the first notification of the next.
    expect(suppressed).toBe(2 * (180 - max));
    field.raise(burst('plc-7', 1));
    await settled();
    expect(field.notified.at(-1)?.suppressed).toBe(180 - max);
  });

  test('of one source takes nothing from another', async () => {
    const field = new Field();
    await field.storm('plc-1', 200);
    field.raise(burst('plc-2', 31));
    await settled();
    expect(field.notified.filter(({ sourceId }) => sourceId === 'plc-2')).toEqual([
      { ...burst('plc-2', 31), suppressed: 0 },
    ]);
  });

  test('is forgotten with its source', async () => {
    const field = new Field();
    await field.storm('plc-1', 200);
    field.desk.forget('plc-1');
    field.raise(burst('plc-1', 31));
    await settled();
    expect(field.notified.length).toBe(max + 1);
    expect(field.notified.at(-1)?.suppressed).toBe(0);
  });
});

describe('a callback', () => {
  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no pager');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no pager'))],
  ])('that %s is told to the log, and called again next time', async (_, onBurst) => {
    const field = new Field(onBurst);
    field.raise(burst('plc-7', 31), burst('plc-7', 32));
    await settled();
    expect([field.shown.length, field.notified.length]).toEqual([2, 2]);
    expect(field.warnings).toEqual([
      { source: 'plc-7', error: 'no pager' },
      { source: 'plc-7', error: 'no pager' },
    ]);
  });

  test('that hangs holds nothing up, is not called beyond its limit at once, and misses are counted', async () => {
    const releases: (() => void)[] = [];
    const field = new Field(() => new Promise<void>((resolve) => releases.push(resolve)));
    for (let count = 0; count < 40; count++) field.raise(burst('plc-7', count));
    await settled();
    expect([field.shown.length, field.notified.length]).toEqual([40, LIMITS.notificationsInFlightMax]);
    for (const release of releases) release();
    await settled();
    field.raise(burst('plc-7', 99));
    await settled();
    expect(field.notified.at(-1)).toMatchObject({
      windowRecords: 99,
      suppressed: 40 - LIMITS.notificationsInFlightMax,
    });
  });
});
