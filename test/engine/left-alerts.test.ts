/** Alerts that are open when the process is killed: each is one alert over all runs, and has its end. */

import { describe, expect, test } from 'vitest';
import { defineSource, HeadgateError, simulatedSource } from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { copyOfDatabase } from '../storage/fixture.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2020, 0, 1);

function broker() {
  const far = { isUp: false };
  const kind = defineSource({
    type: 'linked',
    connects: true,
    async stream(io) {
      if (!far.isUp) throw new HeadgateError('HG_LINK_REFUSED', 'away');
      io.opened();
      while (!io.signal.aborted) {
        await io.clock.sleep(500, io.signal);
        io.emit(1);
      }
    },
  });
  return { far, spec: kind({ id: 'plc', breaker: { failures: 1_000 } }) };
}

/** The file as a kill at this moment leaves it; the engine itself is then ended, out of the way. */
async function killed(rig: EngineRig): Promise<string> {
  await rig.clock.advance(50);
  const file = copyOfDatabase(rig.file);
  await rig.stop({ deadlineMs: 1 });
  return file;
}

/** Options of a run of that file, so many minutes after the first one began. */
const after = (file: string, minutes: number) => ({
  file,
  clock: virtualClock(START_MS + minutes * MINUTE_MS),
});
const alerts = (rig: EngineRig) =>
  rig
    .timeline("kind = 'alert'")
    .map(({ actor, event, data }) => [
      actor,
      event,
      (data?.['details'] as { state?: string } | undefined)?.state,
    ]);
const DOWN = ['plc', 'SOURCE_LINK_DOWN', undefined];
const endOf = (rig: EngineRig) => rig.timeline("event = 'SOURCE_LINK_DOWN_OVER'")[0]?.data?.['details'];

describe('a link that was down at a kill', () => {
  test('and holds in the next run ends its alert when it has held', async () => {
    const { far, spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    far.isUp = true;
    const again = await startedRig(after(await killed(rig), 5), spec);
    await again.clock.advance(5_000);
    expect(alerts(again)).toEqual([DOWN]);
    await again.clock.advance(MINUTE_MS);
    expect(alerts(again)).toEqual([DOWN, ['plc', 'SOURCE_LINK_DOWN_OVER', 'streaming']]);
    expect((endOf(again) as { durationMs: number }).durationMs).toBeGreaterThan(4 * MINUTE_MS);
  });

  test('and stays down over several runs is one alert', async () => {
    const { far, spec } = broker();
    let rig = await startedRig({}, spec);
    for (let run = 1; run <= 3; run++) {
      await rig.clock.advance(3 * MINUTE_MS);
      rig = await startedRig(after(await killed(rig), 5 * run), spec);
    }
    await rig.clock.advance(3 * MINUTE_MS);
    expect(alerts(rig)).toEqual([DOWN]);
    far.isUp = true;
    await rig.clock.advance(2 * MINUTE_MS);
    expect(alerts(rig)).toEqual([DOWN, ['plc', 'SOURCE_LINK_DOWN_OVER', 'streaming']]);
    expect((endOf(rig) as { durationMs: number }).durationMs).toBeGreaterThan(17 * MINUTE_MS);
  });

  test('of a source that is there no more ends its alert after a while', async () => {
    const rig = await startedRig({}, broker().spec);
    await rig.clock.advance(MINUTE_MS);
    const again = await startedRig(
      after(await killed(rig), 5),
      simulatedSource({ id: 'other', intervalMs: 1_000 }),
    );
    await again.clock.advance(50_000);
    expect(alerts(again)).toEqual([DOWN]);
    await again.clock.advance(20_000);
    expect(alerts(again)).toEqual([DOWN, ['plc', 'SOURCE_LINK_DOWN_OVER', 'gone']]);
    const last = await startedRig(after(await killed(again), 10));
    await last.clock.advance(5 * MINUTE_MS);
    expect(alerts(last)).toHaveLength(2);
  });

  test('of a source that does not connect any more is over at once or when it has run', async () => {
    const rig = await startedRig({}, broker().spec);
    await rig.clock.advance(MINUTE_MS);
    const again = await startedRig(
      after(await killed(rig), 5),
      simulatedSource({ id: 'plc', intervalMs: 1_000 }),
    );
    await again.clock.advance(MINUTE_MS);
    expect(alerts(again)).toEqual([DOWN, ['plc', 'SOURCE_LINK_DOWN_OVER', 'streaming']]);
  });
});

test('a source that had failed ends its alert when it runs again', async () => {
  const crashes = defineSource({
    type: 'failing',
    stream: async () => {
      throw new HeadgateError('HG_OPTION_INVALID', 'for the test');
    },
  });
  const rig = await startedRig({}, crashes({ id: 'plc' }));
  await rig.clock.advance(MINUTE_MS);
  expect(alerts(rig)).toEqual([['plc', 'SOURCE_FAILED', undefined]]);
  const again = await startedRig(
    after(await killed(rig), 5),
    simulatedSource({ id: 'plc', intervalMs: 1_000 }),
  );
  await again.clock.advance(1_000);
  expect(alerts(again).slice(1)).toEqual([['plc', 'SOURCE_FAILED_OVER', expect.any(String)]]);
});

test('what was wrong with the configuration is over in a run that has begun', async () => {
  const rig = await startedRig({});
  const problems = [{ line: 3, column: 9, path: 'sources', message: 'is missing' }];
  rig.engine.noteConfig({ event: 'config.refused', data: { origin: 'file', problems } });
  await rig.clock.advance(MINUTE_MS);
  const again = await startedRig(after(await killed(rig), 5));
  await again.clock.advance(1_000);
  expect(alerts(again).map(([, event]) => event)).toEqual(['CONFIG_REFUSED', 'CONFIG_REFUSED_OVER']);
});
