/** A log with a known story, written by the storage that an engine writes with. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeBatch, type WriteBatch, type SourceRow, type TimelineRow } from '../../src/domain/timeline.ts';
import type { EventStore } from '../../storage/event-store.ts';
import { openEventStore } from '../../storage/open-event-store.ts';

/** 2026-11-22T02:00:00Z. */
export const STORY_START_MS = Date.UTC(2026, 10, 22, 2);

type Told = Partial<TimelineRow> & Pick<TimelineRow, 'actor' | 'kind' | 'event'>;

export interface Log extends AsyncDisposable {
  readonly path: string;
  /** Appends rows, numbered on; each `afterMs` after the one before, 100 unless it says otherwise. */
  tell(...rows: (Told & { afterMs?: number })[]): Promise<unknown>;
  keep(...sources: (Partial<SourceRow> & Pick<SourceRow, 'sourceId'>)[]): Promise<unknown>;
  keepSinks(part: Pick<WriteBatch, 'sinks' | 'sinkCursors' | 'records'>): Promise<unknown>;
  /** Ends the run; the file stays until the log is disposed of. */
  end(): Promise<void>;
}

export async function newLog(): Promise<Log> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-cli-'));
  const path = join(folder, 'edge.db');
  const store = await openEventStore({
    path,
    nowMs: STORY_START_MS,
    version: '0.0.0',
    uuid: () => '00000000-0000-4000-8000-000000000000',
    configDigest: 'test',
  });
  let seq = store.lastSeq;
  let atMs = STORY_START_MS;
  const end = () => store.close({ atMs });
  return {
    path,
    tell: (...rows) =>
      commit(store, {
        timeline: rows.map(({ afterMs = 100, ...row }) => {
          atMs += afterMs;
          seq += 1;
          return { ...BLANK_ROW, seq, run: store.run, atMs, monoMs: atMs - STORY_START_MS, ...row };
        }),
      }),
    keep: (...sources) =>
      commit(store, { sources: sources.map((source) => ({ ...BLANK_SOURCE, ...source })) }),
    keepSinks: (part) => commit(store, part),
    end,
    async [Symbol.asyncDispose]() {
      await end();
      rmSync(folder, { recursive: true });
    },
  };
}

function commit(store: EventStore, part: Partial<Parameters<EventStore['commit']>[0]>): Promise<unknown> {
  return store.commit(writeBatch(part));
}

const BLANK_ROW = {
  tenant: 'default',
  incarnation: null,
  fromState: null,
  toState: null,
  cause: null,
  data: null,
};

const BLANK_SOURCE: Omit<SourceRow, 'sourceId'> = {
  tenant: 'default',
  type: 'http',
  state: 'streaming',
  incarnation: 1,
  restarts: 0,
  recordsProduced: 0,
  dropped: 0,
  deadLettered: 0,
  consecutiveErrors: 0,
  lastReadAtMs: null,
  lastError: null,
  registeredAtMs: STORY_START_MS,
  deregisteredAtMs: null,
};

/** plc-7 loses its broker and backs off; mill-2 streams on. Nine rows. */
export async function brokenLinkLog(): Promise<Log> {
  const log = await newLog();
  await log.tell(
    { actor: 'engine', kind: 'born', event: '@xstate.init', toState: 'running' },
    { actor: 'registry', kind: 'command', event: 'registry.register', toState: null, cause: 1 },
    { actor: 'plc-7', kind: 'born', event: '@xstate.init', toState: 'connecting', incarnation: 1, cause: 2 },
    { actor: 'mill-2', kind: 'born', event: '@xstate.init', toState: 'streaming', incarnation: 2, cause: 2 },
    {
      actor: 'plc-7',
      kind: 'transition',
      event: 'link.opened',
      fromState: 'connecting',
      toState: 'streaming',
      cause: 3,
    },
    {
      actor: 'plc-7',
      kind: 'transition',
      event: 'link.lost',
      fromState: 'streaming',
      toState: 'backingOff',
      cause: 5,
      data: { code: 'HG_LINK_LOST', message: 'the broker hung up' },
      afterMs: 65_000,
    },
    {
      actor: 'plc-7',
      kind: 'alert',
      event: 'SOURCE_DOWN',
      cause: 6,
      data: { severity: 'warning', message: 'no link' },
    },
    {
      actor: 'mill-2',
      kind: 'alert',
      event: 'BURST',
      data: { severity: 'critical', windowRecords: 31, rate: null },
    },
    {
      actor: 'engine',
      kind: 'ended',
      event: 'engine.stop',
      fromState: 'running',
      toState: 'stopped',
      afterMs: 10_000,
    },
  );
  await log.keep(
    {
      sourceId: 'plc-7',
      type: 'mqtt',
      state: 'backingOff',
      recordsProduced: 41,
      lastError: 'the broker hung up',
    },
    { sourceId: 'mill-2', recordsProduced: 1_000, lastReadAtMs: STORY_START_MS },
  );
  return log;
}
