/** Where a source goes on, and how that is forgotten once the source is gone. */

import { expect, test } from 'vitest';
import { defineSource, transformAsync } from '../../src/index.ts';
import { codeOf, engineRig, startedRig, type EngineRig } from '../support/engine-rig.ts';

/** Counts from its cursor; stores where it is with every record. */
const counting = defineSource({
  type: 'counting',
  async stream(io) {
    for (let n = Number(io.cursor ?? 0) + 1; !io.signal.aborted; n++) {
      await io.clock.sleep(10, io.signal);
      if (io.signal.aborted) return;
      if (!io.emit(n, { cursor: String(n) })) await io.room();
    }
  },
});

const cursors = (rig: EngineRig) =>
  rig.query('SELECT source_id, cursor FROM source_cursors').map(({ source_id: id, cursor }) => [id, cursor]);
const delivered = (rig: EngineRig) => rig.delivered.map(({ data }) => data);

test('a source that was deregistered goes on at its cursor, also over a restart, until it is forgotten', async () => {
  const rig = await startedRig({}, counting({ id: 'a' }));
  await rig.clock.advance(25);
  await rig.clock.runUntil(rig.engine.deregister('a'));
  await rig.engine.register(counting({ id: 'a' }));
  await rig.clock.advance(15);
  await rig.stop();
  await rig.engine.start();
  expect(rig.engine.hasSourceCursor('a')).toBe(true);
  await rig.clock.runUntil(rig.engine.forgetSources(['default/a', 'never-there']));
  expect([cursors(rig), rig.engine.hasSourceCursor('a')]).toEqual([[], false]);
  await rig.engine.register(counting({ id: 'a' }));
  await rig.clock.advance(15);
  expect(delivered(rig)).toEqual([1, 2, 3, 1]);
});

test('a source that is registered is not forgotten, nor one that is named with it', async () => {
  const rig = await startedRig({}, counting({ id: 'a' }), counting({ id: 'b' }));
  await rig.clock.advance(25);
  await rig.clock.runUntil(rig.engine.deregister('b'));
  expect(await codeOf(rig.engine.forgetSources(['b', 'a']))).toBe('HG_ENGINE_STATE');
  await rig.clock.advance(15);
  expect(cursors(rig).map(([id]) => id)).toEqual(['a', 'b']);
});

test('records on their way when their source is forgotten do not bring its cursor back', async () => {
  const slow = transformAsync(async (item) => {
    await rig.clock.sleep(500);
    return item.data;
  });
  const rig: EngineRig = await startedRig({ stages: [slow] }, counting({ id: 'a' }));
  await rig.clock.advance(25);
  await rig.clock.runUntil(rig.engine.deregister('a'));
  await rig.clock.runUntil(rig.engine.forgetSources(['a']));
  await rig.clock.advance(2_000);
  expect([delivered(rig), cursors(rig)]).toEqual([[1, 2], []]);
});

test('a source that is registered before the deletion is stored begins as a new one, and keeps its own cursor', async () => {
  const rig = await startedRig({}, counting({ id: 'a' }));
  await rig.clock.advance(25);
  await rig.clock.runUntil(rig.engine.deregister('a'));
  const forgotten = rig.engine.forgetSources(['a']);
  await rig.engine.register(counting({ id: 'a' }));
  await rig.clock.runUntil(forgotten);
  await rig.clock.advance(15);
  expect([delivered(rig), cursors(rig)]).toEqual([[1, 2, 1], [['a', '1']]]);
});

test('cursors that were given up are one alert that names the first of them', async () => {
  const rig = engineRig();
  await rig.engine.start();
  const sources = Array.from({ length: 7 }, (_, n) => `s${n}`);
  const event = 'config.sourcesForgotten';
  rig.engine.noteConfig({ event, data: { sources, sourcesTotal: 900, keptMs: 1 } });
  rig.engine.noteConfig({ event, data: { sources: ['meter'], sourcesTotal: 1, keptMs: 1 } });
  await rig.clock.advance(10);
  expect(rig.timeline("kind = 'alert'").map(({ event: alert, data }) => [alert, data?.['sourceId']])).toEqual(
    [
      ['SOURCES_FORGOTTEN', null],
      ['SOURCES_FORGOTTEN', 'meter'],
    ],
  );
  expect(rig.timeline("kind = 'alert'")[0]?.data?.['message']).toContain(
    'given up: "s0", "s1", "s2", "s3", "s4" and 895 more; a source that is put back begins as a new one',
  );
});
