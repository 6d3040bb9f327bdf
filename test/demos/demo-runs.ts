/** Runs demos for tests, in folders of their own, and says what their documents must look like. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { z } from 'zod';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import type { DemoModule, DemoReport, LiveFrame, Mood } from '../../src/cli/demo-report.ts';
import * as backpressure from '../../demos/backpressure.ts';
import * as burst from '../../demos/burst.ts';
import * as health from '../../demos/health.ts';
import * as registry from '../../demos/registry.ts';

/** The assignment checks that every demo is what the command line takes it for. */
export const DEMO_MODULES: Readonly<Record<DemoReport['demo'], DemoModule>> = {
  health,
  backpressure,
  registry,
  burst,
};

export type DemoName = DemoReport['demo'];
type ReportOf<Name extends DemoName> = Extract<DemoReport, { demo: Name }>;

export interface DemoRun<Name extends DemoName> {
  readonly report: ReportOf<Name>;
  readonly told: readonly { readonly atMs: number; readonly mood: Mood; readonly text: string }[];
  /** What a live view would have looked at, once, at the end. */
  readonly lastFrame: LiveFrame;
}

export interface DemoRunOptions {
  readonly virtual: boolean;
  readonly seed?: number;
  readonly db?: string;
  readonly signal?: AbortSignal;
  /** Called with every line that is told. */
  readonly onTold?: (text: string) => void;
}

/** Memory where the machine offers it: a hundred runs would spend most of their time waiting for a disk to
 *  sync. */
const quickFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A path for a database, gone with the tests of the file. */
export function temporaryDb(): string {
  const folder = mkdtempSync(join(quickFolder, 'headgate-test-demo-'));
  folders.push(folder);
  return join(folder, 'demo.db');
}

export async function runDemo<Name extends DemoName>(
  name: Name,
  options: DemoRunOptions,
): Promise<DemoRun<Name>> {
  const told: { atMs: number; mood: Mood; text: string }[] = [];
  let look: (() => LiveFrame) | undefined;
  const report = await DEMO_MODULES[name].run({
    virtual: options.virtual,
    seed: options.seed ?? 1,
    db: options.db ?? temporaryDb(),
    signal: options.signal ?? new AbortController().signal,
    logger: SILENT_LOGGER,
    tell: (atMs, mood, text) => {
      told.push({ atMs, mood, text });
      options.onTold?.(text);
    },
    watch: (next) => {
      look = next;
    },
  });
  if (look === undefined) throw new Error(`the demo ${name} gives the live view nothing to look at`);
  return { report: report as ReportOf<Name>, told, lastFrame: look() };
}

/** The engine came to its end in order: it stopped, and after it nothing happened but the ends of its
 *  parts. */
export function expectCleanEnd(rows: readonly Row[]): void {
  const end = rows.findIndex((row) => row['actor'] === 'engine' && row['kind'] === 'ended');
  expect(rows[end]).toMatchObject({ to_state: 'stopped' });
  expect(rows.slice(end).every((row) => row['kind'] === 'ended')).toBe(true);
}

const count = z.number().int().min(0);
const durationMs = z.number().min(0);

const sourceHealth = z.object({
  sourceId: z.string(),
  type: z.string(),
  state: z.string(),
  recordsProduced: count,
  lastReadTimestamp: z.number().nullable(),
  consecutiveErrors: count,
  incarnation: count,
  restarts: count,
  lastError: z.object({ code: z.string(), message: z.string(), atMs: z.number() }).nullable(),
  rate1s: durationMs,
  queueDepth: count,
  droppedCount: count,
});

const burstAlert = z.object({
  event: z.literal('BURST'),
  windowRecords: count,
  windowDurationMs: durationMs,
  rate: z.number().nullable(),
  timestamp: z.number(),
  start: z.number(),
  end: z.number(),
  sourceId: z.string(),
});

const scenario = {
  limitPerSecond: count,
  ingested: count,
  dropped: count,
  alerts: z.array(burstAlert),
};

/** The documents, as they are promised. */
export const REPORT_SCHEMAS: Readonly<Record<DemoName, z.ZodType>> = {
  health: z.strictObject({
    demo: z.literal('health'),
    seed: count,
    sources: z.array(sourceHealth),
    healthSummaries: z.array(z.strictObject({ atMs: count, sources: z.array(sourceHealth) })),
    totalsByType: z.strictObject({ http: count, mqtt: count }),
    drained: count,
    db: z.string(),
  }),
  backpressure: z.strictObject({
    demo: z.literal('backpressure'),
    produced: count,
    passed: count,
    filtered: count,
    consumed: count,
    highWater: count,
    queueWaitMs: z.strictObject({ avg: durationMs, max: durationMs, over5ms: count }),
    printed: z.array(z.strictObject({ index: count, queueWaitMs: durationMs })),
    db: z.string(),
  }),
  registry: z.strictObject({
    demo: z.literal('registry'),
    total: count,
    perSource: z.record(z.string(), count),
    timeline: z.array(
      z.strictObject({ atMs: count, event: z.enum(['registered', 'deregistered']), sourceId: z.string() }),
    ),
    db: z.string(),
  }),
  burst: z.strictObject({
    demo: z.literal('burst'),
    ...scenario,
    scenarios: z.array(z.strictObject(scenario)),
    db: z.string(),
  }),
};
