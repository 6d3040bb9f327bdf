/** An engine under the virtual clock, with what tests look at: its log, its database, its state. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import {
  createEngine,
  type CreateEngineOptions,
  type Engine,
  type EngineReport,
  type FlowItem,
  type SourceSpec,
  type StopOptions,
} from '../../src/index.ts';
import type { Logger } from '../../src/domain/logger.ts';
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { settled } from '../pipeline/fixture.ts';
import { query } from '../storage/fixture.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** A row of the timeline as the table has it, `data` parsed. */
export interface TimelineEntry {
  readonly seq: number;
  readonly run: number;
  readonly at_ms: number;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly kind: string;
  readonly event: string;
  readonly from_state: string | null;
  readonly to_state: string | null;
  readonly cause: number | null;
  readonly data: Readonly<Record<string, unknown>> | null;
}

export interface EngineRig {
  readonly clock: VirtualClock;
  readonly engine: Engine;
  readonly file: string;
  readonly lines: LogLine[];
  /** What came out of the stages, in order. */
  readonly delivered: FlowItem[];
  /** Log lines of this level and above: what an operator must read. */
  readonly complaints: (level?: 'warn' | 'error') => string[];
  /** Stops the engine on its clock. */
  readonly stop: (options?: StopOptions) => Promise<EngineReport>;
  readonly query: (sql: string, ...parameters: unknown[]) => Record<string, unknown>[];
  readonly timeline: (where?: string) => TimelineEntry[];
  /** Transitions of one actor, told as `connecting>streaming`. */
  readonly course: (actor: string) => string[];
}

export type RigOptions = Omit<CreateEngineOptions, 'clock' | 'logger' | 'timeline'> & {
  readonly file?: string;
  readonly clock?: VirtualClock;
};

/** Where files cost no writing to a disk, if there is such a place: a virtual second then takes
 *  milliseconds. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A file that is gone after the test, and in memory where it can be. */
export function memoryFile(): string {
  const folder = mkdtempSync(join(MEMORY, 'headgate-engine-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'edge.db');
}

/** Makes an engine that is stopped after the test. */
export function engineRig({
  file = memoryFile(),
  clock = virtualClock(),
  ...options
}: RigOptions = {}): EngineRig {
  const lines: LogLine[] = [];
  const engine = createEngine({
    seed: 1,
    ...options,
    clock,
    logger: loggerInto(lines),
    timeline: { path: file },
  });
  const delivered: FlowItem[] = [];
  engine.records$.subscribe((item) => void delivered.push(item));
  const stop = (options?: StopOptions) => clock.runUntil(engine.stop(options));
  onTestFinished(async () => void (await stop({ deadlineMs: 50 })));
  const rows = (sql: string, ...parameters: unknown[]) => query(file, sql, ...parameters);
  const timeline = (where = '1') =>
    rows(`SELECT * FROM timeline WHERE ${where} ORDER BY seq`).map((row) => ({
      ...row,
      data: row['data'] === null ? null : (JSON.parse(row['data'] as string) as object),
    })) as unknown as TimelineEntry[];
  return {
    ...{ clock, engine, file, lines, delivered, stop, query: rows, timeline },
    complaints: (level = 'warn') =>
      lines.filter((line) => line.level === 'error' || line.level === level).map(({ message }) => message),
    course: (actor) =>
      timeline(`actor = '${actor}' AND kind = 'transition'`).map(
        ({ from_state: from, to_state: to }) => `${from}>${to}`,
      ),
  };
}

/** As {@link engineRig}, started, with these sources. */
export async function startedRig(options: RigOptions, ...specs: SourceSpec[]): Promise<EngineRig> {
  const rig = engineRig(options);
  await rig.engine.start();
  for (const spec of specs) await rig.engine.register(spec);
  return rig;
}

function loggerInto(lines: LogLine[]): Logger {
  const at = (level: LogLine['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields: fields as LogLine['fields'], message });
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Lets what is pushed go into its outlet, and on as far as no timer is needed. Its commit is not waited for.
 *  */
export async function handedIn(push: Promise<unknown>): Promise<void> {
  push.catch(() => {});
  await settled();
}

/** What the promise came to: its value, or the code of its error. */
export function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'fulfilled',
    (error: { code?: string; message: string }) => error.code ?? error.message,
  );
}

/** Everything an async iterable gives until it ends. */
export async function readAll<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}
