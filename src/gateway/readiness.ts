/** Is the gateway ready to be sent data, and is it alive at all? Two questions: a gateway whose disk is full
 *  is not ready, but nothing is gained by killing it. Pure functions over what the engine counts. */

import type { EngineStats } from '../engine/engine-stats.ts';
import { formatAddress } from '../domain/address.ts';
import type { Readiness } from './gateway-control.ts';

export type GatewayPhase = 'starting' | 'running' | 'stopping' | 'stopped';

export interface ReadinessFacts {
  readonly phase: GatewayPhase;
  readonly stats: EngineStats;
  /** Sources that must be connected, as the configuration names them. */
  readonly requiredSources: readonly string[];
  readonly monotonicMs: number;
}

/** A commit that takes longer is overdue. The slowest SD cards stall for some seconds. */
export const COMMIT_OVERDUE_MS = 30_000;

type Reason = Readiness['reasons'][number];

/** Where a source's link stands. */
const CONNECTED = new Set(['streaming', 'degraded']);

export function readinessOf(facts: ReadinessFacts): Readiness {
  const { phase, stats } = facts;
  const reasons = [
    ...phaseReasons(phase),
    ...(phase === 'running' ? engineReasons(stats.state) : []),
    ...storageReasons(facts),
    ...(phase === 'running' ? sourceReasons(facts) : []),
  ];
  return { isReady: reasons.length === 0, reasons };
}

function phaseReasons(phase: GatewayPhase): Reason[] {
  if (phase === 'running') return [];
  const message = {
    starting: 'the gateway starts; it is ready once its parts run',
    stopping: 'the gateway drains and ends; send to it again after its next start',
    stopped: 'the gateway has stopped; start it again',
  }[phase];
  return [{ code: `GATEWAY_${phase.toUpperCase()}`, subject: 'gateway', message }];
}

function engineReasons(state: string): Reason[] {
  if (state === 'running') return [];
  const message =
    state === 'failed'
      ? 'the engine has failed; the timeline says why (headgate timeline FILE). Start the gateway again'
      : `the engine is ${state}, not running`;
  return [{ code: 'ENGINE_NOT_RUNNING', subject: 'engine', message }];
}

function storageReasons({ stats: { storage }, monotonicMs }: ReadinessFacts): Reason[] {
  if (storage === null) return [];
  if (storage.isStalled) {
    const { code, message } = storage.stalledBy ?? {
      code: 'HG_STORAGE_FAILED',
      message: 'the disk is waited for',
    };
    const what = `nothing can be stored: ${message}. ${REMEDY_OF_STALL[code] ?? REMEDY_OF_STALL.any}`;
    return [{ code, subject: 'storage', message: what }];
  }
  const waitedMs = commitWaitMs(storage.waitingSinceMonoMs, monotonicMs);
  if (waitedMs < COMMIT_OVERDUE_MS) return [];
  const seconds = Math.round(waitedMs / 1_000);
  const message = `a commit has been under way for ${seconds} s; look at the disk (dmesg, iostat)`;
  return [{ code: 'COMMIT_OVERDUE', subject: 'storage', message }];
}

const REMEDY_OF_STALL: Readonly<Record<string, string>> & { readonly any: string } = {
  HG_STORAGE_FULL: 'Free space on its disk; the engine goes on by itself',
  HG_STORAGE_BUSY:
    'Another process holds a write lock on the database; end it, and the engine goes on by itself',
  HG_STORAGE_READONLY: 'Make the file and its folder writable for the gateway’s user',
  any: 'Look at the disk; the engine goes on by itself once it can write',
};

function sourceReasons({ stats, requiredSources }: ReadinessFacts): Reason[] {
  if (requiredSources.length === 0) return [];
  const states = new Map<string, (typeof stats.sources)[number]>();
  for (const one of stats.sources) states.set(formatAddress(one), one);
  return requiredSources.flatMap((name) => {
    const found = states.get(name);
    if (found !== undefined && CONNECTED.has(found.state)) return [];
    const why = found?.lastError ? ` (${found.lastError.message})` : '';
    const message =
      found === undefined
        ? `the required source "${name}" is not registered; register it, or take "required" from its entry`
        : `the required source "${name}" is ${found.state}${why}; headgate explain FILE ${name} says why`;
    return [{ code: 'SOURCE_NOT_CONNECTED', subject: name, message }];
  });
}

/** Why the process deserves to be ended and started anew; null while it lives. A stall that the engine knows
 *  of (a full disk) is none: it waits and goes on by itself, and a new process could do no more. */
export function lifeProblemOf(stats: EngineStats, phase: GatewayPhase, monotonicMs: number): string | null {
  if (phase === 'running' && stats.state !== 'running') return `the engine is ${stats.state}`;
  const { storage } = stats;
  if (storage === null || storage.isStalled) return null;
  const waitedMs = commitWaitMs(storage.waitingSinceMonoMs, monotonicMs);
  if (waitedMs < COMMIT_OVERDUE_MS) return null;
  return `a commit has not come back for ${Math.round(waitedMs / 1_000)} s`;
}

function commitWaitMs(sinceMs: number | null, nowMs: number): number {
  return sinceMs === null ? 0 : nowMs - sinceMs;
}
