import { describe, expect, test, vi } from 'vitest';
import { createActor, fromCallback, transition, type AnyEventObject } from 'xstate';
import { sourceMachine, type SourceContext } from '../../machines/source-machine.ts';
import type { RestartOptions } from '../../src/domain/source.ts';
import { COMMAND, FACT, SOURCE_EVENTS, sourceInput } from './source-events.ts';
import { stateName } from './walk.ts';

const LIVE = new Set(['connecting', 'streaming', 'degraded']);

/** A source in `state`, as it would be after whatever `context` says. */
function sourceIn(state: string, context: Partial<SourceContext> = {}) {
  const { context: initial } = createActor(sourceMachine, { input: sourceInput() }).getSnapshot();
  const value = LIVE.has(state) ? { live: state } : state;
  return sourceMachine.resolveState({ value, context: { ...initial, ...context } });
}

/** `event` in `state` leads to `expected`: a state, or a state and what the machine remembers there. */
function check(
  from: string,
  context: Partial<SourceContext>,
  event: AnyEventObject,
  expected: string,
  remembers: Partial<SourceContext> = {},
): void {
  const [next] = transition(sourceMachine, sourceIn(from, context), event as never);
  expect([stateName(next.value), next.status]).toEqual([expected, isEnd(expected) ? 'done' : 'active']);
  expect(next.context).toMatchObject(remembers);
}

const isEnd = (state: string) => state === 'stopped' || state === 'failed';

const restart = (options: Partial<RestartOptions>) => ({ restart: sourceInput(options).restart });

/** Where each event leads, state by state. What is not named changes nothing. */
const FROM_LIVE = {
  'source.pause': 'paused',
  'source.drain': 'draining',
  'source.stop': 'draining',
  'link.ended': 'draining',
  'reads.exhausted': 'circuitOpen',
  'link.failed retry': 'backingOff',
  'link.failed undefined': 'backingOff',
  'link.failed stop': 'failed',
};
const FROM_REST = { 'source.pause': 'paused', 'source.drain': 'draining', 'source.stop': 'draining' };
const NEXT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  connecting: { ...FROM_LIVE, 'link.opened': 'streaming' },
  streaming: { ...FROM_LIVE, 'reads.failing': 'degraded' },
  degraded: { ...FROM_LIVE, 'reads.recovered': 'streaming' },
  backingOff: { ...FROM_REST, 'wait.over': 'connecting', 'port.failed': 'quarantined' },
  circuitOpen: {
    ...FROM_REST,
    'wait.over': 'connecting',
    'source.resume': 'connecting',
    'port.failed': 'quarantined',
  },
  paused: { ...FROM_REST, 'source.resume': 'connecting' },
  quarantined: { ...FROM_REST, 'source.resume': 'connecting' },
  draining: { 'drain.finished': 'stopped', 'port.failed': 'failed' },
};

const nameOf = (event: AnyEventObject) =>
  event.type === 'link.failed' ? `link.failed ${String(event['remedy'])}` : event.type;

describe('a source that is', () => {
  for (const [state, next] of Object.entries(NEXT)) {
    for (const event of SOURCE_EVENTS) {
      const expected = next[nameOf(event)] ?? state;
      test(`${state}, told ${nameOf(event)}, is ${expected} then`, () => check(state, {}, event, expected));
    }
  }

  for (const end of ['stopped', 'failed']) {
    test(`${end} hears nothing any more`, () => {
      const actor = createActor(sourceMachine, { input: sourceInput(), snapshot: sourceIn(end) }).start();
      const warnings = vi.spyOn(console, 'warn').mockImplementation(() => {});
      for (const event of SOURCE_EVENTS) actor.send(event);
      warnings.mockRestore();
      expect(actor.getSnapshot()).toMatchObject({ value: end, status: 'done' });
    });
  }
});

describe('waits after a lost link', () => {
  const wait = (context: Partial<SourceContext>, event: AnyEventObject, waitMs: number) =>
    check('connecting', context, event, 'backingOff', { waitMs });

  test('the first time as the policy says', () => wait({}, FACT.lost(), 100));
  test('longer each time', () => wait({ failures: 1 }, FACT.lost(), 200));
  test('as long after a crash as after a lost link', () => wait({ failures: 1 }, FACT.crashed(), 200));
  test('never longer than the policy allows', () =>
    wait({ failures: 9, breaker: { failures: 99, coolDownMs: 1 } }, FACT.lost(), 1_000));
  test('as the first time after a link that stood ten seconds', () =>
    wait({ failures: 2, openedMonoMs: 1_000 }, FACT.lost(11_000), 100));
  test('longer after a link that stood less', () =>
    wait({ failures: 1, openedMonoMs: 1_000 }, FACT.lost(10_999), 200));
  test('by chance where the policy has jitter', () => {
    const backoff = { ...sourceInput().restart.backoff, jitter: 'full' as const };
    wait(restart({ backoff }), FACT.lost(), 50);
  });
});

describe('the circuit', () => {
  test('opens at the third failure in a row where three are allowed', () =>
    check('connecting', { failures: 2 }, FACT.lost(), 'circuitOpen', { waitMs: 7_000, failures: 3 }));
  test('stays closed before', () => check('connecting', { failures: 1 }, FACT.lost(), 'backingOff'));
  test('does not count failures before a link that stood', () =>
    check('streaming', { failures: 2, openedMonoMs: 0 }, FACT.lost(10_000), 'backingOff', { failures: 1 }));
  test('is no matter of crashes, which have a budget', () =>
    check('streaming', { failures: 2 }, FACT.crashed(), 'backingOff'));
  test('opens for the cool-down when reads are exhausted', () =>
    check('degraded', { openedMonoMs: 5 }, FACT.exhausted, 'circuitOpen', {
      waitMs: 7_000,
      openedMonoMs: null,
    }));
});

describe('the restart budget', () => {
  const crashes = (...crashesMonoMs: number[]) => ({ crashesMonoMs });

  test('allows five crashes within thirty seconds', () =>
    check('streaming', crashes(1, 2, 3, 4), FACT.crashed(5), 'backingOff', crashes(1, 2, 3, 4, 5)));
  test('quarantines at the sixth', () =>
    check('streaming', crashes(1, 2, 3, 4, 5), FACT.crashed(6), 'quarantined'));
  test('quarantines at the sixth a moment before the window has passed', () =>
    check('streaming', crashes(1, 2, 3, 4, 5), FACT.crashed(30_000), 'quarantined'));
  test('forgets what fell out of the window', () =>
    check(
      'streaming',
      crashes(1, 2, 3, 4, 5),
      FACT.crashed(30_001),
      'backingOff',
      crashes(2, 3, 4, 5, 30_001),
    ));
  test('is not touched by lost links, however many', () =>
    check('streaming', crashes(1, 2, 3, 4, 5), FACT.lost(6), 'backingOff', crashes(1, 2, 3, 4, 5)));
  test('of none quarantines at the first crash', () =>
    check('streaming', restart({ restartsMax: 0 }), FACT.crashed(), 'quarantined'));
  test('is whole again after a resume from quarantine', () =>
    check('quarantined', { ...crashes(1, 2, 3, 4, 5, 6), failures: 6 }, COMMAND.resume, 'connecting', {
      crashesMonoMs: [],
      failures: 0,
    }));
});

describe('the restart policy', () => {
  test('temporary: a crash ends the source', () =>
    check('streaming', restart({ policy: 'temporary' }), FACT.crashed(), 'failed'));
  test('temporary: a lost link does not', () =>
    check('streaming', restart({ policy: 'temporary' }), FACT.lost(), 'backingOff'));
  test('transient: a normal end is the end', () =>
    check('streaming', {}, FACT.ended(), 'draining', { deadlineMs: 5_000 }));
  test('permanent: a normal end is followed by another run, after the first wait', () =>
    check('streaming', { ...restart({ policy: 'permanent' }), failures: 4 }, FACT.ended(), 'backingOff', {
      waitMs: 100,
    }));
  test('no policy helps where the remedy is to stop', () => {
    for (const policy of ['permanent', 'transient', 'temporary'] as const) {
      check('streaming', restart({ policy }), FACT.hopeless(), 'failed');
    }
  });
});

describe('a drain', () => {
  test('has the deadline of the source', () =>
    check('streaming', {}, COMMAND.drain, 'draining', { deadlineMs: 5_000 }));
  test('has the deadline of the command if that names one', () =>
    check('streaming', {}, COMMAND.drainWithin, 'draining', { deadlineMs: 40 }));
  test('is over at once when a stop comes', () =>
    check('draining', { deadlineMs: 5_000 }, COMMAND.stop, 'draining', { deadlineMs: 0 }));
  test('is not prolonged by another drain', () =>
    check('draining', { deadlineMs: 0 }, COMMAND.drain, 'draining', { deadlineMs: 0 }));
  test('that was forced is told', () => check('draining', {}, FACT.forced, 'stopped', { forced: true }));
  test('that went well is told', () => check('draining', {}, FACT.drained, 'stopped', { forced: false }));
});

describe('the ports of a source', () => {
  /** A source whose ports note when they start and stop. */
  function running() {
    const notes: string[] = [];
    const port = (name: string) =>
      fromCallback<AnyEventObject, never>(({ input }) => {
        notes.push(`${name} ${JSON.stringify(input)}`);
        return () => void notes.push(`${name} over`);
      });
    const actors = { run: port('run'), wait: port('wait'), drain: port('drain') };
    const actor = createActor(sourceMachine.provide({ actors: actors as never }), { input: sourceInput() });
    return { actor: actor.start(), notes };
  }

  test('run in the states they belong to, one at a time', () => {
    const { actor, notes } = running();
    for (const event of [FACT.opened(), FACT.lost(), FACT.waited, COMMAND.pause]) actor.send(event);
    for (const event of [COMMAND.resume, COMMAND.drain, COMMAND.stop, FACT.forced]) actor.send(event);
    expect(notes).toEqual([
      'run {"runtime":{}}',
      'run over',
      'wait {"delayMs":100,"runtime":{},"state":"backingOff","failures":1}',
      'wait over',
      'run {"runtime":{}}',
      'run over',
      'run {"runtime":{}}',
      'run over',
      'drain {"runtime":{},"deadlineMs":5000}',
      'drain over',
      'drain {"runtime":{},"deadlineMs":0}',
      'drain over',
    ]);
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: { forced: true } });
  });

  test('are not started anew by what only changes the state within a link', () => {
    const { actor, notes } = running();
    for (const event of [FACT.opened(), FACT.failing, FACT.recovered]) actor.send(event);
    expect(notes).toEqual(['run {"runtime":{}}']);
  });

  test('that were never provided quarantine the source and harm nobody else', () => {
    const actor = createActor(sourceMachine, { input: sourceInput() }).start();
    expect(actor.getSnapshot()).toMatchObject({ value: 'quarantined', status: 'active' });
  });
});
