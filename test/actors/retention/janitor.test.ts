/** The janitor's port, with a store that does as it is told: when it looks, what it tells, whom it warns. */

import { Subject } from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createActor } from 'xstate';
import { createJanitorPort } from '../../../actors/retention/janitor.ts';
import type { CommitEvent } from '../../../actors/persistence/recorder-port.ts';
import { janitorMachine } from '../../../machines/janitor-machine.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import { DEFAULT_RETENTION } from '../../../src/domain/retention.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import type { MaintenanceReport, MaintenanceRequest } from '../../../storage/event-store.ts';

const MIB = 1024 * 1024;
const NOTHING = { records: 0, deadLetters: 0, health: 0, timeline: 0 };

class Field {
  readonly clock = virtualClock();
  readonly requests: { readonly atMs: number; readonly request: MaintenanceRequest }[] = [];
  readonly cleaned: unknown[] = [];
  readonly alerts: string[] = [];
  readonly warnings: string[] = [];
  readonly edges$ = new Subject<CommitEvent>();
  /** What the store answers next; where there is nothing, there is nothing to do. */
  answers: (Partial<MaintenanceReport> | Error)[] = [];
  report: Partial<MaintenanceReport> = {};
  readonly actor = createActor(
    janitorMachine.provide({
      actors: {
        retention: createJanitorPort({
          clock: this.clock,
          log: {
            debug: () => {},
            info: () => {},
            error: () => {},
            warn: (_fields, message) => void this.warnings.push(message),
          },
          store: { maintain: (request) => this.#maintain(request) },
          retention: { ...DEFAULT_RETENTION, fileBytesMax: MIB },
          needs: () => ({ recordsNeededAfter: 5, alertsNeededAfter: null }),
          edges$: this.edges$,
          onCleaned: (counts) => void this.cleaned.push(counts),
          onAlert: ({ event, severity }) => void this.alerts.push(`${event} ${severity}`),
        }),
      },
    }),
  );

  constructor() {
    this.actor.start();
    onTestFinished(() => void this.actor.stop());
  }

  async #maintain(request: MaintenanceRequest): Promise<MaintenanceReport> {
    this.requests.push({ atMs: this.clock.monotonicMs(), request });
    const answer = this.answers.shift() ?? this.report;
    if (answer instanceof Error) throw answer;
    const rest = { heldForSinks: 0, undelivered: 0, fileBytes: 0, walBytes: 0, hasMore: false };
    return { deleted: NOTHING, ...rest, ...answer };
  }

  get looks(): number[] {
    return this.requests.map(({ atMs }) => atMs);
  }

  get state(): unknown {
    return this.actor.getSnapshot().value;
  }
}

const full: CommitEvent = { type: 'commit.failed', error: { code: 'HG_STORAGE_FULL', message: 'full' } };

describe('the janitor', () => {
  test('looks at once, then every ten seconds, and soon while there is more', async () => {
    const field = new Field();
    field.answers = [{}, { deleted: { ...NOTHING, records: 7 }, hasMore: true }, { hasMore: true }];
    await field.clock.advance(10_001);
    expect(field.state).toBe('cleaning');
    await field.clock.advance(20_003);
    expect(field.looks).toEqual([0, 10_000, 10_001, 10_002, 20_002, 30_002].slice(0, field.looks.length));
    expect(field.looks.length).toBeGreaterThanOrEqual(5);
    expect(field.requests[0]?.request).toMatchObject({ recordsNeededAfter: 5, nowMs: Date.UTC(2020, 0, 1) });
    expect(field.state).toBe('idle');
  });

  test('tells once of a run of deletions, when a look finds nothing more', async () => {
    const field = new Field();
    const step = { deleted: { ...NOTHING, records: 1_000, health: 3 }, undelivered: 2, hasMore: true };
    field.answers = [step, step, { deleted: { ...NOTHING, records: 1 } }];
    await field.clock.advance(9_000);
    expect(field.cleaned).toEqual([]);
    await field.clock.advance(9_000);
    expect(field.cleaned).toEqual([{ records: 2_001, health: 6, undelivered: 4 }]);
  });

  test('tells once an hour of a run that does not end, and at its own end of what it has not told', async () => {
    const field = new Field();
    field.report = { deleted: { ...NOTHING, records: 1 } };
    await field.clock.advance(2 * 3_600_000 + 60_000);
    expect(field.cleaned).toHaveLength(2);
    expect(field.state).toBe('cleaning');
    field.actor.stop();
    expect(field.cleaned).toHaveLength(3);
    await field.clock.advance(60_000);
    const told = field.cleaned as { records: number }[];
    expect(told.reduce((sum, { records }) => sum + records, 0)).toBe(field.requests.length);
  });

  test('warns once an hour of records that are held for a sink', async () => {
    const field = new Field();
    field.report = { heldForSinks: 9 };
    await field.clock.advance(3_500_000);
    expect(field.alerts).toEqual(['STORAGE_HELD_FOR_SINK warning']);
    await field.clock.advance(200_000);
    expect(field.alerts).toHaveLength(2);
  });

  test('raises a critical alert where the file is full and nothing may go', async () => {
    const field = new Field();
    field.answers = [{ fileBytes: 0.95 * MIB, hasMore: true, deleted: { ...NOTHING, records: 1 } }];
    field.report = { fileBytes: 0.9 * MIB };
    await field.clock.advance(30_000);
    expect(field.alerts).toEqual([]);
    field.report = { fileBytes: 0.91 * MIB };
    await field.clock.advance(30_000);
    expect(field.alerts).toEqual(['STORAGE_FILE_AT_CAP critical']);
  });

  test('frees more and more while commits do not fit, not while the disk itself is full', async () => {
    const field = new Field();
    field.report = { fileBytes: 0.89 * MIB };
    await field.clock.advance(1_000);
    field.edges$.next(full);
    await field.clock.advance(3_000);
    const shares = field.requests.map(({ request }) => Number(request.filledShareMax?.toFixed(1)));
    expect(shares.slice(0, 4)).toEqual([0.9, 0.9, 0.8, 0.7]);
    expect(Math.min(...shares)).toBe(0.4);
    field.edges$.next({ type: 'commit.recovered', afterMs: 1 });
    await field.clock.advance(20_000);
    expect(field.requests.at(-1)?.request.filledShareMax).toBe(0.9);

    const other = new Field();
    other.report = { fileBytes: 0.3 * MIB };
    other.edges$.next(full);
    await other.clock.advance(60_000);
    expect(other.requests.every(({ request }) => request.filledShareMax === 0.9)).toBe(true);
  });

  test('outlives a database that is busy, and says so once', async () => {
    const field = new Field();
    field.answers = [1, 2, 3].map(() => new HeadgateError('HG_STORAGE_BUSY', 'busy'));
    await field.clock.advance(45_000);
    expect(field.looks).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
    expect(field.warnings).toHaveLength(1);
    expect(field.state).toBe('idle');
  });
});
