import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EngineStats, StorageStats } from '../../src/engine/engine-stats.ts';
import type { SourceState } from '../../src/domain/health.ts';
import { gatewayRig } from '../support/gateway-rig.ts';
import { skipNote } from '../support/skip-note.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../storage/small-disk.ts';
import { lifeProblemOf, readinessOf, type ReadinessFacts } from '../../src/gateway/readiness.ts';

const STORAGE = {
  waitingSinceMonoMs: null,
  isStalled: false,
  stalledBy: null,
} as unknown as StorageStats;

interface Situation {
  readonly phase?: ReadinessFacts['phase'];
  readonly state?: string;
  readonly storage?: Partial<StorageStats> | null;
  readonly sources?: Readonly<Record<string, SourceState>>;
  readonly required?: readonly string[];
}

function facts({
  phase = 'running',
  state = 'running',
  storage = {},
  sources = {},
  required = [],
}: Situation): ReadinessFacts {
  const healths = Object.entries(sources).map(([sourceId, one]) => ({
    ...{ sourceId, tenant: 'default', state: one },
    lastError: one === 'backingOff' ? { code: 'HG_LINK_REFUSED', message: 'refused', atMs: 0 } : null,
  }));
  const stats = {
    state,
    sources: healths,
    storage: storage === null ? null : { ...STORAGE, ...storage },
  } as unknown as EngineStats;
  return { phase, stats, requiredSources: required, monotonicMs: 100_000 };
}

const FULL = { code: 'HG_STORAGE_FULL', message: 'the disk is full' };

describe('is ready', () => {
  const ready: [title: string, situation: Situation][] = [
    ['while the engine runs', {}],
    ['while a commit is under way', { storage: { waitingSinceMonoMs: 99_000 } }],
    ['where nothing is stored', { storage: null }],
    ['while a source that is not required is away', { sources: { a: 'backingOff' } }],
    ['with a required source that streams', { sources: { a: 'streaming' }, required: ['a'] }],
    ['with a required source whose reads fail', { sources: { a: 'degraded' }, required: ['a'] }],
  ];
  for (const [title, situation] of ready) {
    test(title, () => expect(readinessOf(facts(situation))).toEqual({ isReady: true, reasons: [] }));
  }
});

describe('is not ready, and says what to do', () => {
  const unready: [title: string, situation: Situation, code: string, message: RegExp][] = [
    ['while it starts', { phase: 'starting', state: 'booting' }, 'GATEWAY_STARTING', /starts/],
    ['while it drains', { phase: 'stopping' }, 'GATEWAY_STOPPING', /after its next start/],
    ['once the engine has failed', { state: 'failed' }, 'ENGINE_NOT_RUNNING', /timeline/],
    [
      'while the disk is full',
      { storage: { isStalled: true, stalledBy: FULL } },
      'HG_STORAGE_FULL',
      /Free space/,
    ],
    ['while a commit hangs', { storage: { waitingSinceMonoMs: 10_000 } }, 'COMMIT_OVERDUE', /90 s.*disk/],
    [
      'while a required source is away',
      { sources: { a: 'backingOff' }, required: ['a'] },
      'SOURCE_NOT_CONNECTED',
      /refused.*headgate explain FILE a/,
    ],
    ['while a required source is not there', { required: ['a'] }, 'SOURCE_NOT_CONNECTED', /register it/],
  ];
  for (const [title, situation, code, message] of unready) {
    test(title, () => {
      const { isReady, reasons } = readinessOf(facts(situation));
      expect([isReady, reasons.map((reason) => reason.code)]).toEqual([false, [code]]);
      expect(reasons[0]?.message).toMatch(message);
    });
  }
});

describe('deserves its life', () => {
  const cases: [title: string, situation: Situation, problem: string | null][] = [
    ['while it is well', {}, null],
    ['while the disk is full: a new process could do no more', { storage: { isStalled: true } }, null],
    ['while it starts', { phase: 'starting', state: 'booting' }, null],
    ['while it drains', { phase: 'stopping', state: 'draining' }, null],
    ['not with an engine that failed', { state: 'failed' }, 'the engine is failed'],
    [
      'not while a commit hangs',
      { storage: { waitingSinceMonoMs: 40_000 } },
      'a commit has not come back for 60 s',
    ],
  ];
  for (const [title, situation, problem] of cases) {
    test(title, () => {
      const { phase, stats, monotonicMs } = facts(situation);
      expect(lifeProblemOf(stats, phase, monotonicMs)).toBe(problem);
    });
  }
});

const refusal = whyNoSmallDisk();

test.skipIf(refusal !== undefined)(
  `a gateway on a full disk answers 503, and is ready again when there is room${skipNote(refusal)}`,
  async () => {
    const disk = mountSmallDisk();
    const rig = await gatewayRig({
      storage: { path: join(disk.folder, 'edge.db') },
      sources: { line3: { type: 'push' } },
    });
    onTestFinished(() => rig.dispose());
    await rig.gateway.start();
    const readyz = async () => {
      const answer = await fetch(`${rig.gateway.url}/readyz`);
      return { status: answer.status, body: await answer.text() };
    };
    const push = () =>
      fetch(`${rig.gateway.url}/api/ingest/line3`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body: `${JSON.stringify('x'.repeat(100_000))}\n`,
      });
    expect((await readyz()).status).toBe(200);
    disk.fill();
    const pending = Array.from({ length: 4 }, push);
    await expect.poll(readyz, { timeout: 20_000 }).toMatchObject({ status: 503 });
    expect((await readyz()).body).toContain('HG_STORAGE_FULL');
    disk.free();
    await expect.poll(readyz, { timeout: 20_000 }).toMatchObject({ status: 200 });
    expect((await Promise.all(pending)).map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  },
  60_000,
);
