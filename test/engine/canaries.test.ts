/** A chain of stages that is dead ends the engine as failed: what was not acknowledged is sent again. */

import { map, take, tap, type OperatorFunction } from 'rxjs';
import { expect, test } from 'vitest';
import { pushSource, type Stage } from '../../src/index.ts';
import type { Batch } from '../../src/domain/record.ts';
import { codeOf, startedRig } from '../support/engine-rig.ts';

const ofTheUsers = (operator: OperatorFunction<Batch, Batch>): Stage => ({
  kind: 'operator',
  stageName: 'mine',
  operator: () => operator,
});

/** Of the transition to `failed`. */
const failureOf = (rig: Awaited<ReturnType<typeof startedRig>>) =>
  rig.timeline("actor = 'engine' AND to_state IN ('draining', 'failed')")[0]?.data;

test('an operator that completes ends the engine, and nothing is acknowledged after it', async () => {
  const source = pushSource({ id: 'a' });
  const rig = await startedRig({ stages: [ofTheUsers(take(2))] }, source);
  const pushed = [1, 2, 3].map(async (n) => {
    await rig.clock.sleep(n * 20);
    return await codeOf(source.push(n));
  });
  await rig.clock.advance(2_000);
  expect(await Promise.all(pushed.slice(2))).not.toEqual([null]);
  expect(rig.engine.state).toBe('failed');
  expect(rig.query('SELECT data FROM records ORDER BY seq')).toEqual([{ data: '1' }, { data: '2' }]);
  expect(JSON.stringify(failureOf(rig))).toContain('HG_STAGE_ENDED');
});

test('an operator of a user’s that holds batches back is left alone', async () => {
  const held: Batch[] = [];
  const holding = ofTheUsers((batches) =>
    batches.pipe(
      tap((batch) => void held.push(batch)),
      map(() => []),
    ),
  );
  const rig = await startedRig({ stages: [holding] });
  await rig.clock.advance(5_000);
  expect(rig.engine.state).toBe('running');
});
