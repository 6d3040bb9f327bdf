/** The statechart of a sink: where every event leads from every state, and what is remembered of failures. */

import { describe, expect, test } from 'vitest';
import { createActor, fromCallback, transition, type AnyEventObject } from 'xstate';
import { sinkMachine, type SinkContext } from '../../machines/sink-machine.ts';
import { SINK_COMMAND, SINK_EVENTS, SINK_FACT, SINK_WALK, sinkInput } from './sink-events.ts';
import { stateName, walk } from './walk.ts';

const VALUES: Readonly<Record<string, unknown>> = {
  connecting: { live: 'connecting' },
  delivering: { live: 'delivering' },
  drainingLog: { live: 'draining' },
  ending: { ending: 'draining' },
};

function sinkIn(state: string, context: Partial<SinkContext> = {}) {
  const { context: initial, children } = createActor(sinkMachine, { input: sinkInput() }).getSnapshot();
  const value = (VALUES[state] ?? state) as never;
  const resolved = sinkMachine.resolveState({ value, context: { ...initial, ...context } });
  // The run is there wherever the sink lives.
  return Object.assign(resolved, { children });
}

const named = (value: unknown) =>
  Object.entries(VALUES).find(([, one]) => JSON.stringify(one) === JSON.stringify(value))?.[0] ??
  stateName(value);

function check(
  from: string,
  context: Partial<SinkContext>,
  event: AnyEventObject,
  expected: string,
  remembers: Partial<SinkContext> = {},
): void {
  const [next] = transition(sinkMachine, sinkIn(from, context), event as never);
  expect(named(next.value)).toBe(expected);
  expect(next.context).toMatchObject(remembers);
}

/** Where each event leads, state by state. What is not named changes nothing. */
const LIVE = {
  'sink.pause': 'paused',
  'sink.drain': 'drainingLog',
  'sink.stop': 'ending',
  'link.failed retry': 'backingOff',
  'link.failed undefined': 'backingOff',
  'link.failed stop': 'failed',
  'port.failed': 'quarantined',
};
const REST = { 'sink.pause': 'paused', 'sink.drain': 'drainingLog', 'sink.stop': 'ending' };
const NEXT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  connecting: { ...LIVE, 'link.opened': 'delivering' },
  delivering: LIVE,
  drainingLog: {
    ...{ 'sink.stop': 'ending', 'log.drained': 'ending', 'wait.over': 'ending', 'port.failed': 'failed' },
    ...{ 'link.failed retry': 'ending', 'link.failed undefined': 'ending' },
    'link.failed stop': 'failed',
  },
  backingOff: { ...REST, 'wait.over': 'connecting', 'port.failed': 'quarantined' },
  circuitOpen: {
    ...REST,
    ...{ 'wait.over': 'connecting', 'sink.resume': 'connecting', 'port.failed': 'quarantined' },
  },
  paused: { ...REST, 'sink.resume': 'connecting', 'sink.drain': 'ending' },
  quarantined: { ...REST, 'sink.resume': 'connecting', 'sink.drain': 'ending' },
  ending: { 'drain.finished': 'stopped', 'port.failed': 'failed' },
};

const wordOf = (event: AnyEventObject) =>
  event.type === 'link.failed' ? `link.failed ${String(event['remedy'])}` : event.type;

for (const [state, next] of Object.entries(NEXT)) {
  test(`${state}: every event leads where it should`, () => {
    for (const event of SINK_EVENTS) check(state, {}, event, next[wordOf(event)] ?? state);
  });
}

describe('failures', () => {
  test('are waited out, longer each time', () => {
    check('delivering', {}, SINK_FACT.lost(), 'backingOff', { failures: 1, waitMs: 100 });
    check('connecting', { failures: 1 }, SINK_FACT.lost(), 'backingOff', { failures: 2, waitMs: 200 });
  });
  test('a defect of the code counts as the link’s trouble does', () =>
    check('delivering', { failures: 1 }, SINK_FACT.crashed(), 'backingOff', { failures: 2, waitMs: 200 }));
  test('open the circuit when the breaker is due, for the cool-down', () =>
    check('delivering', { failures: 2 }, SINK_FACT.crashed(), 'circuitOpen', { failures: 3, waitMs: 7_000 }));
  test('go on counting after the cool-down: one more opens it again', () =>
    check('connecting', { failures: 3 }, SINK_FACT.lost(), 'circuitOpen', { failures: 4 }));
  test('the far end’s wish to be left alone is the least that is waited', () => {
    check('delivering', {}, SINK_FACT.lost(0, 60_000), 'backingOff', { waitMs: 60_000 });
    check('delivering', {}, SINK_FACT.lost(0, 10), 'backingOff', { waitMs: 100 });
    check('delivering', { failures: 2 }, SINK_FACT.lost(0, 60_000), 'circuitOpen', { waitMs: 60_000 });
    check('delivering', { failures: 2 }, SINK_FACT.lost(0, 10), 'circuitOpen', { waitMs: 7_000 });
  });
  test('a good delivery forgives them', () =>
    check('delivering', { failures: 2 }, SINK_FACT.recovered(), 'delivering', { failures: 0 }));
  test('a link that stood while a batch was not taken forgives nothing', () =>
    check('delivering', { failures: 2, openedMonoMs: 5_000 }, SINK_FACT.undelivered(65_000), 'circuitOpen', {
      failures: 3,
    }));
  test('a link that stood for 10 s forgives them, one that stood for less does not', () => {
    const context = { failures: 2, openedMonoMs: 5_000 };
    check('delivering', context, SINK_FACT.lost(15_000), 'backingOff', { failures: 1 });
    check('delivering', context, SINK_FACT.lost(14_999), 'circuitOpen', { failures: 3 });
  });
});

describe('deadlines', () => {
  test('of a drain are the sink’s own unless the command names one', () => {
    check('delivering', {}, SINK_COMMAND.drain, 'drainingLog', { deadlineMs: 5_000, isDraining: true });
    check('delivering', {}, SINK_COMMAND.drainWithin, 'drainingLog', { deadlineMs: 40 });
  });
  test('that come end what is under way at once', () =>
    check('drainingLog', { deadlineMs: 40 }, SINK_FACT.waited(), 'ending', { deadlineMs: 0, forced: true }));
  test('of a stop while it ends count anew', () =>
    check('ending', { deadlineMs: 5_000 }, SINK_COMMAND.stopNow, 'ending', { deadlineMs: 0 }));
});

test('a run is told to drain, whether it runs or is started for it', () => {
  for (const [path, inputs, orders] of [
    [[SINK_FACT.opened(), SINK_COMMAND.drain], [false], 1],
    [[SINK_FACT.lost(), SINK_COMMAND.drain], [false, true], 0],
  ] as const) {
    const seen: boolean[] = [];
    let told = 0;
    const run = fromCallback<AnyEventObject, { isDraining: boolean }>(({ input, receive }) => {
      seen.push(input.isDraining);
      receive(() => void told++);
    });
    const quiet = fromCallback(() => {});
    const machine = sinkMachine.provide({ actors: { run, wait: quiet, drain: quiet } as never });
    const actor = createActor(machine, { input: sinkInput() }).start();
    for (const event of path) actor.send(event);
    expect([seen, told, stateName(actor.getSnapshot().value)]).toEqual([inputs, orders, 'draining']);
  }
});

for (const command of ['sink.stop', 'sink.drain']) {
  test(`from every state, ${command} ends a sink, once its ports have reported`, () => {
    const quiet = fromCallback<AnyEventObject>(() => {});
    for (const { path, snapshot } of walk(SINK_WALK)) {
      const machine = sinkMachine.provide({ actors: { run: quiet, wait: quiet, drain: quiet } as never });
      const actor = createActor(machine, { input: sinkInput() }).start();
      for (const event of path) actor.send(event as never);
      expect(actor.getSnapshot().value, JSON.stringify(path)).toEqual(snapshot.value);
      if (snapshot.status !== 'active') continue;
      actor.send({ type: command } as never);
      actor.send(SINK_FACT.logEnd());
      actor.send(SINK_FACT.ended());
      expect(actor.getSnapshot()).toMatchObject({ value: 'stopped', status: 'done' });
    }
  });
}
