/** Every machine, walked through every state it can be in: whatever it was told, it can be ended; no state is
 *  a trap; nothing unknown disturbs it. The rule about traps catches one that is planted. */

import { describe, expect, test } from 'vitest';
import { createActor, fromCallback, setup, transition, type AnyEventObject } from 'xstate';
import { sourceShardMachine } from '../../machines/source-shard-machine.ts';
import { burstDetectorMachine } from '../../machines/burst-detector-machine.ts';
import { engineMachine } from '../../machines/engine-machine.ts';
import { healthMonitorMachine } from '../../machines/health-monitor-machine.ts';
import { janitorMachine } from '../../machines/janitor-machine.ts';
import { pipelineMachine } from '../../machines/pipeline-machine.ts';
import { rateLimiterMachine } from '../../machines/rate-limiter-machine.ts';
import { recorderMachine } from '../../machines/recorder-machine.ts';
import { registryMachine, type Directory } from '../../machines/registry-machine.ts';
import { sinksMachine, type SinkRegister } from '../../machines/sinks-machine.ts';
import { sourceMachine } from '../../machines/source-machine.ts';
import { SINK_WALK, sinkInput } from './sink-events.ts';
import { ERROR, SOURCE_EVENTS, sourceInput } from './source-events.ts';
import { deadEnds, runningPorts, stateName, walk, type Walk } from './walk.ts';

/** A directory of so many sources, none of which ever ends. */
function directoryOf(size: number): Directory {
  return {
    refusal: () => ERROR,
    admit: () => ({
      childId: 'a#1',
      actorId: 'a#1',
      shardId: 'shard-1',
      input: sourceInput(),
      opensShard: false,
    }),
    locate: () => ({ childId: 'a#1', actorId: 'a#1', shardId: 'shard-1' }),
    retire() {},
    release: () => null,
    size,
    shardIds: [],
    answer() {},
    note() {},
  };
}

/** A register of so many sinks, none of which ever ends. */
function sinkRegisterOf(size: number): SinkRegister {
  return {
    refusal: () => ERROR,
    isLeftover: () => false,
    admit: () => ({ childId: 'sink-1', actorId: 'sink:a#1', input: sinkInput() }),
    locate: () => ({ childId: 'sink-1', actorId: 'sink:a#1' }),
    retire() {},
    release: () => null,
    forget() {},
    size,
    running: [],
    answer() {},
    note() {},
  };
}

const events = (...types: string[]): AnyEventObject[] => types.map((type) => ({ type, error: ERROR }));
const REGISTRY_COMMANDS = ['register', 'update', 'deregister', 'pause', 'resume', 'list'].map(
  (verb) => `registry.${verb}`,
);
const SINKS_COMMANDS = REGISTRY_COMMANDS.map((type) => type.replace('registry', 'sinks'));

/** What every machine hears, what its ports promise, and the states it can be in. A part that never ends by
 *  itself ends with the engine; its states are left by what its port reports. */
const WALKS: Readonly<Record<string, Walk & { readonly states: readonly string[] }>> = {
  source: {
    machine: sourceMachine,
    input: sourceInput({ restartsMax: 2 }),
    events: SOURCE_EVENTS,
    digest: ({ failures, crashesMonoMs, openedMonoMs }) => [
      Math.min(failures as number, 3),
      Math.min((crashesMonoMs as number[]).length, 3),
      openedMonoMs,
    ],
    promises: {
      run: ['link.opened', 'link.failed', 'link.ended', 'reads.exhausted'],
      wait: ['wait.over'],
      drain: ['drain.finished'],
    },
    commands: ['source.pause', 'source.resume', 'source.drain', 'source.stop'],
    states: [
      ...['connecting', 'streaming', 'degraded', 'backingOff', 'circuitOpen', 'paused', 'draining'],
      ...['stopped', 'quarantined', 'failed'],
    ],
  },
  sink: SINK_WALK,
  'sinks with one': {
    machine: sinksMachine,
    input: { register: sinkRegisterOf(1) },
    events: events(...SINKS_COMMANDS, 'sinks.close'),
    promises: {},
    commands: [...SINKS_COMMANDS, 'sinks.close'],
    states: ['open', 'closing'],
  },
  'sinks without any': {
    machine: sinksMachine,
    input: { register: sinkRegisterOf(0) },
    events: events(...SINKS_COMMANDS, 'sinks.close'),
    promises: {},
    commands: [...SINKS_COMMANDS, 'sinks.close'],
    states: ['open', 'closed'],
  },
  engine: {
    machine: engineMachine,
    input: { directory: directoryOf(0), sinks: sinkRegisterOf(0) },
    events: [
      ...events('engine.start', 'part.failed', 'registry.escalated'),
      { type: 'engine.stop', deadlineMs: 9 },
      { type: 'xstate.done.actor.pipeline', output: { lostRecords: 2 } },
      { type: 'xstate.done.actor.registry' },
      { type: 'xstate.done.actor.sinks' },
      ...[
        ...['recorder', 'sinks', 'pipeline', 'rateLimiter', 'burstDetector', 'healthMonitor', 'janitor'],
        'registry',
      ].map((id) => ({
        type: `xstate.error.actor.${id}`,
        error: new Error('for the test'),
      })),
    ],
    digest: ({ error }) => error !== null,
    promises: {
      pipeline: ['xstate.done.actor.pipeline'],
      registry: ['xstate.done.actor.registry'],
      sinks: ['xstate.done.actor.sinks'],
    },
    commands: ['engine.start', 'engine.stop'],
    states: ['booting', 'running', 'draining', 'stopped', 'failed'],
  },
  'registry with sources': {
    machine: registryMachine,
    input: { directory: directoryOf(1) },
    events: events(...REGISTRY_COMMANDS, 'registry.close', 'shard.released', 'shard.failed'),
    promises: {},
    commands: [...REGISTRY_COMMANDS, 'registry.close'],
    states: ['open', 'closing'],
  },
  'registry without sources': {
    machine: registryMachine,
    input: { directory: directoryOf(0) },
    events: events(...REGISTRY_COMMANDS, 'registry.close', 'shard.released', 'shard.failed'),
    promises: {},
    commands: [...REGISTRY_COMMANDS, 'registry.close'],
    states: ['open', 'closed'],
  },
  pipeline: {
    machine: pipelineMachine,
    events: [
      ...events('flow.blocked', 'flow.moved'),
      { type: 'flow.drained', lostRecords: 3 },
      { type: 'pipeline.drain', deadlineMs: 9 },
      { type: 'pipeline.configure', stageNames: ['filter'], deadlineMs: 9 },
      ...events('flow.switched', 'flow.kept', 'engine.draining'),
    ],
    promises: { stages: ['flow.blocked', 'flow.moved', 'flow.drained', 'flow.switched', 'flow.kept'] },
    commands: ['pipeline.drain', 'pipeline.configure'],
    states: ['flowing', 'blocked', 'switching', 'draining', 'drained'],
  },
  recorder: {
    machine: recorderMachine,
    events: events('commit.failed', 'commit.recovered'),
    promises: { committer: ['commit.failed', 'commit.recovered'] },
    commands: [],
    states: ['recording', 'stalled'],
  },
  rateLimiter: {
    machine: rateLimiterMachine,
    events: [...events('limit.hit', 'limit.cleared'), { type: 'rateLimiter.configure', rateLimit: null }],
    promises: { gate: ['limit.hit', 'limit.cleared'] },
    commands: ['rateLimiter.configure'],
    states: ['open', 'limiting'],
  },
  burstDetector: {
    machine: burstDetectorMachine,
    events: [...events('burst.began', 'bursts.over'), { type: 'burstDetector.configure', burst: null }],
    promises: { meter: ['burst.began', 'bursts.over'] },
    commands: ['burstDetector.configure'],
    states: ['quiet', 'bursting'],
  },
  healthMonitor: {
    machine: healthMonitorMachine,
    events: events('sources.ailing', 'sources.well'),
    promises: { sampler: ['sources.ailing', 'sources.well'] },
    commands: [],
    states: ['well', 'ailing'],
  },
  janitor: {
    machine: janitorMachine,
    events: events('cleaning.began', 'cleaning.ended'),
    promises: { retention: ['cleaning.began', 'cleaning.ended'] },
    commands: [],
    states: ['idle', 'cleaning'],
  },
};

/** Closing waits for its shards: they, not a port, promise to release every source they were given. */
const WAITS_FOR_CHILDREN: Readonly<Record<string, readonly string[]>> = {
  'registry with sources': ['closing'],
  'sinks with one': ['closing'],
};

describe.each(Object.entries(WALKS))('the machine %s', (name, walked) => {
  const visits = walk(walked);

  test('has these states, and all of them can be reached', () => {
    expect([...new Set(visits.map(({ state }) => state))].toSorted()).toEqual([...walked.states].toSorted());
  });

  test('has no state without a way out', () => {
    expect(deadEnds(walked)).toEqual(WAITS_FOR_CHILDREN[name] ?? []);
  });

  test('stays where it is when it hears what it does not know', () => {
    for (const { snapshot, state } of visits) {
      for (const event of [{ type: 'no.such.event' }, { type: '' }]) {
        const [next] = transition(walked.machine, snapshot, event);
        expect([stateName(next.value), next.status]).toEqual([state, snapshot.status]);
      }
    }
  });

  test('runs ports in the states that wait for what they promise, and only there', () => {
    const known = Object.keys(walked.promises);
    const seen = new Set(visits.flatMap(({ snapshot }) => runningPorts(snapshot)));
    expect([...seen]).toEqual(expect.arrayContaining(known));
  });
});

test('the rule about ways out catches a state that is planted without one', () => {
  const silent = fromCallback(() => {});
  const machine = setup({ actors: { port: silent } }).createMachine({
    initial: 'well',
    states: {
      well: { on: { 'go.bad': 'trapped', 'go.wait': 'waiting' } },
      // Runs a port, but none of what that promises leads on.
      trapped: { invoke: { src: 'port' }, on: { 'go.bad': {}, 'never.promised': 'well' } },
      waiting: { invoke: { src: 'port' }, on: { 'port.done': 'over' } },
      over: { type: 'final' },
    },
  });
  const walked: Walk = {
    machine,
    events: events('go.bad', 'go.wait', 'never.promised', 'port.done'),
    promises: { port: ['port.done'] },
    commands: ['go.bad', 'go.wait'],
  };
  expect(
    walk(walked)
      .map(({ state }) => state)
      .toSorted(),
  ).toEqual(['over', 'trapped', 'waiting', 'well']);
  expect(deadEnds(walked)).toEqual(['trapped']);
});

describe('from every state', () => {
  /** Ports that report nothing unless a test makes them. */
  const quiet = fromCallback<AnyEventObject>(() => {});

  for (const command of ['source.stop', 'source.drain']) {
    test(`${command} ends a source, once its drain has reported`, () => {
      const walked = WALKS['source'] as Walk;
      for (const { path, snapshot } of walk(walked)) {
        const machine = sourceMachine.provide({
          actors: { run: quiet, wait: quiet, drain: quiet } as never,
        });
        const actor = createActor(machine, { input: walked.input as never }).start();
        for (const event of path) actor.send(event as never);
        expect(actor.getSnapshot().value, JSON.stringify(path)).toEqual(snapshot.value);
        if (snapshot.status !== 'active') continue;
        actor.send({ type: command } as never);
        actor.send({ type: 'drain.finished', forced: false, lostRecords: 0 });
        expect(actor.getSnapshot()).toMatchObject({ value: 'stopped', status: 'done' });
      }
    });
  }

  test('engine.stop ends an engine, once registry, pipeline and sinks have drained', () => {
    const walked = WALKS['engine'] as Walk;
    for (const { path, snapshot } of walk(walked)) {
      const part = setup({}).createMachine({
        on: { 'registry.close': {}, 'pipeline.drain': {}, 'sinks.close': {} },
      });
      const parts = [
        'recorder',
        'sinks',
        'pipeline',
        'rateLimiter',
        'burstDetector',
        'healthMonitor',
        'janitor',
        'registry',
      ];
      const actors = Object.fromEntries(parts.map((name) => [name, part]));
      const actor = createActor(engineMachine.provide({ actors: actors }), {
        input: walked.input as never,
      }).start();
      for (const event of path) actor.send(event as never);
      expect(actor.getSnapshot().value).toEqual(snapshot.value);
      if (snapshot.status !== 'active') continue;
      for (const event of [
        { type: 'engine.stop', deadlineMs: 9 },
        { type: 'xstate.done.actor.registry' },
        { type: 'xstate.done.actor.pipeline', output: { lostRecords: 0 } },
        { type: 'xstate.done.actor.sinks' },
      ]) {
        if (actor.getSnapshot().status === 'active') actor.send(event as never);
      }
      expect(actor.getSnapshot().status).toBe('done');
    }
  });

  test('pipeline.drain ends a pipeline, once its stages have reported', () => {
    const walked = WALKS['pipeline'] as Walk;
    for (const { path, snapshot } of walk(walked)) {
      const actor = createActor(pipelineMachine.provide({ actors: { stages: quiet as never } })).start();
      for (const event of path) actor.send(event as never);
      if (snapshot.status !== 'active') continue;
      actor.send({ type: 'pipeline.drain', deadlineMs: 9 });
      actor.send({ type: 'flow.drained', lostRecords: 3 });
      expect(actor.getSnapshot()).toMatchObject({ status: 'done', output: { lostRecords: 3 } });
    }
  });

  test('what is told to all ends every source of a shard', () => {
    const drain = fromCallback<AnyEventObject>(({ sendBack }) =>
      sendBack({ type: 'drain.finished', forced: false, lostRecords: 0 }),
    );
    for (const { path, snapshot } of walk(WALKS['source'] as Walk)) {
      if (snapshot.status !== 'active') continue;
      const source = sourceMachine.provide({ actors: { run: quiet, wait: quiet, drain } as never });
      const shard = createActor(sourceShardMachine.provide({ actors: { source } }), {
        parent: createActor(setup({}).createMachine({})).start(),
      }).start();
      shard.send({ type: 'shard.start', childId: 'a#1', input: sourceInput({ restartsMax: 2 }) });
      for (const command of path)
        shard.send({ type: 'shard.forward', childId: 'a#1', command: command as never });
      shard.send({ type: 'shard.broadcast', command: { type: 'source.drain' } });
      expect(Object.keys(shard.getSnapshot().children)).toEqual([]);
    }
  });
});
