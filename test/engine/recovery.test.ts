/** What a crash cut off goes on at the next start: waits with what is left of them, polls in their phase; and
 *  what a clean stop ended begins anew. */

import { describe, expect, test } from 'vitest';
import { defineSource, HeadgateError, httpSource } from '../../src/index.ts';
import { simulatedHttp } from '../../src/testing/simulated-http.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { copyOfDatabase } from '../storage/fixture.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

/** A source whose link cannot be opened; it notes when that was tried. */
function unreachable(tries: number[], breakerFailures: number, initialMs = 60_000) {
  const source = defineSource({
    type: 'plc',
    connects: true,
    stream: async (io) => {
      tries.push(io.clock.wallMs());
      await Promise.resolve();
      throw new HeadgateError('HG_LINK_REFUSED', 'nobody is there');
    },
  });
  return source({
    id: 'plc-7',
    restart: { backoff: { kind: 'constant', initialMs, maxMs: initialMs, jitter: 'none' } },
    breaker: { failures: breakerFailures, coolDownMs: 300_000 },
  });
}

/** The file as a kill at this moment leaves it; the engine itself is then ended, out of the way. */
async function crash(rig: EngineRig): Promise<string> {
  await rig.clock.advance(50);
  const file = copyOfDatabase(rig.file);
  await rig.stop({ deadlineMs: 1 });
  return file;
}

const START_MS = Date.UTC(2020, 0, 1);
const at = (file: string, elapsedMs: number) => ({ file, clock: virtualClock(START_MS + elapsedMs) });

test('a backoff goes on with the rest of its wait and the failures before it', async () => {
  const first: number[] = [];
  const rig = await startedRig({}, unreachable(first, 3));
  await rig.clock.advance(20_000);
  const file = await crash(rig);
  expect(first).toEqual([START_MS]);
  const second: number[] = [];
  const again = await startedRig(at(file, 45_000), unreachable(second, 3));
  expect(again.engine.health('plc-7').state).toBe('backingOff');
  await again.clock.advance(14_900);
  expect(second).toEqual([]);
  await again.clock.advance(60_200);
  expect(second).toEqual([START_MS + 60_000, START_MS + 120_000]);
  // The third failure in a row, the first of which was before the crash.
  expect(again.engine.health('plc-7').state).toBe('circuitOpen');
});

test('a cool-down goes on with the rest of it', async () => {
  const rig = await startedRig({}, unreachable([], 1));
  await rig.clock.advance(100_000);
  const tries: number[] = [];
  const again = await startedRig(at(await crash(rig), 250_000), unreachable(tries, 1));
  expect(again.engine.health('plc-7').state).toBe('circuitOpen');
  await again.clock.advance(49_900);
  expect(tries).toEqual([]);
  await again.clock.advance(200);
  expect(tries).toEqual([START_MS + 300_000]);
});

test('a wait that ended during the outage is over', async () => {
  const rig = await startedRig({}, unreachable([], 9));
  const tries: number[] = [];
  const again = await startedRig(at(await crash(rig), 3_600_000), unreachable(tries, 9));
  await again.clock.advance(1);
  expect(tries).toEqual([START_MS + 3_600_000]);
});

test('a wait is never longer than the source has it, though the wall clock was set back', async () => {
  const rig = await startedRig({}, unreachable([], 9));
  const tries: number[] = [];
  const again = await startedRig(at(await crash(rig), -86_400_000), unreachable(tries, 9));
  await again.clock.advance(60_000);
  expect(tries).toHaveLength(1);
});

test('the gap row says how long the outage was', async () => {
  const rig = await startedRig({}, unreachable([], 9));
  const again = await startedRig(at(await crash(rig), 500_000), unreachable([], 9));
  await again.clock.advance(20);
  const [gap] = again.timeline("kind = 'gap'");
  expect(gap?.data?.['lengthMs']).toBeGreaterThan(490_000);
});

test('a resumed source can be resumed by hand, paused and deregistered as any other', async () => {
  const rig = await startedRig({}, unreachable([], 1));
  const again = await startedRig(at(await crash(rig), 1_000), unreachable([], 1));
  await again.engine.resume('plc-7');
  await again.clock.advance(100);
  expect(again.course('plc-7')).toContain('circuitOpen>connecting');
  await again.clock.runUntil(again.engine.deregister('plc-7'));
  const tries: number[] = [];
  await again.engine.register(unreachable(tries, 9));
  await again.clock.advance(1);
  expect(tries).toHaveLength(1);
});

test('after a clean stop every source begins anew', async () => {
  const rig = await startedRig({}, unreachable([], 1));
  await rig.clock.advance(1_000);
  await rig.stop();
  expect(rig.query('SELECT * FROM source_deadlines')).toEqual([]);
  const tries: number[] = [];
  const again = await startedRig(at(rig.file, 2_000), unreachable(tries, 1));
  await again.clock.advance(1);
  expect(tries).toHaveLength(1);
});

test('polls keep their phase', async () => {
  const polled = (clock: ReturnType<typeof virtualClock>) => {
    const server = simulatedHttp(clock, () => ({ body: { t: 1 } }));
    const source = httpSource({
      ...{ id: 'boiler', url: 'http://sensor/', intervalMs: 60_000, connectTimeoutMs: 5_000 },
      transport: server.transport,
    });
    return { source, times: () => server.requests.map(({ atMs }) => atMs) };
  };
  const clock = virtualClock();
  const before = polled(clock);
  const rig = await startedRig({ clock }, before.source);
  await clock.advance(130_000);
  expect(before.times()).toEqual([0, 60_000, 120_000]);
  const next = at(await crash(rig), 150_000);
  const after = polled(next.clock);
  const again = await startedRig(next, after.source);
  expect(again.engine.health('boiler').state).toBe('streaming');
  await next.clock.advance(90_000);
  expect(after.times()).toEqual([30_000, 90_000]);
});

describe('a source whose address or options have changed starts at once', () => {
  type Options = Partial<Parameters<typeof httpSource>[0]>;
  const OLD: Options = {
    ...{ id: 'api', url: 'http://api:8080/data', intervalMs: 60_000 },
    restart: { backoff: { kind: 'constant', initialMs: 60_000, maxMs: 60_000, jitter: 'none' } },
  };

  /** The tries of a source after the start that follows a crash, 20 s after the crash; milliseconds. */
  async function triesAfter(
    first: { readonly status: number; readonly headers?: Record<string, string> },
    change: Options,
    options: Options = {},
  ): Promise<number[]> {
    const source = (clock: ReturnType<typeof virtualClock>, more: Options, status: typeof first) => {
      const server = simulatedHttp(clock, () => ({ ...status, body: 1 }));
      const given = { ...OLD, ...options, ...more, transport: server.transport };
      return { server, spec: httpSource(given as Parameters<typeof httpSource>[0]) };
    };
    const clock = virtualClock(START_MS);
    const rig = await startedRig({ clock }, source(clock, {}, first).spec);
    await clock.advance(20_000);
    const next = at(await crash(rig), 40_000);
    const { server, spec } = source(next.clock, change, { status: 200 });
    await startedRig(next, spec);
    await next.clock.advance(19_000);
    return server.requests.map(({ atMs }) => atMs);
  }

  const CHANGES: readonly (readonly [string, Options])[] = [
    ['the port', { url: 'http://api:8081/data' }],
    ['the host', { url: 'http://other:8080/data' }],
    ['the path', { url: 'http://api:8080/other' }],
    ['the query', { url: 'http://api:8080/data?sensor=2' }],
    ['the user', { url: 'http://user:secret@api:8080/data' }],
    ['a header', { headers: { authorization: 'Bearer new' } }],
    ['the interval', { intervalMs: 50_000 }],
  ];

  test.each(CHANGES)('in a backoff: %s', async (_, change) => {
    expect(await triesAfter({ status: 500 }, change)).toEqual([0]);
  });

  test.each(CHANGES)('with an open circuit: %s', async (_, change) => {
    const breaker = { failures: 1, coolDownMs: 300_000 };
    expect(await triesAfter({ status: 500 }, change, { breaker })).toEqual([0]);
  });

  test.each(CHANGES)('between two polls: %s', async (_, change) => {
    expect(await triesAfter({ status: 200 }, change)).toEqual([0]);
  });

  test.each(CHANGES)('but is held to what the same far end asked for: %s', async (name, change) => {
    const isOther = ['the port', 'the host', 'the path'].includes(name);
    const asked = { status: 503, headers: { 'retry-after': '600' } };
    expect(await triesAfter(asked, change)).toEqual(isOther ? [0] : []);
  });

  test('and one that is the same waits', async () => {
    expect(await triesAfter({ status: 500 }, {})).toEqual([]);
    expect(await triesAfter({ status: 500 }, {}, { breaker: { failures: 1, coolDownMs: 300_000 } })).toEqual(
      [],
    );
    expect(await triesAfter({ status: 200 }, {})).toEqual([]);
  });
});
