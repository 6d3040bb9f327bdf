/** A sink that waits when a crash cuts it off goes on with what is left of its wait; after a clean stop it
 *  begins anew. */

import { describe, expect, test } from 'vitest';
import { functionSink, HeadgateError, simulatedSource } from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { copyOfDatabase } from '../storage/fixture.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

const START_MS = Date.UTC(2020, 0, 1);

/** A far end that refuses everything; it notes when it was asked. */
function refusing(tries: number[], breakerFailures: number, rig: () => EngineRig, details = {}, more = {}) {
  return functionSink({
    id: 'archive',
    tenant: 'acme',
    backoff: { kind: 'constant', initialMs: 60_000, maxMs: 60_000, jitter: 'none' },
    breaker: { failures: breakerFailures, coolDownMs: 300_000 },
    ...more,
    deliver: async () => {
      tries.push(rig().clock.wallMs() - START_MS);
      throw new HeadgateError('HG_LINK_LOST', 'nobody is there', { details });
    },
  });
}

/** An engine with such a sink and one record to deliver. */
async function failing(
  breakerFailures: number,
  options: Parameters<typeof startedRig>[0] = {},
  details?: object,
) {
  const tries: number[] = [];
  const rig = await startedRig(options, simulatedSource({ id: 'a', intervalMs: 1_000, value: (n) => n }));
  await rig.engine.registerSink(refusing(tries, breakerFailures, () => rig, details));
  return { rig, tries };
}

/** The file as a kill at this moment leaves it; the engine itself is then ended, out of the way. */
async function crash(rig: EngineRig): Promise<string> {
  await rig.clock.advance(50);
  const file = copyOfDatabase(rig.file);
  await rig.stop({ deadlineMs: 1 });
  return file;
}

const at = (file: string, elapsedMs: number) => ({ file, clock: virtualClock(START_MS + elapsedMs) });
const stateOf = (rig: EngineRig) => rig.engine.sinkHealth('acme/archive').state;
const about = (...seconds: number[]) =>
  seconds.map((second) => expect.closeTo(second * 1_000, -2) as unknown);

test('a backoff goes on with the rest of its wait and the failures before it', async () => {
  const { rig, tries: first } = await failing(3);
  await rig.clock.advance(20_000);
  expect(first).toEqual(about(1));
  const { rig: again, tries } = await failing(3, at(await crash(rig), 45_000));
  await again.clock.advance(1);
  expect(stateOf(again)).toBe('backingOff');
  await again.clock.advance(15_500);
  expect(tries).toEqual([]);
  await again.clock.advance(60_500);
  expect(tries).toEqual(about(61, 121));
  // The third failure in a row, the first of which was before the crash.
  expect(stateOf(again)).toBe('circuitOpen');
  expect(again.timeline("actor = 'acme/sink:archive' AND kind = 'born'").at(-1)).toMatchObject({
    to_state: 'backingOff',
  });
});

test('a cool-down goes on with the rest of it, and a resume by hand ends it', async () => {
  const { rig } = await failing(1);
  await rig.clock.advance(100_000);
  const file = await crash(rig);
  const { rig: again, tries } = await failing(1, at(file, 250_000));
  await again.clock.advance(1);
  expect(stateOf(again)).toBe('circuitOpen');
  await again.clock.advance(50_500);
  expect(tries).toEqual([]);
  await again.clock.advance(1_000);
  expect(tries).toEqual(about(301));
  const { rig: byHand, tries: triesByHand } = await failing(1, at(copyOfDatabase(file), 250_000));
  await byHand.engine.resumeSink('acme/archive');
  await byHand.clock.advance(10);
  expect(triesByHand).toEqual(about(250));
});

test('a wait that a far end asked for is kept, beyond the longest backoff', async () => {
  const { rig } = await failing(9, {}, { retryAfterMs: 1_800_000 });
  await rig.clock.advance(20_000);
  const { rig: again, tries } = await failing(9, at(await crash(rig), 120_000));
  await again.clock.advance(1_680_000);
  expect(tries).toEqual([]);
  await again.clock.advance(2_000);
  expect(tries).toEqual(about(1_801));
});

test('a wait that a far end asked for is kept over a clean stop, too', async () => {
  const { rig, tries: before } = await failing(9, {}, { retryAfterMs: 1_800_000 });
  await rig.clock.advance(20_000);
  await rig.clock.runUntil(rig.engine.stop());
  const { rig: again, tries } = await failing(9, at(copyOfDatabase(rig.file), 120_000));
  await again.clock.advance(1_680_000);
  expect([before.length, tries]).toEqual([1, []]);
  await again.clock.advance(2_000);
  expect(tries).toEqual(about(1_801));
});

test('a sink that is deregistered leaves no wait behind', async () => {
  const { rig } = await failing(9, {}, { retryAfterMs: 1_800_000 });
  await rig.clock.advance(20_000);
  await rig.clock.runUntil(rig.engine.deregisterSink('acme/archive', { mode: 'now' }));
  await rig.clock.advance(100);
  expect(rig.query("SELECT * FROM source_deadlines WHERE kind = 'sink'")).toEqual([]);
});

test('a wait that ended during the outage is over', async () => {
  const { rig } = await failing(9);
  await rig.clock.advance(20_000);
  const { rig: again, tries } = await failing(9, at(await crash(rig), 3_600_000));
  await again.clock.advance(10);
  expect(tries).toEqual(about(3_600));
});

test('a wait is no longer than an hour, though the wall clock was set back', { tags: 'full' }, async () => {
  const { rig } = await failing(9);
  await rig.clock.advance(20_000);
  const { rig: again, tries } = await failing(9, at(await crash(rig), -86_400_000));
  await again.clock.advance(3_601_000);
  expect(tries).toEqual(about(3_600 - 86_400));
});

test('of a source with the same name nothing is mistaken for it', async () => {
  const { rig } = await failing(9);
  await rig.clock.advance(20_000);
  const next = at(await crash(rig), 30_000);
  const source = simulatedSource({ id: 'archive', tenant: 'acme', intervalMs: 1_000, value: (n) => n });
  const again = await startedRig(next, source);
  await again.clock.advance(10);
  expect(again.engine.health('acme/archive').state).toBe('streaming');
});

test('after a clean stop, an update or a deregistration it begins anew, and nothing is left in the table', async () => {
  const deadlines = (rig: EngineRig) => rig.query("SELECT * FROM source_deadlines WHERE kind = 'sink'");
  const { rig } = await failing(9);
  await rig.clock.advance(20_000);
  expect(deadlines(rig)).toHaveLength(1);
  const file = await crash(rig);
  expect(deadlines(rig)).toEqual([]);

  const { rig: updated, tries } = await failing(9, at(copyOfDatabase(file), 30_000));
  await updated.clock.runUntil(updated.engine.updateSink(refusing(tries, 9, () => updated)));
  await updated.clock.advance(10);
  expect(tries).toEqual(about(30));

  const leftover = await startedRig(at(copyOfDatabase(file), 30_000));
  await leftover.engine.deregisterSink('acme/archive');
  await leftover.clock.advance(50);
  expect(deadlines(leftover)).toEqual([]);
});

describe('a sink whose address or options have changed', () => {
  /** The tries after the start that follows a crash, seconds. */
  async function triesAfter(
    change: { readonly target?: string; readonly batch?: { readonly rowsMax: number } },
    { breakerFailures = 9, details = {} } = {},
  ): Promise<number[]> {
    const sink = (tries: number[], rig: () => EngineRig, { target = 'http://cloud/', batch = {} }) => {
      const { logic, ...spec } = refusing(tries, breakerFailures, rig, details, { batch });
      return { ...spec, logic: { ...logic, target } };
    };
    const source = simulatedSource({ id: 'a', intervalMs: 1_000, value: (n) => n });
    const rig = await startedRig({}, source);
    await rig.engine.registerSink(sink([], () => rig, {}));
    await rig.clock.advance(20_000);
    const tries: number[] = [];
    const again = await startedRig(at(await crash(rig), 30_000));
    await again.engine.registerSink(sink(tries, () => again, change));
    await again.clock.advance(10);
    return tries;
  }

  const asked = { details: { retryAfterMs: 1_800_000 } };

  test('starts at once: another address', async () => {
    const change = { target: 'http://other/' };
    expect(await triesAfter(change)).toEqual(about(30));
    expect(await triesAfter(change, { breakerFailures: 1 })).toEqual(about(30));
    expect(await triesAfter(change, asked)).toEqual(about(30));
  });

  test('starts at once, but where the far end has asked it to wait: other options', async () => {
    const change = { batch: { rowsMax: 7 } };
    expect(await triesAfter(change)).toEqual(about(30));
    expect(await triesAfter(change, { breakerFailures: 1 })).toEqual(about(30));
    expect(await triesAfter(change, asked)).toEqual([]);
  });

  test('waits where nothing has changed', async () => {
    expect(await triesAfter({})).toEqual([]);
    expect(await triesAfter({}, asked)).toEqual([]);
  });
});
