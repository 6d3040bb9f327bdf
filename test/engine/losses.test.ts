/** Losses on the way to the log are visible: in the log, as alerts, in the health of a source and in its
 *  row. */

import { expect, test } from 'vitest';
import { pushSource, simulatedSource, transform } from '../../src/index.ts';
import { codeOf, startedRig, type EngineRig } from '../support/engine-rig.ts';

const DEAD = 'records became dead letters; `headgate dead-letters list` shows them';
const DROPPED = 'records were dropped by a limit or a full outlet';

/** A stage that refuses every `every`-th value. */
const refusing = (every: number) =>
  transform(({ data }) => {
    if ((data as number) % every === 0) throw new Error('a bad value');
    return data;
  }, 'picky');

const lossLines = (rig: EngineRig, message: string) =>
  rig.lines.filter((line) => line.message === message).map(({ level, fields }) => ({ level, ...fields }));

const lossAlerts = (rig: EngineRig) =>
  rig
    .timeline("kind = 'alert'")
    .filter(({ event }) => event.startsWith('SOURCE_'))
    .map(({ event, data }) => ({ event, atMs: data?.['timestamp'], details: data?.['details'] }));

test('a source with nothing but dead letters is warned of at the first, then once a minute', async () => {
  const source = simulatedSource({ id: 'plc-7', intervalMs: 100, value: (n) => n });
  const rig = await startedRig({ stages: [refusing(1)] }, source);
  await rig.clock.advance(150_000);
  const reason = { stage: 'picky', code: 'HG_STAGE_THREW', error: 'a bad value' };
  expect(lossLines(rig, DEAD)).toEqual([
    { level: 'warn', source: 'plc-7', records: 1, ...reason },
    { level: 'warn', source: 'plc-7', records: 599, ...reason },
    { level: 'warn', source: 'plc-7', records: 600, ...reason },
  ]);
  const [alert, ...more] = lossAlerts(rig);
  expect(alert).toMatchObject({
    event: 'SOURCE_DEAD_LETTERS',
    details: { lost: 10, records: 10, ...reason },
  });
  expect(more).toEqual([]);
  const { deadLetteredCount, recordsProduced } = rig.engine.health('plc-7');
  expect(deadLetteredCount).toBe(recordsProduced);
  await rig.stop();
  expect(rig.query('SELECT dead_lettered, records_produced FROM sources')).toEqual([
    { dead_lettered: recordsProduced, records_produced: recordsProduced },
  ]);
  expect(rig.query('SELECT max(dead_lettered_count) AS most FROM health')[0]?.['most']).toBeGreaterThan(
    1_000,
  );
});

test('another error code of the same source has a first line of its own', async () => {
  const source = pushSource({ id: 'door', decode: 'json' });
  const rig = await startedRig({ stages: [refusing(1)] }, source);
  for (const payload of ['{', '{', '7', '7', '{']) void codeOf(source.pushPayload(payload));
  await rig.clock.advance(61_000);
  const lines = lossLines(rig, DEAD) as unknown as { code: string; records: number }[];
  expect(lines.map(({ code, records }) => [code, records])).toEqual([
    ['HG_DECODE_FAILED', 1],
    ['HG_STAGE_THREW', 1],
    [expect.any(String), 3],
  ]);
});

test('an alert of losses ends with the first minute in which they are few', async () => {
  const source = simulatedSource({
    id: 'plc-7',
    intervalMs: 1_000,
    value: (n) => (n <= 20 ? 0 : 1 + (n % 40)),
  });
  const rig = await startedRig({ stages: [refusing(41)] }, source);
  await rig.clock.advance(300_000);
  expect(lossAlerts(rig).map(({ event }) => event)).toEqual([
    'SOURCE_DEAD_LETTERS',
    'SOURCE_DEAD_LETTERS_OVER',
  ]);
});

test('losses below the share are logged and no alert', async () => {
  const source = simulatedSource({ id: 'plc-7', intervalMs: 100, value: (n) => n });
  const rig = await startedRig({ stages: [refusing(20)] }, source);
  await rig.clock.advance(180_000);
  expect(lossLines(rig, DEAD).length).toBeGreaterThanOrEqual(3);
  expect(lossAlerts(rig)).toEqual([]);
});

test('a payload that cannot be decoded counts as brought and as lost', async () => {
  const source = pushSource({ id: 'door', decode: 'json' });
  const rig = await startedRig({}, source);
  for (let n = 0; n < 20; n++) void codeOf(source.pushPayload('{'));
  await rig.clock.advance(1_000);
  expect(rig.engine.health('door')).toMatchObject({ recordsProduced: 0, deadLetteredCount: 20 });
  expect(lossAlerts(rig)).toMatchObject([
    { event: 'SOURCE_DEAD_LETTERS', details: { lost: 10, records: 10 } },
  ]);
});

test.each([
  ['a limit', { rateLimit: { recordsPerSecondMax: 5, policy: 'drop' as const } }, {}, 'limit'],
  [
    'an outlet',
    { rateLimit: { recordsPerSecondMax: 5, policy: 'delay' as const } },
    { outlet: { capacityRecords: 2, overflow: 'drop-newest' as const } },
    'outlet',
  ],
])('what %s drops is warned of, and is an alert above a share', async (_what, options, more, by) => {
  const source = simulatedSource({ id: 'plc-7', intervalMs: 20, ...more });
  const rig = await startedRig(options, source);
  await rig.clock.advance(61_000);
  const lines = lossLines(rig, DROPPED);
  expect(lines[0]).toMatchObject({ level: 'warn', source: 'plc-7', by });
  expect(lines).toHaveLength(2);
  expect(lossAlerts(rig)).toMatchObject([{ event: 'SOURCE_RECORDS_DROPPED', details: { by } }]);
});

test('what has been counted and not told is logged at the end', async () => {
  const source = simulatedSource({ id: 'plc-7', intervalMs: 100, value: (n) => n });
  const rig = await startedRig({ stages: [refusing(1)] }, source);
  await rig.clock.advance(5_000);
  await rig.stop();
  const sum = lossLines(rig, DEAD).reduce(
    (total, line) => total + Number((line as { records?: number }).records),
    0,
  );
  expect(sum).toBe(rig.query('SELECT dead_lettered FROM sources')[0]?.['dead_lettered']);
});

test('the row of a source is a second old at most', async () => {
  const rig = await startedRig(
    { health: { intervalMs: 60_000 } },
    simulatedSource({ id: 'plc-7', intervalMs: 100 }),
  );
  await rig.clock.advance(5_050);
  const rows = rig.query('SELECT records_produced FROM sources');
  expect(rows[0]?.['records_produced']).toBeGreaterThanOrEqual(
    rig.engine.health('plc-7').recordsProduced - 11,
  );
});

test('a few bad records after many good ones, and then nothing, are no alert', async () => {
  const source = simulatedSource({
    id: 'plc-7',
    intervalMs: 100,
    value: (n) => (n > 30 && n <= 32 ? 0 : 1),
    count: 32,
  });
  const rig = await startedRig({ stages: [refusing(2)] }, source);
  await rig.clock.advance(300_000);
  expect(lossLines(rig, DEAD)).toHaveLength(2);
  expect(lossAlerts(rig)).toEqual([]);
});
