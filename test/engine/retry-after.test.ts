/** A far end that asks to be left alone for a while is, whatever state its source is in. */

import { describe, expect, test } from 'vitest';
import { httpSource, type SourceSpec } from '../../src/index.ts';
import { simulatedHttp, type SimulatedAnswer } from '../../src/testing/simulated-http.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { memoryFile, startedRig } from '../support/engine-rig.ts';

const busy = (seconds: number | string, status = 429): SimulatedAnswer => ({
  status,
  headers: { 'retry-after': String(seconds) },
});
const good: SimulatedAnswer = { body: 1 };

/** A server whose answers come one by one, the last one for ever, and the source that polls it. */
function field(answers: readonly SimulatedAnswer[], options: Partial<Parameters<typeof httpSource>[0]> = {}) {
  const clock = virtualClock();
  const server = simulatedHttp(clock, (_, n) => answers[Math.min(n, answers.length) - 1] ?? good);
  const { transport } = server;
  const source = (more: typeof options = {}): SourceSpec =>
    httpSource({ id: 'api', url: 'http://api/', intervalMs: 1_000, transport, ...options, ...more });
  return { clock, source, seconds: () => server.requests.map(({ atMs }) => Math.round(atMs / 1_000)) };
}

describe('Retry-After is obeyed', () => {
  test('by a source that is connecting', async () => {
    const { clock, source, seconds } = field([busy(30), busy(90, 503), good]);
    const rig = await startedRig({ clock }, source({ intervalMs: 60_000 }));
    await clock.advance(125_000);
    expect(seconds()).toEqual([0, 30, 120]);
    const waits = rig
      .timeline("kind = 'transition' AND to_state = 'backingOff'")
      .map(({ data }) => data?.['waitMs']);
    expect(waits).toEqual([30_000, 90_000]);
    expect(rig.timeline("to_state = 'backingOff'")[0]?.data).toMatchObject({
      error: { code: 'HG_READ_STATUS', message: 'http://api/ answered 429 and asks to wait 30000 ms' },
    });
  });

  test('by one whose circuit opens for it, beyond its cool-down', async () => {
    const breaker = { failures: 2, coolDownMs: 5_000 };
    const first = field([busy(10), busy(40), good], { breaker });
    await startedRig({ clock: first.clock }, first.source());
    await first.clock.advance(51_500);
    expect(first.seconds()).toEqual([0, 10, 50, 51]);
    // The same of failed reads while the link stands.
    const second = field([good, busy(10), busy(40), good], { breaker });
    await startedRig({ clock: second.clock }, second.source());
    await second.clock.advance(51_800);
    expect(second.seconds()).toEqual([0, 1, 11, 51]);
  });

  test('by one that is degraded, in between its polls', async () => {
    const { clock, source, seconds } = field([good, { status: 500 }, { status: 500 }, busy(20), good], {
      degradedAfterErrors: 2,
    });
    await startedRig({ clock }, source());
    await clock.advance(24_500);
    expect(seconds()).toEqual([0, 1, 2, 3, 23, 24]);
  });

  test('by one that is paused and resumed meanwhile', async () => {
    const { clock, source, seconds } = field([good, busy(20), good]);
    const rig = await startedRig({ clock }, source());
    await clock.advance(5_000);
    rig.engine.send({ type: 'registry.pause', id: 'api' });
    await clock.advance(1_000);
    rig.engine.send({ type: 'registry.resume', id: 'api' });
    await clock.advance(16_500);
    expect(seconds()).toEqual([0, 1, 21, 22]);
  });

  test('by the next incarnation against the same address, and not against another', async () => {
    const { clock, source, seconds } = field([busy(20), good]);
    const rig = await startedRig({ clock }, source());
    await clock.advance(5_000);
    await clock.runUntil(rig.engine.deregister('api'));
    await clock.runUntil(rig.engine.register(source({ intervalMs: 100_000 })));
    await clock.advance(16_000);
    expect(seconds()).toEqual([0, 20]);
    const other = field([busy(20), good]);
    const second = await startedRig({ clock: other.clock }, other.source());
    await other.clock.advance(5_000);
    await other.clock.runUntil(second.engine.deregister('api'));
    await other.clock.runUntil(second.engine.register(other.source({ url: 'http://other/' })));
    await other.clock.advance(500);
    expect(other.seconds()).toEqual([0, 5]);
  });

  test('after a restart of the process', async () => {
    const { clock, source, seconds } = field([busy(60), good]);
    const file = memoryFile();
    const first = await startedRig({ clock, file }, source({ intervalMs: 100_000 }));
    await clock.advance(10_000);
    await first.stop();
    await startedRig({ clock, file }, source({ intervalMs: 100_000 }));
    await clock.advance(55_000);
    expect(seconds()).toEqual([0, 60]);
  });

  test('for an hour at the most', async () => {
    const { clock, source, seconds } = field([busy(10_000_000), good]);
    await startedRig({ clock, health: { intervalMs: 600_000 } }, source({ intervalMs: 100_000_000 }));
    await clock.advance(3_601_000);
    expect(seconds()).toEqual([0, 3_600]);
  });

  test('in parts of seconds', async () => {
    const { clock, source, seconds } = field([busy('20.5'), good]);
    await startedRig({ clock }, source({ intervalMs: 100_000 }));
    await clock.advance(20_400);
    expect(seconds()).toHaveLength(1);
    await clock.advance(200);
    expect(seconds()).toHaveLength(2);
  });

  test.each(['soon', '-5', '1,5', '0'])('but not where it says %s', async (text) => {
    const { clock, source, seconds } = field([busy(text), good]);
    await startedRig({ clock }, source({ intervalMs: 100_000 }));
    await clock.advance(1_000);
    expect(seconds()).toHaveLength(2);
  });
});
