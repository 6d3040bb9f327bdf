/** What becomes of records that a far end does not take: one at fault is found and given up, its neighbours
 *  arrive once, and a far end that takes nothing costs no record. */

import { describe, expect, test } from 'vitest';
import { errorFacts, HeadgateError } from '../../../../src/domain/errors.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import type { OutboundRecord, SinkLink } from '../../../../src/domain/sink.ts';
import { numbersOf, SinkField, type FarEnd, type SinkOptions } from '../../../support/sink-field.ts';
import { memoryFile } from '../../../support/engine-rig.ts';
import { query } from '../../../storage/fixture.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const lost = () => new HeadgateError('HG_LINK_LOST', 'for the test');
const refused = () => new HeadgateError('HG_SINK_REFUSED', 'for the test');

interface Bench {
  readonly field: SinkField;
  readonly farEnd: FarEnd;
  /** What the far end has taken, in order, as often as it did. */
  readonly taken: number[];
  /** Calls of `deliver`. */
  readonly calls: number[][];
  readonly letters: () => string[];
}

async function benchOf(farEnd: FarEnd, options: SinkOptions = {}, taken: number[] = []): Promise<Bench> {
  const file = memoryFile();
  const calls: number[][] = [];
  const scripted = farEnd.deliver;
  const watched: SinkLink['deliver'] = async (batch, progress) => {
    calls.push(numbersOf(batch));
    return scripted?.(batch, progress);
  };
  farEnd.deliver = watched;
  const field = await SinkField.open({ file, farEnd, options });
  await field.clock.advance(0);
  const letters = () =>
    query(file, 'SELECT payload, code FROM dead_letters ORDER BY id').map(
      ({ payload, code }) => `${String(payload)} ${String(code)}`,
    );
  return { field, farEnd, taken, calls, letters };
}

/** Takes the records of a batch one by one, as a broker does, and breaks the link at one at fault. */
function broker(taken: number[], isPoison: (n: number) => boolean): SinkLink['deliver'] {
  return async (batch, progress) => {
    for (const [index, n] of numbersOf(batch).entries()) {
      if (isPoison(n)) throw lost();
      taken.push(n);
      progress?.taken(index);
    }
  };
}

/** Takes a batch as a whole, or breaks the link, as a server behind a request does. */
function server(taken: number[], isPoison: (n: number) => boolean, error = lost): SinkLink['deliver'] {
  return async (batch) => {
    if (numbersOf(batch).some(isPoison)) throw error();
    taken.push(...numbersOf(batch));
  };
}

const without = (numbers: readonly number[], ...poison: number[]) =>
  numbers.filter((n) => !poison.includes(n));
const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);

describe('a record at which the link breaks', () => {
  for (const [name, poison] of [
    ['in the middle', [6]],
    ['at the beginning', [1]],
    ['two neighbours', [6, 7]],
    ['three in different places', [2, 9, 30]],
    ['the last but one', [49]],
  ] as const) {
    test(`${name}: it is a dead letter, the others arrive once (each acknowledged by itself)`, async () => {
      const taken: number[] = [];
      const deliver = broker(taken, (n) => (poison as readonly number[]).includes(n));
      const { field, letters } = await benchOf({ greeted: true, deliver });
      await field.append(50);
      await field.clock.advance(60_000);
      expect(sorted(taken)).toEqual(without(range(1, 50), ...poison));
      expect(letters()).toEqual(poison.map((n) => `${n} HG_SINK_REFUSED`));
      expect([field.rig.cursor, field.state, field.rig.delivered]).toEqual([
        50,
        'delivering',
        50 - poison.length,
      ]);
    });

    test(`${name}: likewise where a batch is taken as a whole`, async () => {
      const taken: number[] = [];
      const deliver = server(taken, (n) => (poison as readonly number[]).includes(n));
      const { field, letters } = await benchOf({ deliver });
      await field.append(50);
      await field.clock.advance(300_000);
      expect(sorted(taken)).toEqual(without(range(1, 50), ...poison));
      expect(letters()).toEqual(poison.map((n) => `${n} HG_SINK_REFUSED`));
      expect([field.rig.cursor, field.state]).toEqual([50, 'delivering']);
    });
  }

  test('is given up within seconds where the far end answers when a link is opened', async () => {
    const taken: number[] = [];
    const { field, letters, calls } = await benchOf({
      greeted: true,
      deliver: broker(taken, (n) => n === 6),
    });
    await field.append(11);
    await field.clock.advance(3_000);
    expect([letters(), sorted(taken)]).toEqual([['6 HG_SINK_REFUSED'], without(range(1, 11), 6)]);
    expect(calls.length).toBeLessThan(12);
  });

  test('and the code of a sink that throws at it is the same', async () => {
    const taken: number[] = [];
    const deliver = server(
      taken,
      (n) => n === 3,
      () => new TypeError('cannot read') as never,
    );
    const { field, letters } = await benchOf({ deliver });
    await field.append(9);
    await field.clock.advance(60_000);
    expect([letters(), sorted(taken)]).toEqual([['3 HG_SINK_REFUSED'], without(range(1, 9), 3)]);
  });

  test('waits for another record that is taken: without a witness it may be the far end', async () => {
    const taken: number[] = [];
    const { field, letters } = await benchOf({ deliver: server(taken, (n) => n === 3) });
    await field.append(3);
    await field.clock.advance(120_000);
    expect([letters(), taken]).toEqual([[], [1, 2]]);
    await field.append(1);
    await field.clock.advance(120_000);
    expect([letters(), taken]).toEqual([['3 HG_SINK_REFUSED'], [1, 2, 4]]);
  });

  test('and is the last of the log is given up where links are answered and others were taken', async () => {
    const taken: number[] = [];
    const { field, letters } = await benchOf({ greeted: true, deliver: broker(taken, (n) => n === 3) });
    await field.append(3);
    await field.clock.advance(10_000);
    expect([letters(), taken, field.rig.cursor]).toEqual([['3 HG_SINK_REFUSED'], [1, 2], 3]);
  });

  test('a link that breaks at everything costs no record, however long, and all arrive in the end', async () => {
    const taken: number[] = [];
    let isBroken = true;
    const { field, letters } = await benchOf({ greeted: true, deliver: broker(taken, () => isBroken) });
    await field.append(100);
    await field.clock.advance(3_600_000);
    expect([letters(), taken, field.rig.cursor]).toEqual([[], [], 0]);
    expect(field.state).toBe('circuitOpen');
    isBroken = false;
    await field.clock.advance(60_000);
    expect([letters(), sorted(taken), field.rig.cursor]).toEqual([[], range(1, 100), 100]);
  });

  for (const poison of [1, 2, 3, 4, 5, 8, 20, 50, 99]) {
    for (const [name, far] of Object.entries({ broker, server })) {
      test(`${poison} is found after a long outage at which the link broke at others, too (${name})`, async () => {
        const taken: number[] = [];
        let isAway = true;
        const deliver = far(taken, (n) => isAway || n === poison);
        const { field, letters, calls } = await benchOf({ greeted: name === 'broker', deliver });
        await field.append(100);
        await field.clock.advance(3_600_000);
        isAway = false;
        const before = calls.length;
        await field.clock.advance(600_000);
        expect([letters(), sorted(taken)]).toEqual([
          [`${poison} HG_SINK_REFUSED`],
          without(range(1, 100), poison),
        ]);
        expect([field.rig.cursor, field.state]).toEqual([100, 'delivering']);
        expect(calls.length - before).toBeLessThan(60);
      });
    }
  }

  test('a delivery that fails is not repeated for what was acknowledged, and the cursor passes that', async () => {
    const taken: number[] = [];
    let breaks = 1;
    const deliver = broker(taken, (n) => n === 30 && breaks-- > 0);
    const { field, calls } = await benchOf({ deliver });
    await field.append(50);
    await field.clock.advance(50);
    expect([field.rig.cursor, field.rig.delivered, field.state]).toEqual([29, 29, 'backingOff']);
    await field.clock.advance(1_000);
    expect([taken, calls]).toEqual([range(1, 50), [range(1, 50), range(30, 50)]]);
  });

  test('what was acknowledged behind a gap is not sent again either', async () => {
    const taken: number[] = [];
    let isFirst = true;
    const { field } = await benchOf({
      deliver: async (batch, progress) => {
        for (const [index, n] of numbersOf(batch).entries()) {
          if (isFirst && n % 2 === 0) continue;
          taken.push(n);
          progress?.taken(index);
        }
        if (!isFirst) return;
        isFirst = false;
        throw lost();
      },
    });
    await field.append(10);
    await field.clock.advance(1_000);
    expect(taken).toEqual([1, 3, 5, 7, 9, 2, 4, 6, 8, 10]);
    expect([field.rig.cursor, field.rig.delivered]).toEqual([10, 10]);
  });

  test('a dead letter that breaks the link when it is tried again does not block the log', async () => {
    const taken: number[] = [];
    const { field, letters } = await benchOf({ greeted: true, deliver: broker(taken, (n) => n === 2) });
    await field.append(4);
    await field.clock.advance(10_000);
    expect(letters()).toEqual(['2 HG_SINK_REFUSED']);
    await field.store.markLetters({ status: 'new', rowsMax: 10 }, 'queued');
    field.feed.lettersQueued();
    await field.clock.advance(10_000);
    await field.append(3);
    await field.clock.advance(10_000);
    expect(sorted(taken)).toEqual([1, 3, 4, 5, 6, 7]);
    expect([field.state, field.rig.cursor]).toEqual(['delivering', 7]);
  });
});

/** Refuses records one by one, in answer to a batch. */
function picky(taken: number[], isRefused: (n: number) => boolean): SinkLink['deliver'] {
  return async (batch) =>
    numbersOf(batch).flatMap((n, index) => {
      if (isRefused(n)) return [{ index, error: errorFacts(refused()) }];
      taken.push(n);
      return [];
    });
}

/** Refuses a batch as such. */
function strict(taken: number[], isRefused: (n: number) => boolean): SinkLink['deliver'] {
  return async (batch: readonly OutboundRecord[]) => {
    if (numbersOf(batch).some(isRefused)) throw refused();
    taken.push(...numbersOf(batch));
  };
}

describe('what is refused', () => {
  for (const [kind, make] of [
    ['one by one', picky],
    ['as a batch', strict],
  ] as const) {
    test(`${kind}, everything: no dead letter, the link is given up, an alert once; then all arrive`, async () => {
      const taken: number[] = [];
      let isRefusing = true;
      const { field, letters } = await benchOf({ deliver: make(taken, () => isRefusing) });
      for (let n = 0; n < 20; n++) await field.append(50);
      await field.clock.advance(10_000);
      expect([letters(), field.rig.cursor, field.state]).toEqual([[], 0, 'backingOff']);
      expect(field.rig.lastError?.code).toBe('HG_SINK_REFUSES_ALL');
      expect(field.refusals).toHaveLength(1);
      isRefusing = false;
      await field.clock.advance(60_000);
      expect([letters(), taken, field.rig.cursor]).toEqual([[], range(1, 1_000), 1_000]);
    });

    test(`${kind}, everything after a while: at most a few dead letters, the rest waits`, async () => {
      const taken: number[] = [];
      let isRefusing = false;
      const { field, letters } = await benchOf({ deliver: make(taken, () => isRefusing) });
      await field.append(100);
      await field.clock.advance(100);
      isRefusing = true;
      await field.append(1_000);
      await field.clock.advance(600_000);
      expect([letters(), taken.length]).toEqual([[], 100]);
      isRefusing = false;
      await field.clock.advance(60_000);
      expect([sorted(taken), field.rig.cursor]).toEqual([range(1, 1_100), 1_100]);
    });

    test(`${kind}, everything, until it takes records in the middle of a pass: all arrive`, async () => {
      for (const answers of [1, 5, 47, 150, 310]) {
        const taken: number[] = [];
        let asked = 0;
        // As many looks at a record as one pass over all of them takes, again and again.
        const isRefused = () => ++asked <= 2_000 + answers;
        const { field, letters } = await benchOf({ deliver: make(taken, isRefused) });
        await field.append(200);
        await field.clock.advance(600_000);
        expect([letters().length <= LIMITS.sinkUnprovenRefusalsMax, field.rig.cursor]).toEqual([true, 200]);
        expect(new Set(taken).size + letters().length).toBe(200);
      }
    });

    test(`${kind}, everything from the middle of a batch on: at most a few dead letters, the rest waits`, async () => {
      const taken: number[] = [];
      let takesUpTo = 60;
      const { field, letters } = await benchOf({ deliver: make(taken, (n) => n > takesUpTo) });
      await field.append(200);
      await field.clock.advance(600_000);
      expect(letters().length).toBeLessThanOrEqual(LIMITS.sinkUnprovenRefusalsMax);
      takesUpTo = 200;
      await field.clock.advance(60_000);
      expect(new Set(taken).size + letters().length).toBe(200);
    });

    test(`${kind}, everything, while records come one by one: a few are given up, then the link is`, async () => {
      const taken: number[] = [];
      const { field, letters } = await benchOf({ deliver: make(taken, () => true) });
      for (let n = 0; n < 50; n++) {
        await field.append(1);
        await field.clock.advance(5_000);
      }
      expect(letters()).toHaveLength(LIMITS.sinkUnprovenRefusalsMax);
      expect(['backingOff', 'circuitOpen']).toContain(field.state);
    });

    test(`${kind}, one record in a stream that is silent: it is a dead letter after a moment`, async () => {
      const taken: number[] = [];
      const { field, letters } = await benchOf({ deliver: make(taken, (n) => n === 2) });
      await field.append(1);
      await field.clock.advance(1_000);
      await field.append(1);
      await field.clock.advance(LIMITS.sinkQuietMs + 10);
      expect([letters(), field.rig.cursor, field.state]).toEqual([['2 HG_SINK_REFUSED'], 2, 'delivering']);
    });

    test(`${kind}, a long run of records: the others arrive`, async () => {
      const taken: number[] = [];
      const isRefused = (n: number) => n <= 150 || (n > 200 && n <= 230);
      const { field, letters } = await benchOf(
        { deliver: make(taken, isRefused) },
        { batch: { rowsMax: 40 } },
      );
      await field.append(300);
      await field.clock.advance(300_000);
      expect(sorted(taken)).toEqual(range(1, 300).filter((n) => !isRefused(n)));
      expect(letters().map((letter) => Number.parseInt(letter, 10))).toEqual(range(1, 300).filter(isRefused));
      expect(field.rig.cursor).toBe(300);
    });
  }

  test('by the sink itself is given up at once: the far end had no part in it', async () => {
    const deliver: SinkLink['deliver'] = async (batch) =>
      batch.map((_, index) => ({ index, error: errorFacts(refused()), by: 'sink' as const }));
    const { field, letters } = await benchOf({ deliver });
    await field.append(30);
    await field.clock.advance(10);
    expect([letters().length, field.rig.cursor, field.state]).toEqual([30, 30, 'delivering']);
  });

  test('does not keep a drain waiting', async () => {
    const taken: number[] = [];
    const { field, letters } = await benchOf({ deliver: picky(taken, (n) => n === 3) });
    await field.append(2);
    await field.clock.advance(10);
    await field.append(1);
    field.actor.send({ type: 'sink.drain' });
    await field.clock.advance(100);
    expect([field.state, letters(), field.rig.cursor]).toEqual(['stopped', ['3 HG_SINK_REFUSED'], 3]);
  });
});
