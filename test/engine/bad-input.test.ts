/** Whatever is handed to an engine, it goes on: the caller gets an error that says what to mend, the timeline
 *  gets a row, and the sources that are well notice nothing. */

import { describe, expect, test } from 'vitest';
import { createEngine, HeadgateError, pushSource, simulatedSource, type Command } from '../../src/index.ts';
import { codeOf, engineRig, handedIn, startedRig } from '../support/engine-rig.ts';

const well = () => simulatedSource({ id: 'well', intervalMs: 10 });

/** Does something to an engine beside a source that is well, then looks at what that left behind. */
async function beside(act: (engine: Awaited<ReturnType<typeof startedRig>>) => unknown) {
  const rig = await startedRig({}, well());
  await rig.clock.advance(50);
  await act(rig);
  await rig.clock.advance(50);
  expect(rig.engine.state).toBe('running');
  await rig.stop();
  expect(rig.delivered.filter(({ sourceId }) => sourceId === 'well')).toHaveLength(10);
  const refusals = rig.timeline("event LIKE '%.refused'").map(({ event, data }) => [event, data?.['code']]);
  return { ...rig, refusals };
}

const NOT_IDS: readonly unknown[] = [undefined, null, 42, '', {}, [], Symbol('x'), Number.NaN];

describe('an id that is none', () => {
  for (const verb of ['deregister', 'pause', 'resume'] as const) {
    test(`is refused by ${verb}()`, async () => {
      const { refusals } = await beside(async ({ engine }) => {
        for (const id of NOT_IDS) {
          await expect(engine[verb](id as never)).rejects.toMatchObject({
            name: 'HeadgateError',
            code: 'HG_OPTION_INVALID',
            message: `registry.${verb}: option "id": must be the id of a source`,
          });
        }
      });
      expect(refusals).toEqual(NOT_IDS.map(() => [`registry.${verb}.refused`, 'HG_OPTION_INVALID']));
    });
  }

  test('has no health', async () => {
    await beside(({ engine }) => {
      for (const id of [null, 42, '', {}, 'nobody', 'well/', '/well']) {
        expect(() => engine.health(id as never)).toThrow(
          expect.objectContaining({ code: 'HG_SOURCE_UNKNOWN' }),
        );
      }
    });
  });
});

test('an id that is taken, or that nobody has, is refused with a row, and the engine goes on', async () => {
  const { refusals } = await beside(async ({ engine }) => {
    expect(await codeOf(engine.register(well()))).toBe('HG_SOURCE_DUPLICATE');
    for (const verb of ['deregister', 'pause', 'resume'] as const) {
      expect(await codeOf(engine[verb]('nobody'))).toBe('HG_SOURCE_UNKNOWN');
    }
    expect(await codeOf(engine.update(simulatedSource({ id: 'nobody', intervalMs: 1 })))).toBe(
      'HG_SOURCE_UNKNOWN',
    );
  });
  expect(refusals).toEqual([
    ['registry.register.refused', 'HG_SOURCE_DUPLICATE'],
    ...['deregister', 'pause', 'resume', 'update'].map((verb) => [
      `registry.${verb}.refused`,
      'HG_SOURCE_UNKNOWN',
    ]),
  ]);
});

test('a source on its way out takes no more commands, except to go at once', async () => {
  const { refusals } = await beside(async ({ engine, clock }) => {
    const stuck = pushSource({ id: 'stuck', rateLimit: { recordsPerSecondMax: 1, policy: 'delay' } });
    await engine.register(stuck);
    await handedIn(stuck.pushAll([1, 2, 3, 4]));
    await clock.advance(1);
    const gone = engine.deregister('stuck', { deadlineMs: 60_000 });
    for (const verb of ['deregister', 'pause', 'resume'] as const) {
      expect(await codeOf(engine[verb]('stuck'))).toBe('HG_SOURCE_STOPPED');
    }
    expect(await codeOf(engine.register(pushSource({ id: 'stuck' })))).toBe('HG_SOURCE_DUPLICATE');
    await engine.deregister('stuck', { mode: 'now' });
    await gone;
  });
  expect(refusals.map(([, code]) => code)).toEqual([
    ...Array.from({ length: 3 }, () => 'HG_SOURCE_STOPPED'),
    'HG_SOURCE_DUPLICATE',
  ]);
});

describe('a spec that is none', () => {
  const made = simulatedSource({ id: 'made', intervalMs: 10 });
  const cases: [title: string, spec: unknown, code: string, says: string][] = [
    ['nothing', undefined, 'HG_OPTION_INVALID', 'make one with a factory'],
    ['null', null, 'HG_OPTION_INVALID', 'make one with a factory'],
    ['a text', 'plc-7', 'HG_OPTION_INVALID', 'make one with a factory'],
    ['options without a factory', { id: 'a', intervalMs: 10 }, 'HG_SOURCE_NO_STREAM', 'no stream() method'],
    [
      'logic without a stream',
      { ...made, logic: {} },
      'HG_SOURCE_NO_STREAM',
      '"made": its logic has no stream()',
    ],
    ['a stream that is no function', { ...made, logic: { stream: 7 } }, 'HG_SOURCE_NO_STREAM', 'stream()'],
    ['half a spec', { id: 'a', logic: made.logic }, 'HG_OPTION_INVALID', '"a" is no source'],
    ['an id with a slash', { ...made, id: 'a/b' }, 'HG_OPTION_INVALID', 'option "id"'],
    ['an id with a number sign', { ...made, id: 'a#1' }, 'HG_OPTION_INVALID', 'option "id"'],
    ['the name of a part', { ...made, id: 'registry' }, 'HG_OPTION_INVALID', 'option "id"'],
    ['a tenant that is no name', { ...made, tenant: '../x' }, 'HG_OPTION_INVALID', 'option "tenant"'],
    [
      'an outlet of no size',
      { ...made, outlet: { ...made.outlet, capacityRecords: 0 } },
      'HG_OPTION_INVALID',
      '"outlet.capacityRecords"',
    ],
    [
      'a misspelled policy',
      { ...made, restart: { ...made.restart, polcy: 'permanent' } },
      'HG_OPTION_UNKNOWN',
      'did you mean "policy"?',
    ],
    [
      'a deadline that is a text',
      { ...made, drainDeadlineMs: '5' },
      'HG_OPTION_INVALID',
      '"drainDeadlineMs"',
    ],
    ['a kind without a name', { ...made, type: '' }, 'HG_OPTION_INVALID', 'option "type"'],
    ['a decoder that is none', { ...made, decode: 'json' }, 'HG_OPTION_INVALID', 'option "decode"'],
    [
      'a field that throws',
      Object.defineProperty({ ...made }, 'outlet', { get: () => raise('trap') }),
      'HG_OPTION_INVALID',
      'trap',
    ],
  ];
  for (const [title, spec, code, says] of cases) {
    test(`is refused with a row: ${title}`, async () => {
      const { refusals } = await beside(async ({ engine }) => {
        const outcome = { name: 'HeadgateError', code, message: expect.stringContaining(says) as string };
        await expect(engine.register(spec as never)).rejects.toMatchObject(outcome);
        engine.send({ type: 'registry.register', spec: spec as never });
      });
      expect(refusals).toEqual(Array.from({ length: 2 }, () => ['registry.register.refused', code]));
    });
  }

  test('is refused before the start as well', async () => {
    const { engine } = engineRig();
    expect(await codeOf(engine.register({ ...made, id: 'a b' }))).toBe('HG_OPTION_INVALID');
  });

  test('cannot be changed after it was accepted', async () => {
    const mine = { ...made, outlet: { ...made.outlet } };
    const rig = await startedRig({}, mine);
    (mine as { id: string }).id = 'other';
    await rig.clock.advance(25);
    expect(rig.engine.health().map(({ sourceId, recordsProduced }) => [sourceId, recordsProduced])).toEqual([
      ['made', 2],
    ]);
  });
});

function raise(message: string): never {
  throw new Error(message);
}

describe('a message that is no command', () => {
  const unknown: [title: string, message: unknown, event: string][] = [
    ['nothing', undefined, '.refused'],
    ['null', null, '.refused'],
    ['a number', 7, '.refused'],
    ['a list', [], '.refused'],
    ['no type', {}, '.refused'],
    ['an unknown type', { type: 'registry.dance' }, 'registry.dance.refused'],
    [
      'a type that is an object without a text',
      { type: Object.create(null) },
      'an error that cannot be printed.refused',
    ],
    ['a symbol', { type: Symbol('x') }, 'Symbol(x).refused'],
    ['a trap', new Proxy({}, { get: () => raise('trap') }), 'unreadable.refused'],
    ['a type of a million letters', { type: 'x'.repeat(1_000_000) }, `${'x'.repeat(100)}.refused`],
    ['the name of a method of every object', { type: 'constructor' }, 'constructor.refused'],
  ];
  for (const [title, message, event] of unknown) {
    test(`is refused with a row: ${title}`, async () => {
      const { refusals } = await beside(({ engine }) => engine.send(message as Command));
      expect(refusals).toEqual([[event, 'HG_OPTION_INVALID']]);
    });
  }

  const malformed: [title: string, message: object, code: string][] = [
    ['no id', { type: 'registry.pause' }, 'HG_OPTION_INVALID'],
    ['an id that is a number', { type: 'source.stop', id: 7 }, 'HG_OPTION_INVALID'],
    ['a mode that is none', { type: 'registry.deregister', id: 'well', mode: 'later' }, 'HG_OPTION_INVALID'],
    ['a deadline in the past', { type: 'source.drain', id: 'well', deadlineMs: -1 }, 'HG_OPTION_INVALID'],
    [
      'a deadline that is no number',
      { type: 'source.drain', id: 'well', deadlineMs: Number.NaN },
      'HG_OPTION_INVALID',
    ],
    ['a misspelled deadline', { type: 'source.drain', id: 'well', deadlineMS: 1 }, 'HG_OPTION_UNKNOWN'],
    ['no spec', { type: 'registry.register' }, 'HG_OPTION_INVALID'],
    [
      'what a register does not take',
      { type: 'registry.register', spec: well(), mode: 'now' },
      'HG_OPTION_UNKNOWN',
    ],
  ];
  for (const [title, message, code] of malformed) {
    test(`is refused with a row: ${title}`, async () => {
      const { refusals } = await beside(({ engine }) => engine.send(message as Command));
      expect(refusals.map(([, found]) => found)).toEqual([code]);
    });
  }

  test('names the command that was meant', async () => {
    const { timeline } = await beside(({ engine }) => engine.send({ type: 'registry.regster' } as never));
    expect(timeline("event = 'registry.regster.refused'")[0]?.data?.['message']).toBe(
      'unknown command "registry.regster"; did you mean "registry.register"?',
    );
  });

  test('is told to the log where there is no timeline yet', () => {
    const { engine, complaints } = engineRig();
    engine.send({ type: 'registry.dance' } as never);
    expect(complaints()).toEqual([expect.stringContaining('unknown command "registry.dance"')]);
  });
});

describe('options of the engine', () => {
  const check = (options: object, code: string, field: string, says: string) => {
    const error = thrownBy(() => createEngine(options));
    expect(error).toMatchObject({ code, details: { field } });
    expect(error.message).toContain(says);
  };
  const burst = { thresholdRecords: 30, windowMs: 500 };

  test('that are misspelled name the right one', () => {
    check({ timelien: {} }, 'HG_OPTION_UNKNOWN', 'timelien', 'did you mean "timeline"?');
    check({ timeline: { pth: 'x' } }, 'HG_OPTION_UNKNOWN', 'timeline.pth', 'did you mean "path"?');
    check({ burst: { ...burst, onburst: null } }, 'HG_OPTION_UNKNOWN', 'burst.onburst', '"onBurst"?');
  });
  test('that are wrong name their field', () => {
    check({ timeline: { path: '' } }, 'HG_OPTION_INVALID', 'timeline.path', 'timeline.path');
    check({ timeline: { path: 7 } }, 'HG_OPTION_INVALID', 'timeline.path', 'timeline.path');
    check(
      { rateLimit: { recordsPerSecondMax: 0 } },
      'HG_OPTION_INVALID',
      'rateLimit.recordsPerSecondMax',
      '',
    );
    check({ burst: { ...burst, clearRecords: 31 } }, 'HG_OPTION_INVALID', 'burst.clearRecords', 'above');
    check({ burst: { ...burst, onBurst: 'log' } }, 'HG_OPTION_INVALID', 'burst.onBurst', 'a function');
    check({ health: { intervalMs: 1 } }, 'HG_OPTION_INVALID', 'health.intervalMs', 'health.intervalMs');
    check({ stages: [() => true] }, 'HG_OPTION_INVALID', 'stages.0', 'must be made by filter()');
    check({ clock: {} }, 'HG_OPTION_INVALID', 'clock', 'monotonicMs');
    check({ logger: { info() {} } }, 'HG_OPTION_INVALID', 'logger', 'warn');
  });
  test('that are none at all are told so', () => {
    expect(thrownBy(() => createEngine(7 as never)).code).toBe('HG_OPTION_INVALID');
  });
  test('are not changed by the engine', () => {
    const mine = { burst: { ...burst }, rateLimit: { recordsPerSecondMax: 5 } };
    createEngine(mine);
    expect(mine).toEqual({ burst, rateLimit: { recordsPerSecondMax: 5 } });
    expect(Object.isFrozen(mine.burst)).toBe(false);
  });

  function thrownBy(act: () => unknown): HeadgateError {
    try {
      act();
    } catch (error) {
      if (error instanceof HeadgateError) return error;
    }
    throw new Error('no HeadgateError was thrown');
  }
});

describe('times that are none', () => {
  const NOT_TIMES = [-1, Number.NaN, Number.POSITIVE_INFINITY, '5', null];

  test('are refused by stop() and run(), and the engine runs on', async () => {
    await beside(async ({ engine }) => {
      for (const ms of NOT_TIMES) {
        expect(await codeOf(engine.stop({ deadlineMs: ms as number }))).toBe('HG_OPTION_INVALID');
        expect(await codeOf(engine.run({ durationMs: ms as number }))).toBe('HG_OPTION_INVALID');
      }
    });
  });
  test('are refused by deregister(), as are modes and misspelled options', async () => {
    await beside(async ({ engine }) => {
      for (const ms of NOT_TIMES) {
        expect(await codeOf(engine.deregister('well', { deadlineMs: ms as number }))).toBe(
          'HG_OPTION_INVALID',
        );
      }
      expect(await codeOf(engine.deregister('well', { mode: 'later' as never }))).toBe('HG_OPTION_INVALID');
      expect(await codeOf(engine.deregister('well', { mod: 'now' } as never))).toBe('HG_OPTION_UNKNOWN');
    });
  });
  test('are no capacity for a consumer', async () => {
    await beside(({ engine }) => {
      for (const capacityRecords of [0, -1, 1.5, Number.NaN, '7' as never]) {
        expect(() => engine.consume({ capacityRecords })).toThrow('must be a whole number from 1 up');
      }
    });
  });
});

test('a refused call says which command was refused, and of whom', async () => {
  const rig = await startedRig({}, simulatedSource({ id: 'plc-7', intervalMs: 100 }));
  const again = await rig.engine
    .register(simulatedSource({ id: 'plc-7', intervalMs: 100 }))
    .catch((error) => error as unknown);
  expect(again).toMatchObject({
    code: 'HG_SOURCE_DUPLICATE',
    details: { command: 'registry.register', id: 'plc-7', tenant: 'default' },
  });
  const unknown = await rig.engine.deregister('nobody').catch((error) => error as unknown);
  expect(unknown).toMatchObject({
    code: 'HG_SOURCE_UNKNOWN',
    details: { command: 'registry.deregister', id: 'nobody' },
  });
});
