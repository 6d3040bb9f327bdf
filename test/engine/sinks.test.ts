import { expect, test } from 'vitest';
import { functionSink, simulatedSource } from '../../src/index.ts';
import { startedRig } from '../support/engine-rig.ts';

const counting = (id = 'a', intervalMs = 10) => simulatedSource({ id, intervalMs, value: (n) => n });

test('a sink gets what is stored, in order', async () => {
  const got: unknown[] = [];
  const rig = await startedRig({}, counting());
  await rig.engine.registerSink(
    functionSink({ id: 'out', deliver: async (batch) => void got.push(...batch.map(({ data }) => data)) }),
  );
  await rig.clock.advance(1_000);
  console.log(rig.engine.sinks(), got.length);
  await rig.stop();
  console.log(
    got.length,
    rig.course('sink:out'),
    rig.query('select * from sinks'),
    rig.query('select * from sink_cursors'),
  );
  console.log(
    rig
      .timeline("actor like 'sink%'")
      .map((r) => [r.seq, r.actor, r.kind, r.event, r.from_state, r.to_state, r.cause].join(' '))
      .join('\n'),
  );
  expect(got).toEqual(Array.from({ length: got.length }, (_, n) => n + 1));
});
