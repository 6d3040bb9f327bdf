/** Every kind of sink in one engine, with real far ends: a record that one side cannot take becomes a dead
 *  letter with its reason, its neighbours arrive, and what was taken is not sent again. A far end that takes
 *  nothing costs no record. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createEngine, pushSource } from '../../../src/index.ts';
import { SILENT_LOGGER } from '../../../src/domain/logger.ts';
import { query, temporaryFolder } from '../../storage/fixture.ts';
import {
  OBJECTIONABLE,
  POISON_KITS,
  type Objection,
  startMqtt,
  type PoisonFarEnd,
  type Reading,
} from '../../support/poison-kits.ts';

const RECORDS = 30;
/** The one that is objected to: it has neighbours in its batch. */
const POISON = 14;
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const sorted = (numbers: readonly number[]) => numbers.toSorted((one, other) => one - other);

type Kinds = Readonly<Record<string, PoisonFarEnd>>;

function kitsOf(names: readonly string[]): Record<string, () => Promise<PoisonFarEnd>> {
  return Object.fromEntries(
    Object.entries(POISON_KITS).flatMap(([name, { start }]) => (names.includes(name) ? [[name, start]] : [])),
  );
}

/** An engine with one sink of each kind. */
async function engineWith(kits: Readonly<Record<string, () => Promise<PoisonFarEnd>>>) {
  const started = await Promise.all(Object.entries(kits).map(async ([name, start]) => [name, await start()]));
  const kinds = Object.fromEntries(started) as Kinds;
  const file = join(temporaryFolder(), 'edge.db');
  const engine = createEngine({ timeline: { path: file }, logger: SILENT_LOGGER });
  await engine.start();
  const source = pushSource({ id: 'plant' });
  await engine.register(source);
  return {
    ...{ kinds, engine, file },
    registerSinks: async () => {
      for (const [id, { spec }] of Object.entries(kinds)) await engine.registerSink({ ...spec, id });
    },
    push: (readings: readonly unknown[]) => Promise.all(readings.map((one) => source.push(one))),
    letters: (id: string) =>
      query(file, 'SELECT code, message, payload FROM dead_letters WHERE stage = ?', `sink:${id}`),
    /** Alerts about this sink. */
    alerts: (id: string) =>
      query(file, "SELECT event FROM timeline WHERE kind = 'alert' AND actor = ?", `sink:${id}`).map(
        ({ event }) => String(event),
      ),
  };
}

describe.each(Object.keys(OBJECTIONABLE) as Objection[])('one record (%s)', (objection) => {
  const names = Object.keys(POISON_KITS).filter((name) => POISON_KITS[name]?.never[objection] === undefined);

  test(`is a dead letter, and its neighbours arrive: ${names.join(', ')}`, async () => {
    const { kinds, engine, registerSinks, push, letters } = await engineWith(kitsOf(names));
    await registerSinks();
    const readings = range(RECORDS).map((n): Reading => ({ n, where: 'open', text: 'x' }));
    readings[POISON - 1] = { n: POISON, ...OBJECTIONABLE[objection] };
    await push(readings);
    const others = range(RECORDS).filter((n) => n !== POISON);
    for (const [name, { received }] of Object.entries(kinds)) {
      await expect
        .poll(async () => sorted([...new Set(await received())]), { message: name })
        .toEqual(others);
      await expect.poll(() => letters(name).length, { message: name }).toBe(1);
      const [letter] = letters(name);
      expect(letter, name).toMatchObject({
        code: expect.stringMatching(/^HG_(SINK_REFUSED|LINK_UNAUTHORISED|LINK_REFUSED)$/) as string,
        payload: expect.stringContaining(`"n":${POISON}`) as string,
      });
      expect(String(letter?.['message']).length, name).toBeGreaterThan(10);
      expect(engine.sinkHealth(name).state, name).toBe('delivering');
    }
    await engine.stop();
    for (const [name, { received }] of Object.entries(kinds)) {
      const numbers = await received();
      // A link that breaks may take acknowledgements of others with it.
      if (objection !== 'breaks') expect(numbers, name).toHaveLength(RECORDS - 1);
      expect(letters(name), name).toHaveLength(1);
    }
  });
});

test('one record that MQTT cannot say as text is a dead letter, and its neighbours arrive', async () => {
  const text = (version: 4 | 5) => () => startMqtt(version, { topic: 'open/text', format: 'text' });
  const { kinds, engine, registerSinks, push, letters } = await engineWith({
    mqtt4: text(4),
    mqtt5: text(5),
  });
  await registerSinks();
  await push(range(RECORDS).map((n) => (n === POISON ? { n } : String(n))));
  const others = range(RECORDS).filter((n) => n !== POISON);
  for (const [name, { received }] of Object.entries(kinds)) {
    await expect.poll(async () => sorted(await received()), { message: name }).toEqual(others);
    await expect.poll(() => letters(name).length, { message: name }).toBe(1);
    expect(letters(name)[0], name).toMatchObject({ code: 'HG_SINK_REFUSED' });
  }
  await engine.stop();
});

test(
  'a far end that takes nothing costs no record, and has all of them in the end',
  { tags: 'full' },
  async () => {
    // With MQTT 3.1.1 a broker acknowledges what it forbids.
    const names = Object.keys(POISON_KITS).filter((name) => name !== 'mqtt4');
    const { kinds, engine, registerSinks, push, letters, alerts } = await engineWith(kitsOf(names));
    for (const { refuseAll } of Object.values(kinds)) await refuseAll(true);
    await push(range(RECORDS).map((n): Reading => ({ n, where: 'open', text: 'x' })));
    await registerSinks();
    for (const name of names) {
      await expect
        .poll(() => engine.sinkHealth(name).consecutiveErrors, { message: name })
        .toBeGreaterThan(2);
      expect(letters(name), name).toEqual([]);
      if (name !== 'file')
        await expect.poll(() => alerts(name), { message: name }).toContain('SINK_REFUSES_ALL');
    }
    for (const { refuseAll } of Object.values(kinds)) await refuseAll(false);
    for (const [name, { received }] of Object.entries(kinds)) {
      await expect.poll(async () => sorted(await received()), { message: name }).toEqual(range(RECORDS));
      expect(letters(name), name).toEqual([]);
    }
    await engine.stop();
  },
);

test('each objection that a kind cannot meet has its reason', () => {
  for (const [name, { never }] of Object.entries(POISON_KITS))
    for (const reason of Object.values(never)) expect(reason.length, name).toBeGreaterThan(10);
});
