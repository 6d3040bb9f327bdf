/** All kinds of sinks in one engine: what is pushed in arrives at every far end, in order, each record once,
 *  also where links are cut in between. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createEngine } from '../../../src/engine/engine.ts';
import { pushSource } from '../../../actors/sources/push-source.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { SINK_KITS } from '../../support/sink-kits.ts';
import { temporaryFolder } from '../../storage/fixture.ts';

const RECORDS = 2_000;
const PIECE = 100;

test('every far end holds what was pushed, although links are cut on the way', { tags: 'full' }, async () => {
  const farEnds = await Promise.all(
    Object.entries(SINK_KITS).map(async ([kind, start]) => {
      const farEnd = await start();
      return { ...farEnd, kind, spec: { ...farEnd.spec, id: kind } };
    }),
  );
  const path = join(temporaryFolder(), 'edge.db');
  const engine = createEngine({ timeline: { path }, logger: SILENT_LOGGER });
  const lost = new Set<string>();
  engine.transitions$.subscribe(({ actor, event }) => {
    if (event === 'link.failed') lost.add(actor);
  });
  await engine.start();
  for (const { spec } of farEnds) await engine.registerSink(spec);
  const source = pushSource({ id: 'mixer' });
  await engine.register(source);
  for (let n = 0; n < RECORDS; n += PIECE) {
    await Promise.all(Array.from({ length: PIECE }, (_, index) => source.push({ n: n + index })));
    const { kind, link } = farEnds[(n / PIECE) % farEnds.length] ?? { kind: '', link: null };
    // The function stays lost: it is no link that could be opened again.
    if (kind === 'function' || link === null) continue;
    await expect.poll(() => engine.sinkHealth(kind).state).toBe('delivering');
    link.lose();
  }
  await engine.stop({ deadlineMs: 15_000 });

  expect([...lost].join()).toMatch(/sink:mqtt/);
  expect([...lost].join()).toMatch(/sink:jetstream/);
  for (const { kind, ...farEnd } of farEnds) {
    const keys = await farEnd.received(RECORDS);
    const seqs = [...new Set(keys)].map((key) => Number(key.split(':').at(-1)));
    expect(seqs, kind).toHaveLength(RECORDS);
    expect(
      seqs.toSorted((a, b) => a - b),
      kind,
    ).toEqual(Array.from({ length: RECORDS }, (_, index) => index + 1));
    if (['function', 'file', 'jetstream'].includes(kind)) expect(keys, kind).toHaveLength(RECORDS);
  }
});
