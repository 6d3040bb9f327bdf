import { expect, test } from 'vitest';
import type { EngineStats } from '../../src/engine/engine-stats.ts';
import type { Readiness } from '../../src/gateway/gateway-control.ts';
import { startWatchdog } from '../../src/gateway/watchdog.ts';
import type { GatewayPhase } from '../../src/gateway/readiness.ts';
import { virtualClock } from '../../src/testing.ts';

/** A watch over a gateway that can be made ill. */
function bench(watchdogMs: number | null = 30_000) {
  const clock = virtualClock();
  const notified: string[] = [];
  const log: string[] = [];
  const line = (fields: object, message: string) => void log.push(`${message} ${JSON.stringify(fields)}`);
  const state = {
    phase: 'running' as GatewayPhase,
    engine: 'running',
    storage: null as EngineStats['storage'],
    readiness: { isReady: true, reasons: [] } as Readiness,
    answers: true,
    ends: 0,
  };
  const watch = startWatchdog({
    clock,
    log: { debug: line, info: line, warn: line, error: line },
    notifier: {
      watchdogMs,
      notify: (...assignments) => void notified.push(...assignments),
      flushed: () => Promise.resolve(),
    },
    phase: () => state.phase,
    engineState: () => state.engine,
    stats: () => ({ state: state.engine, storage: state.storage }) as EngineStats,
    readiness: () => state.readiness,
    askSupervisors: () => (state.answers ? Promise.resolve() : new Promise(() => {})),
    onEngineEnded: () => void (state.ends += 1),
  });
  const fed = () => notified.filter((one) => one === 'WATCHDOG=1').length;
  return { clock, state, notified, log, watch, fed };
}

test('the watchdog is fed three times in its interval while all is well', async () => {
  const { clock, fed, log } = bench();
  await clock.advance(30_500);
  expect(fed()).toBeGreaterThanOrEqual(3);
  expect(log).toEqual([]);
});

test('nobody is fed where there is no watchdog', async () => {
  const { clock, fed } = bench(null);
  await clock.advance(60_000);
  expect(fed()).toBe(0);
});

test('the watchdog goes hungry while the supervisors do not answer, and the log says so once', async () => {
  const { clock, state, fed, log } = bench();
  await clock.advance(10_500);
  const before = fed();
  state.answers = false;
  await clock.advance(60_000);
  expect(fed()).toBe(before);
  expect(log.filter((line) => line.includes('does not answer'))).toHaveLength(1);
});

test('the watchdog goes hungry while a commit hangs, and is fed again after it', async () => {
  const { clock, state, fed, log } = bench();
  await clock.advance(1_000);
  const before = fed();
  const storage = { isStalled: false, waitingSinceMonoMs: clock.monotonicMs() - 31_000 };
  state.storage = storage as EngineStats['storage'];
  await clock.advance(30_000);
  expect(fed()).toBe(before);
  state.storage = null;
  await clock.advance(15_000);
  expect(fed()).toBeGreaterThan(before);
  expect(log.map((line) => line.split(' {')[0])).toEqual([
    'the watchdog is not told that all is well',
    'the watchdog is told again that all is well',
  ]);
});

test('the watchdog is fed while the disk is full: starting anew would not help', async () => {
  const { clock, state, fed } = bench();
  state.storage = { isStalled: true, waitingSinceMonoMs: -1_000_000 } as EngineStats['storage'];
  await clock.advance(30_500);
  expect(fed()).toBeGreaterThanOrEqual(3);
});

test('it is fed while the gateway drains, when supervisors have no more to say', async () => {
  const { clock, state, fed } = bench();
  Object.assign(state, { phase: 'stopping', engine: 'draining', answers: false });
  await clock.advance(30_500);
  expect(fed()).toBeGreaterThanOrEqual(3);
});

test('an engine that ends by itself is told of once', async () => {
  const { clock, state } = bench();
  await clock.advance(1_500);
  expect(state.ends).toBe(0);
  state.engine = 'failed';
  await clock.advance(5_000);
  expect(state.ends).toBe(1);
});

test('readiness is told to manager and log when it changes, and only then', async () => {
  const { clock, state, notified, log } = bench(null);
  await clock.advance(11_000);
  const reason = { code: 'HG_STORAGE_FULL', subject: 'storage', message: 'full' };
  state.readiness = { isReady: false, reasons: [reason] };
  await clock.advance(20_000);
  state.readiness = { isReady: true, reasons: [] };
  await clock.advance(20_000);
  expect(notified).toEqual(['STATUS=ready', 'STATUS=not ready: full', 'STATUS=ready']);
  expect(log.map((line) => line.split(' {')[0])).toEqual([
    'the gateway is not ready',
    'the gateway is ready',
  ]);
});

test('nothing is told after it was closed', async () => {
  const { clock, watch, notified } = bench();
  watch.close();
  await clock.advance(60_000);
  expect(notified).toEqual([]);
});
