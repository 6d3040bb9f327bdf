/** The machines of the engine and its parts: what they start, whom they tell, how they end. */

import { describe, expect, test } from 'vitest';
import {
  createActor,
  fromCallback,
  setup,
  transition,
  type AnyEventObject,
  type AnyStateMachine,
} from 'xstate';
import { sourceShardMachine, type ShardCommand } from '../../machines/source-shard-machine.ts';
import { burstDetectorMachine } from '../../machines/burst-detector-machine.ts';
import { isRecordedCommand } from '../../machines/support/commands.ts';
import { engineMachine } from '../../machines/engine-machine.ts';
import { healthMonitorMachine } from '../../machines/health-monitor-machine.ts';
import { janitorMachine } from '../../machines/janitor-machine.ts';
import { pipelineMachine } from '../../machines/pipeline-machine.ts';
import { partFailure } from '../../machines/support/ports.ts';
import { rateLimiterMachine } from '../../machines/rate-limiter-machine.ts';
import { recorderMachine } from '../../machines/recorder-machine.ts';
import type { Directory } from '../../machines/registry-machine.ts';
import { sinkMachine } from '../../machines/sink-machine.ts';
import { sinksMachine, type SinkRegister } from '../../machines/sinks-machine.ts';
import { sourceMachine } from '../../machines/source-machine.ts';
import { COMMAND, ERROR, FACT, sourceInput } from './source-events.ts';

const quiet = fromCallback<AnyEventObject>(() => {});

/** A parent that notes what its one child tells it. */
function childOf(machine: AnyStateMachine, input?: unknown) {
  const heard: AnyEventObject[] = [];
  const parent = setup({ actors: { child: machine } }).createMachine({
    invoke: { id: 'child', src: 'child', input: input as never, onDone: {}, onError: {} },
    on: { '*': { actions: ({ event }) => void heard.push(event) } },
  });
  const actor = createActor(parent).start();
  const child = actor.getSnapshot().children['child'];
  return { heard, send: (event: AnyEventObject) => child?.send(event), child };
}

describe('a part', () => {
  const PARTS: [name: string, machine: AnyStateMachine, port: string, edges: Record<string, string>][] = [
    [
      'recorder',
      recorderMachine,
      'committer',
      { 'commit.failed': 'stalled', 'commit.recovered': 'recording' },
    ],
    ['rate limiter', rateLimiterMachine, 'gate', { 'limit.hit': 'limiting', 'limit.cleared': 'open' }],
    ['burst detector', burstDetectorMachine, 'meter', { 'burst.began': 'bursting', 'bursts.over': 'quiet' }],
    [
      'health monitor',
      healthMonitorMachine,
      'sampler',
      { 'sources.ailing': 'ailing', 'sources.well': 'well' },
    ],
    ['janitor', janitorMachine, 'retention', { 'cleaning.began': 'cleaning', 'cleaning.ended': 'idle' }],
    ['pipeline', pipelineMachine, 'stages', { 'flow.blocked': 'blocked', 'flow.moved': 'flowing' }],
  ];
  for (const [name, machine, port, edges] of PARTS) {
    const provided = machine.provide({ actors: { [port]: quiet } });

    test(`follows the edges its port reports: ${name}`, () => {
      const actor = createActor(provided).start();
      const initial = actor.getSnapshot().value as string;
      const follow = (type: string) => {
        actor.send({ type });
        return actor.getSnapshot().value;
      };
      for (const [edge, state] of Object.entries(edges)) expect(follow(edge)).toBe(state);
      expect(actor.getSnapshot().value).toBe(initial);
      const [there, back] = Object.keys(edges) as [string, string];
      expect([follow(back), follow(there), follow(there), follow(back), follow(back)]).toEqual(
        [back, there, there, back, back].map((edge) => edges[edge]),
      );
    });

    test(`tells the engine that its port failed, and stays: ${name}`, () => {
      const { heard, send, child } = childOf(provided);
      send({ type: 'part.failed', error: ERROR });
      expect(heard).toEqual([{ type: 'part.failed', error: ERROR }]);
      expect(child?.getSnapshot()).toMatchObject({ status: 'active' });
    });

    test(`tells the engine that its port is missing: ${name}`, () => {
      expect(childOf(machine).heard).toMatchObject([
        {
          type: 'part.failed',
          error: { code: 'HG_ENGINE_ESCALATED', message: expect.stringContaining(`"${port}"`) },
        },
      ]);
    });
  }

  test('that fails with an error of its own keeps that error', () => {
    expect(partFailure({ type: 'x', error: ERROR })).toEqual({ type: 'part.failed', error: ERROR });
    for (const error of [undefined, null, 'gone', new Error('gone')]) {
      expect(partFailure({ type: 'x', error }).error.code).toBe('HG_ENGINE_ESCALATED');
    }
  });
});

describe('a pipeline that drains', () => {
  test('tells its stages, and ends with what they lost', () => {
    const told: AnyEventObject[] = [];
    const stages = fromCallback<AnyEventObject>(({ receive }) => receive((event) => void told.push(event)));
    const actor = createActor(pipelineMachine.provide({ actors: { stages: stages as never } })).start();
    actor.send({ type: 'pipeline.drain', deadlineMs: 70 });
    actor.send({ type: 'pipeline.drain', deadlineMs: 9 });
    expect(told).toEqual([{ type: 'pipeline.drain', deadlineMs: 70 }]);
    actor.send({ type: 'flow.drained', lostRecords: 4 });
    expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: { lostRecords: 4 } });
  });
});

describe('a shard', () => {
  /** A shard of sources whose drains finish when told. */
  function shard() {
    const told: string[] = [];
    const port = fromCallback<AnyEventObject>(({ self }) => {
      const source = (self as unknown as { _parent: { id: string } })._parent.id;
      return () => void told.push(source);
    });
    const actors = { run: port, wait: quiet, drain: quiet };
    const source = sourceMachine.provide({ actors: actors as never });
    const { heard, send, child } = childOf(sourceShardMachine.provide({ actors: { source } }));
    const tell = (command: ShardCommand) => send(command);
    const children = () => (child?.getSnapshot() as { children: object } | undefined)?.children ?? {};
    const reach = (childId: string) => (children() as Record<string, { send(event: object): void }>)[childId];
    return { heard, tell, told, names: () => Object.keys(children()), reach };
  }
  const admit = (childId: string, input = sourceInput()): ShardCommand => ({
    type: 'shard.start',
    childId,
    input,
  });

  test('starts what it admits, and lets go of what has ended', () => {
    const { heard, tell, names, reach } = shard();
    for (const childId of ['a#1', 'b#2']) tell(admit(childId));
    expect(names()).toEqual(['a#1', 'b#2']);
    tell({ type: 'shard.forward', childId: 'a#1', command: COMMAND.drain });
    reach('a#1')?.send(FACT.forced);
    expect(names()).toEqual(['b#2']);
    expect(heard).toEqual([{ type: 'shard.released', childId: 'a#1', forced: true }]);
  });

  test('tells all of its sources in reverse', () => {
    const { tell, told } = shard();
    for (const childId of ['a#1', 'b#2', 'c#3']) tell(admit(childId));
    tell({ type: 'shard.broadcast', command: COMMAND.drain });
    expect(told).toEqual(['c#3', 'b#2', 'a#1']);
  });

  test('has nobody to tell where the source has ended', () => {
    const { tell, heard } = shard();
    tell({ type: 'shard.forward', childId: 'nobody#9', command: COMMAND.drain });
    expect(heard).toEqual([]);
  });

  test('lets go of a source whose statechart breaks, and keeps its neighbours', () => {
    const { heard, tell, names, reach } = shard();
    tell(admit('a#1', { ...sourceInput(), restart: null as never }));
    tell(admit('b#2'));
    reach('a#1')?.send(FACT.lost());
    expect(names()).toEqual(['b#2']);
    expect(heard).toMatchObject([{ type: 'shard.failed', childId: 'a#1' }]);
  });

  test('passes on that an essential source gave up', () => {
    const { heard, tell, reach } = shard();
    tell(admit('a#1', sourceInput({ restartsMax: 0, exhausted: 'escalate' })));
    reach('a#1')?.send(FACT.crashed());
    expect(heard).toEqual([
      { type: 'shard.escalated', error: ERROR },
      { type: 'shard.released', childId: 'a#1', forced: false },
    ]);
  });
});

describe('an engine', () => {
  /** An engine whose parts note what they are told and end when they are made to. */
  function engine() {
    const log: string[] = [];
    const part = (name: string) =>
      setup({
        actions: { note: ({ event }) => void log.push(`${name} ${describeEvent(event)}`) },
      }).createMachine({
        entry: () => void log.push(`${name} up`),
        on: { end: '.over', '*': { actions: 'note' } },
        initial: 'up',
        states: {
          up: {},
          over: { type: 'final', output: ({ event }) => event['output'] },
        },
        output: ({ event }) => (event as AnyEventObject)['output'],
      });
    const names = ['recorder', 'sinks', 'pipeline', 'rateLimiter', 'burstDetector', 'healthMonitor'];
    names.push('janitor', 'registry');
    const actors = Object.fromEntries(names.map((name) => [name, part(name)]));
    const actor = createActor(engineMachine.provide({ actors: actors }), {
      input: { directory: {} as Directory, sinks: {} as SinkRegister },
    }).start();
    const child = (name: string) => actor.getSnapshot().children[name as 'registry'];
    return { actor, log, child };
  }
  const describeEvent = ({ type, ...rest }: AnyEventObject) => `${type} ${JSON.stringify(rest)}`;

  test('starts its parts in order, once it is told to', () => {
    const { actor, log } = engine();
    expect(log).toEqual([]);
    actor.send({ type: 'engine.start' });
    expect(log).toEqual([
      ...['recorder up', 'sinks up', 'pipeline up', 'rateLimiter up', 'burstDetector up'],
      ...['healthMonitor up', 'janitor up', 'registry up'],
    ]);
  });

  test('stops by draining the registry first, then the pipeline, then the sinks', () => {
    const { actor, log, child } = engine();
    actor.send({ type: 'engine.start' });
    log.length = 0;
    actor.send({ type: 'engine.stop', deadlineMs: 70 });
    actor.send({ type: 'engine.stop', deadlineMs: 1 });
    expect(log).toEqual(['pipeline engine.draining {}', 'registry registry.close {"deadlineMs":70}']);
    child('registry')?.send({ type: 'end' } as never);
    expect(log.at(-1)).toBe('pipeline pipeline.drain {"deadlineMs":70}');
    child('pipeline')?.send({ type: 'end', output: { lostRecords: 3 } } as never);
    expect(log.at(-1)).toBe('sinks sinks.close {"deadlineMs":70}');
    child('sinks')?.send({ type: 'end' } as never);
    expect(actor.getSnapshot()).toMatchObject({
      value: 'stopped',
      status: 'done',
      output: { lostRecords: 3, error: null },
    });
  });

  test('drains after an escalation and ends as failed', () => {
    const { actor, child } = engine();
    actor.send({ type: 'engine.start' });
    actor.send({ type: 'registry.escalated', error: ERROR });
    expect(actor.getSnapshot().value).toEqual({ up: 'draining' });
    child('registry')?.send({ type: 'end' } as never);
    child('pipeline')?.send({ type: 'end', output: { lostRecords: 0 } } as never);
    child('sinks')?.send({ type: 'end' } as never);
    expect(actor.getSnapshot()).toMatchObject({ value: 'failed', output: { error: ERROR } });
  });

  for (const state of ['running', 'draining']) {
    test(`fails at once when a part fails while it is ${state}`, () => {
      const { actor } = engine();
      actor.send({ type: 'engine.start' });
      if (state === 'draining') actor.send({ type: 'engine.stop', deadlineMs: 70 });
      actor.send({ type: 'part.failed', error: ERROR });
      expect(actor.getSnapshot()).toMatchObject({ value: 'failed', output: { error: ERROR } });
    });
  }

  test('that was never started stops without having done anything', () => {
    const { actor, log } = engine();
    actor.send({ type: 'engine.stop', deadlineMs: 70 });
    expect([actor.getSnapshot().value, log]).toEqual(['stopped', []]);
  });
});

test('every command of every machine has a row, but the question for the list', () => {
  const machines: AnyStateMachine[] = [engineMachine, pipelineMachine, sourceMachine];
  machines.push(sinkMachine, sinksMachine, rateLimiterMachine, burstDetectorMachine);
  const handled = machines.flatMap((machine) => machine.events);
  const commands = handled.filter((type) =>
    /^(?:burstDetector|engine|pipeline|rateLimiter|registry|sinks?|source)\.(?:\w+)$/.test(type),
  );
  const imperative = commands.filter((type) => !/(?:ed|ing|list)$/.test(type));
  expect(imperative).toHaveLength(20);
  for (const type of imperative) expect([type, isRecordedCommand(type)]).toEqual([type, true]);
  for (const type of ['registry.list', 'sinks.list', 'link.opened', 'toString', '']) {
    expect([type, isRecordedCommand(type)]).toEqual([type, false]);
  }
});

test('a transition changes the snapshot it makes and never the one it was made from', () => {
  const [first] = [createActor(sourceMachine, { input: sourceInput() }).getSnapshot()];
  const before = JSON.stringify(first.context);
  const [next] = transition(sourceMachine, first, FACT.crashed(5));
  expect(next.context.crashesMonoMs).toEqual([5]);
  expect(JSON.stringify(first.context)).toBe(before);
});
