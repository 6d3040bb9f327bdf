import { describe, expect, test } from 'vitest';
import type { EngineStats, StorageStats } from '../../src/engine-stats.ts';
import type { SourceState } from '../../src/domain/health.ts';
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
