/** Dead letters under whole engines: what is retried leaves once, whatever happens in between; what fails
 *  again is counted and parked; every payload comes back as it was. */

import fc from 'fast-check';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  filter,
  isPoison,
  openDeadLetters,
  pushSource,
  transform,
  type CreateEngineOptions,
  type PushSource,
} from '../../src/index.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { codeOf, startedRig, type EngineRig, type RigOptions } from '../support/engine-rig.ts';
import { headgateError } from '../storage/fixture.ts';

/** A stage that refuses what `isBad` says, as long as it says so. */
function picky(isBad: (data: unknown) => boolean) {
  return transform(({ data }) => {
    if (isBad(data)) throw new Error('a bad value');
    return data;
  }, 'picky');
}

interface Field extends EngineRig {
  readonly source: PushSource;
  readonly letters: () => Record<string, unknown>[];
  readonly stored: () => unknown[];
}

async function field(options: RigOptions, sourceOptions: object = {}): Promise<Field> {
  const source = pushSource({ id: 'plc-7', ...sourceOptions });
  const rig = await startedRig(options, source);
  await rig.clock.advance(10);
  return {
    ...rig,
    source,
    letters: () =>
      rig.query('SELECT id, stage, code, status, attempts, payload FROM dead_letters ORDER BY id'),
    stored: () =>
      rig
        .query('SELECT data FROM records ORDER BY seq')
        .map((row) => JSON.parse(row['data'] as string) as unknown),
  };
}

const statuses = (letters: readonly Record<string, unknown>[]) => letters.map(({ status }) => status);

/** Pushes without waiting for what becomes of it. */
function push(field: Field, ...values: unknown[]): Promise<void> {
  for (const value of values) void codeOf(field.source.push(value));
  return field.clock.advance(100);
}

function pushPayloads(field: Field, ...payloads: (string | Uint8Array)[]): Promise<void> {
  for (const payload of payloads) void codeOf(field.source.pushPayload(payload));
  return field.clock.advance(100);
}

describe('a dead letter that is retried', () => {
  test('leaves once, as the record it was', async () => {
    let isMended = false;
    const rig = await field({ stages: [picky((data) => data === 2 && !isMended)] });
    await push(rig, 1, 2, 3);
    expect(rig.stored()).toEqual([1, 3]);
    isMended = true;
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry([1]))).toBe(1);
    await rig.clock.advance(100);
    expect(rig.stored()).toEqual([1, 3, 2]);
    expect(rig.query('SELECT incarnation, source_seq AS n FROM records ORDER BY seq')).toEqual([
      { incarnation: 1, n: 1 },
      { incarnation: 1, n: 3 },
      { incarnation: 1, n: 2 },
    ]);
    expect(statuses(rig.letters())).toEqual(['delivered']);
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry([1]))).toBe(0);
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry({}))).toBe(0);
    await rig.clock.advance(100);
    expect(rig.stored()).toEqual([1, 3, 2]);
    const commands = rig.timeline("kind = 'command' AND event = 'dead_letters.retry'");
    expect(commands.map(({ data }) => data)).toEqual([{ letters: 1 }, { letters: 0 }, { letters: 0 }]);
  });

  test('that fails again stays one letter, and is parked when it has failed as often as it may', async () => {
    const rig = await field({ stages: [picky((data) => data === 2)] });
    await push(rig, 2);
    for (let attempt = 2; attempt <= LIMITS.deadLetterAttemptsMax; attempt++) {
      expect(await rig.clock.runUntil(rig.engine.deadLetters.retry({ stage: 'picky' }))).toBe(1);
      await rig.clock.advance(100);
      const isLast = attempt === LIMITS.deadLetterAttemptsMax;
      expect(rig.letters()).toMatchObject([{ status: isLast ? 'parked' : 'new', attempts: attempt }]);
    }
    // Poison stays poison: shown as such each time, stored never.
    expect(rig.delivered.filter(isPoison)).toHaveLength(LIMITS.deadLetterAttemptsMax);
    expect(rig.stored()).toEqual([]);
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry({}))).toBe(0);
    expect(rig.timeline("event = 'dead_letter.parked'")).toMatchObject([
      { kind: 'dead_letter', actor: 'plc-7', data: { id: 1, attempts: LIMITS.deadLetterAttemptsMax } },
    ]);
    // Whoever names it gets it tried once more.
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry([1]))).toBe(1);
    await rig.clock.advance(100);
    expect(rig.letters()).toMatchObject([{ status: 'parked', attempts: LIMITS.deadLetterAttemptsMax + 1 }]);
  });

  test('is done with where a filter leaves it out', async () => {
    let isMended = false;
    const rig = await field({
      stages: [picky(() => !isMended), filter(() => false)],
    });
    await push(rig, 1);
    isMended = true;
    await rig.clock.runUntil(rig.engine.deadLetters.retry([1]));
    await rig.clock.advance(100);
    expect(statuses(rig.letters())).toEqual(['delivered']);
    expect(rig.stored()).toEqual([]);
  });

  test('that a limit refuses is still there, and says why', async () => {
    let isMended = false;
    const rateLimit = { recordsPerSecondMax: 1, policy: 'drop' } as const;
    const rig = await field({ rateLimit, stages: [picky(() => !isMended)] });
    for (const value of ['a', 'b']) {
      await push(rig, value);
      await rig.clock.advance(5_000);
    }
    isMended = true;
    await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
    await rig.clock.advance(100);
    expect(rig.letters()).toMatchObject([
      { status: 'delivered' },
      { status: 'new', code: 'HG_RECORD_DROPPED', attempts: 2 },
    ]);
    await rig.clock.advance(5_000);
    await rig.clock.runUntil(rig.engine.deadLetters.retry([2]));
    await rig.clock.advance(100);
    expect([statuses(rig.letters()), rig.stored()]).toEqual([
      ['delivered', 'delivered'],
      ['a', 'b'],
    ]);
  });

  test('is stored before its source is told of it, where no records are kept', async () => {
    const rig = await field({ records: { keep: false }, stages: [picky(() => true)] });
    let lettersWhenTold = -1;
    const told = rig.source.push(1).then(() => {
      lettersWhenTold = rig.letters().length;
    });
    await rig.clock.runUntil(told);
    expect(lettersWhenTold).toBe(1);
  });

  test('leaves once where no records are kept', async () => {
    let isMended = false;
    const rig = await field({ records: { keep: false }, stages: [picky(() => !isMended)] });
    await push(rig, 1);
    isMended = true;
    await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
    await rig.clock.advance(100);
    expect(statuses(rig.letters())).toEqual(['delivered']);
    expect(rig.delivered.filter((item) => !isPoison(item)).map(({ data }) => data)).toEqual([1]);
  });

  test('of the decoder waits for its source, and makes a record with the options of today', async () => {
    const rig = await field({}, { decode: 'json' });
    await pushPayloads(rig, '{"n":');
    expect(rig.letters()).toMatchObject([{ stage: 'decode', payload: '{"n":', status: 'new' }]);
    await rig.stop();
    const again = await startedRig({ file: rig.file });
    await again.clock.runUntil(again.engine.deadLetters.retry({ stage: 'decode' }));
    await again.clock.advance(100);
    expect(statuses(rig.letters())).toEqual(['queued']);
    const decode = (payload: Uint8Array) => [Buffer.from(payload).toString()];
    await again.engine.register(pushSource({ id: 'plc-7', decode }));
    await again.clock.advance(100);
    expect(statuses(rig.letters())).toEqual(['delivered']);
    expect(rig.stored()).toEqual(['{"n":']);
  });

  test('of the decoder that makes several records becomes a letter for each', async () => {
    let isMended = false;
    const decode = (payload: Uint8Array) => {
      if (!isMended) throw new Error('not yet');
      return Buffer.from(payload).toString().split(',');
    };
    const rig = await field({}, { decode });
    await pushPayloads(rig, 'a,b,c');
    isMended = true;
    await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
    await rig.clock.advance(200);
    expect(rig.stored()).toEqual(['a', 'b', 'c']);
    expect(rig.letters().map(({ stage, status }) => [stage, status])).toEqual([
      ['decode', 'delivered'],
      ...['a', 'b', 'c'].map(() => ['decoded', 'delivered']),
    ]);
  });

  test('is refused where its payload was not kept whole, or where there is none', async () => {
    const rig = await field({ stages: [picky(() => true)] });
    await push(rig, 'x'.repeat(LIMITS.deadLetterPayloadCharsMax + 1), 'y');
    await headgateError(
      () => rig.clock.runUntil(rig.engine.deadLetters.retry([1])),
      'HG_DEAD_LETTER_TRUNCATED',
    );
    await headgateError(
      () => rig.clock.runUntil(rig.engine.deadLetters.retry([9])),
      'HG_DEAD_LETTER_UNKNOWN',
    );
    expect(await rig.clock.runUntil(rig.engine.deadLetters.retry({}))).toBe(1);
    await rig.clock.advance(100);
    expect(statuses(rig.letters())).toEqual(['new', 'new']);
  });

  test('can be looked at and purged', async () => {
    const rig = await field({ stages: [picky(() => true)] });
    await push(rig, 1, 2, 3);
    const { deadLetters } = rig.engine;
    expect(
      await rig.clock.runUntil(deadLetters.list({ source: 'plc-7', afterId: 1, limit: 1 })),
    ).toMatchObject([{ id: 2, stage: 'picky', payload: '2' }]);
    expect(await rig.clock.runUntil(deadLetters.show(3))).toMatchObject({ id: 3, origin: { sourceSeq: 3 } });
    expect(await rig.clock.runUntil(deadLetters.purge([2]))).toBe(1);
    await headgateError(() => rig.clock.runUntil(deadLetters.show(2)), 'HG_DEAD_LETTER_UNKNOWN');
    expect(await rig.clock.runUntil(deadLetters.purge({ source: 'other' }))).toBe(0);
    expect(await rig.clock.runUntil(deadLetters.purge({}))).toBe(2);
    await headgateError(
      () => rig.clock.runUntil(deadLetters.list({ sorce: 'x' } as never)),
      'HG_OPTION_UNKNOWN',
    );
    await rig.stop();
    await headgateError(() => deadLetters.list(), 'HG_ENGINE_STATE');
  });
});

test('every payload comes back as it was', { tags: 'full', timeout: 60_000 }, async () => {
  const bytes = fc.uint8Array({ maxLength: 40 });
  const value = fc.oneof(
    fc.jsonValue().map((json) => JSON.parse(JSON.stringify(json)) as unknown),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('5', '"5"', 'null', 'base64:AAAA', '{"base64":"AAAA"}'),
    fc.constant({ base64: 'AAAA' }),
    fc.array(bytes, { minLength: 1, maxLength: 3 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 5 }), async (values) => {
      let isMended = false;
      const seen: unknown[] = [];
      const rig = await field({
        stages: [picky(() => !isMended), transform(({ data }) => (seen.push(data), data))],
      });
      await push(rig, ...values);
      isMended = true;
      await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
      await rig.clock.advance(100);
      expect(seen).toEqual(values);
      await rig.stop();
    }),
    { numRuns: 30 },
  );
});

test('every payload of the wire reaches the decoder as it was', async () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom('base64:AAAA', '\uFEFFbom', '').map((text) => new TextEncoder().encode(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(payload, { minLength: 1, maxLength: 5 }), async (payloads) => {
      let isMended = false;
      const seen: number[][] = [];
      const decode = (bytes: Uint8Array) => {
        if (!isMended) throw new Error('not yet');
        seen.push([...bytes]);
        return [1];
      };
      const rig = await field({}, { decode });
      await pushPayloads(rig, ...payloads);
      isMended = true;
      await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
      await rig.clock.advance(100);
      expect(seen).toEqual(payloads.map((bytes) => [...bytes]));
      await rig.stop();
    }),
    { numRuns: 30 },
  );
}, 60_000);

test('a file in use can be read and not changed; one that is not gives its letters to the next engine', async () => {
  let isMended = false;
  const stages: CreateEngineOptions['stages'] = [picky(() => !isMended)];
  const rig = await field({ stages });
  await push(rig, 1, 2, 3);
  await headgateError(() => openDeadLetters(rig.file), 'HG_STORAGE_LOCKED');
  const reader = openDeadLetters(rig.file, { readOnly: true });
  expect((await reader.list()).map(({ id }) => id)).toEqual([1, 2, 3]);
  await headgateError(() => reader.retry([1]), 'HG_STORAGE_READONLY');
  reader.close();
  await rig.stop();
  const letters = openDeadLetters(rig.file);
  const other = await startedRig({}).then((each) => each.stop());
  expect(other.lost).toBe(0);
  expect(await letters.retry([1, 3])).toBe(2);
  expect(await letters.purge([2])).toBe(1);
  letters.close();
  letters.close();
  isMended = true;
  const next = await startedRig({ file: rig.file, stages });
  await next.clock.advance(100);
  expect(rig.stored()).toEqual([1, 3]);
  expect(statuses(rig.letters())).toEqual(['delivered', 'delivered']);
});

/** What a crash at this moment would leave of the database, as a file of its own. */
function crashedCopy(file: string): string {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'headgate-letters-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const copy = join(folder, 'edge.db');
  for (const suffix of ['', '-wal'])
    if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
  return copy;
}

test(
  'whenever the engine crashes, a letter that is retried leaves exactly once, or is poison and is parked',
  { tags: 'full', timeout: 120_000 },
  async () => {
    const value = fc.record({ n: fc.nat(), fate: fc.constantFrom('good', 'mended', 'poison') });
    const step = fc.oneof(
      fc.record({ advanceMs: fc.integer({ min: 0, max: 12 }) }),
      fc.constant({ retry: true as const }),
      fc.constant({ crash: true as const }),
      fc.constant({ restart: true as const }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { minLength: 1, maxLength: 12 }),
        fc.array(step, { maxLength: 14 }),
        async (values, steps) => {
          let isMended = false;
          const stages = () => [
            picky((data) => {
              const { fate } = data as { fate: string };
              return fate === 'poison' || (fate === 'mended' && !isMended);
            }),
          ];
          let rig: EngineRig = await field({ stages: stages() });
          await push(rig as Field, ...values.map((each, index) => ({ ...each, index })));
          isMended = true;
          const again = async (file: string) => {
            const before = rig;
            rig = await startedRig({ file, stages: stages() });
            await before.stop();
          };
          for (const action of steps) {
            if ('advanceMs' in action) await rig.clock.advance(action.advanceMs);
            else if ('retry' in action) void codeOf(rig.engine.deadLetters.retry({}));
            else if ('crash' in action) await again(crashedCopy(rig.file));
            else if ('restart' in action) {
              await rig.stop();
              rig = await startedRig({ file: rig.file, stages: stages() });
            }
          }
          for (let attempt = 0; attempt <= LIMITS.deadLetterAttemptsMax; attempt++) {
            await rig.clock.advance(100);
            await rig.clock.runUntil(rig.engine.deadLetters.retry({}));
          }
          await rig.clock.advance(100);
          const indices = rig
            .query('SELECT data FROM records')
            .map((row) => (JSON.parse(row['data'] as string) as { index: number }).index);
          const fates = (wanted: (fate: string) => boolean) =>
            values.flatMap(({ fate }, index) => (wanted(fate) ? [index] : []));
          expect(indices.sort((a, b) => a - b)).toEqual(fates((fate) => fate !== 'poison'));
          const left = rig.query('SELECT status, attempts, payload FROM dead_letters ORDER BY id');
          expect(left).toHaveLength(fates((fate) => fate !== 'good').length);
          for (const { status, attempts, payload } of left) {
            const isPoisonous = (JSON.parse(payload as string) as { fate: string }).fate === 'poison';
            expect(status).toBe(isPoisonous ? 'parked' : 'delivered');
            expect(attempts).toBe(isPoisonous ? LIMITS.deadLetterAttemptsMax : 1);
          }
          await rig.stop();
        },
      ),
      { numRuns: 40 },
    );
  },
);
