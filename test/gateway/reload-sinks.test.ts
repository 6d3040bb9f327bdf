/** Sinks over reloads of a real gateway, with real files, while records stream in: one that a failed reload
 *  had taken out comes back where it stood, one that is taken out for good leaves nothing. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { PushSource } from '../../actors/sources/push-source.ts';
import type { ReloadOutcome } from '../../src/gateway/gateway-control.ts';
import { gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

let rig: GatewayRig;
afterEach(async () => rig.dispose());

const SOURCES = { line: { type: 'push' } };
const OTHER = { type: 'file', path: 'other.ndjson' };
const SINKS = {
  // Its file takes what it is given: it would show what comes twice.
  first: { type: 'file', path: 'first.ndjson', fsync: 'never' },
  // Without its cursor it would begin behind what came meanwhile.
  next: { type: 'file', path: 'next.ndjson', startAt: 'next' },
};
/** Fails when the sinks that are gone are out already: a cursor is a place in one log. */
const FAILING = { sources: SOURCES, sinks: { other: { ...OTHER, reads: 'alerts' } } };

async function started(): Promise<GatewayRig> {
  rig = await gatewayRig({ sources: SOURCES, sinks: { ...SINKS, other: OTHER } });
  await rig.gateway.start();
  return rig;
}

/** Pushes as fast as is stored, until the work is done and a little longer. Returns how many records. */
async function whilePushing(work: () => Promise<void>): Promise<number> {
  const source = rig.gateway.engine.sourceSpec('line') as PushSource;
  let pushed = 0;
  let isOver = false;
  const push = async (batches: number) => {
    for (let batch = 0; batch < batches; batch++) {
      await source.pushAll(Array.from({ length: 10 }, () => (pushed += 1)));
    }
  };
  await push(5);
  const load = (async () => {
    while (!isOver) await push(1);
  })();
  await work();
  isOver = true;
  await load;
  await push(5);
  return pushed;
}

const linesOf = (file: string) =>
  readFileSync(join(rig.folder, file), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { data: number }).data);
const cursors = () =>
  rig.query('SELECT sink_id FROM sink_cursors ORDER BY sink_id').map((row) => row['sink_id']);

test('a failed reload gives the sinks back that it had taken out: no record is missing, none comes twice', async () => {
  await started();
  const outcomes: ReloadOutcome[] = [];
  const pushed = await whilePushing(async () => {
    for (let round = 0; round < 3; round++) {
      rig.write(FAILING);
      outcomes.push(await rig.gateway.reload('signal'));
    }
  });
  expect(outcomes.map(({ outcome, problems }) => [outcome, problems.map(({ path }) => path)])).toEqual(
    Array.from({ length: 3 }, () => ['failed', ['sinks.other']]),
  );
  const all = Array.from({ length: pushed }, (_, index) => index + 1);
  await rig.gateway.stop();
  for (const name of ['first', 'next', 'other'])
    expect([name, linesOf(`${name}.ndjson`)]).toEqual([name, all]);
  const removals = rig.rows({ event: 'sinks.deregister', kind: 'deregistered' });
  expect(removals).toHaveLength(6);
});

test('a sink that a reload takes out for good leaves no cursor; one of another name begins at the first record', async () => {
  await started();
  const pushed = await whilePushing(async () => {
    const removed = { sinks: ['first', 'next'] };
    rig.write({ sources: SOURCES, sinks: { other: OTHER }, removed });
    expect((await rig.gateway.reload('signal')).outcome).toBe('applied');
  });
  await expect.poll(cursors).toEqual(['other']);
  rig.write({ sources: SOURCES, sinks: { other: OTHER, again: { ...SINKS.first, path: 'again.ndjson' } } });
  await rig.gateway.reload('signal');
  await rig.gateway.stop();
  expect(linesOf('again.ndjson')).toHaveLength(pushed);
  expect(cursors()).toEqual(['again', 'other']);
  expect(rig.query('SELECT event FROM alerts')).toEqual([]);
});
