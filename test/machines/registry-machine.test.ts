import { describe, expect, test } from 'vitest';
import { createActor, setup, type AnyEventObject } from 'xstate';
import { registryMachine, type Directory, type RegistryCommand } from '../../machines/registry-machine.ts';
import type { RegistryEntry } from '../../machines/support/command-rejection.ts';
import { simulatedSource } from '../../actors/sources/simulated-source.ts';
import type { ErrorFacts } from '../../src/domain/errors.ts';
import { sourceInput } from './source-events.ts';

/** A registry whose shard notes what it is told, and whose directory is a list. */
function registry({ shards = 1 } = {}) {
  const told: string[] = [];
  const notes: string[] = [];
  const answers: string[] = [];
  const escalated: string[] = [];
  const listed = new Map<string, string>();
  const successors = new Map<string, ReturnType<typeof simulatedSource>>();
  let admitted = 0;
  const idOf = (command: RegistryCommand) =>
    'spec' in command ? command.spec.id : 'id' in command ? command.id : '';
  const directory: Directory = {
    refusal(command) {
      const isKnown = listed.has(idOf(command));
      if (command.type === 'registry.register') return isKnown ? fact('HG_SOURCE_DUPLICATE') : null;
      return isKnown || !('id' in command || 'spec' in command) ? null : fact('HG_SOURCE_UNKNOWN');
    },
    admit(spec) {
      admitted++;
      const actorId = `${spec.id}#${admitted}`;
      const placement = { childId: actorId, actorId, shardId: `shard-${((admitted - 1) % shards) + 1}` };
      listed.set(spec.id, placement.childId);
      return { ...placement, input: sourceInput(), opensShard: admitted <= shards };
    },
    locate(command) {
      const childId = listed.get(idOf(command)) as string;
      return {
        childId,
        actorId: childId,
        shardId: `shard-${((Number(childId.split('#')[1]) - 1) % shards) + 1}`,
      };
    },
    retire({ childId }, _command, successor) {
      if (successor !== null) successors.set(childId, successor);
    },
    release(childId) {
      listed.delete(childId.split('#')[0] as string);
      return successors.get(childId) ?? null;
    },
    get size() {
      return listed.size;
    },
    get shardIds() {
      return Array.from({ length: Math.min(admitted, shards) }, (_, index) => `shard-${index + 1}`);
    },
    answer: (command, outcome) => void answers.push(`${command.type} ${outcome?.code ?? 'done'}`),
    note: (_event: object, { kind, event, actorId }: RegistryEntry) =>
      void notes.push([kind, event, actorId].filter((part) => part !== null).join(' ')),
  };
  const shard = setup({ actions: { note: ({ self, event }) => void told.push(tell(self.id, event)) } });
  const machine = registryMachine.provide({
    actors: { shard: shard.createMachine({ on: { '*': { actions: 'note' } } }) as never },
  });
  const parent = setup({ actors: { registry: machine } }).createMachine({
    invoke: { id: 'registry', src: 'registry', input: { directory }, onDone: '.over' },
    initial: 'up',
    states: { up: {}, over: { type: 'final' } },
    on: { 'registry.escalated': { actions: ({ event }) => void escalated.push(event['error'].code) } },
  });
  const actor = createActor(parent).start();
  const send = (event: AnyEventObject) =>
    actor.getSnapshot().children['registry']?.send(event as RegistryCommand);
  const state = () => {
    const open = actor.getSnapshot().children['registry']?.getSnapshot() as { value: string } | undefined;
    return actor.getSnapshot().status === 'done' ? 'closed' : open?.value;
  };
  return { send, state, told, notes, answers, escalated };
}

function tell(shardId: string, { type, childId, command, input: _input }: AnyEventObject): string {
  const words = [shardId, type, childId, (command as AnyEventObject | undefined)?.type];
  const deadlineMs = (command as AnyEventObject | undefined)?.['deadlineMs'];
  return [...words, deadlineMs].filter((word) => word !== undefined).join(' ');
}

const fact = (code: string): ErrorFacts => ({ code, message: 'for the test' });
const spec = (id: string) => simulatedSource({ id, intervalMs: 1 });
const register = (id: string) => ({ type: 'registry.register', spec: spec(id) });

describe('an open registry', () => {
  test('enters a source, opens a shard, hands it over, answers', () => {
    const { send, told, notes, answers } = registry();
    send(register('a'));
    expect([told, notes, answers]).toEqual([
      ['shard-1 shard.start a#1'],
      ['registered registry.register a#1'],
      ['registry.register done'],
    ]);
  });

  /** After `a` was registered, `command` makes the registry tell its shard `told` and answer `answer`. */
  const check = (command: AnyEventObject, told: string[], notes: string[], answer: string | null) => {
    const made = registry();
    made.send(register('a'));
    for (const list of [made.told, made.notes, made.answers]) list.length = 0;
    made.send(command);
    expect([made.told, made.notes, made.answers]).toEqual([told, notes, answer === null ? [] : [answer]]);
    expect(made.state()).toBe('open');
  };
  const refused = (type: string) => [`command ${type}.refused`];

  test('passes a pause on', () =>
    check(
      { type: 'registry.pause', id: 'a' },
      ['shard-1 shard.forward a#1 source.pause'],
      [],
      'registry.pause done',
    ));
  test('passes a resume on', () =>
    check(
      { type: 'registry.resume', id: 'a' },
      ['shard-1 shard.forward a#1 source.resume'],
      [],
      'registry.resume done',
    ));
  test('drains what is deregistered, and answers when it has ended', () =>
    check(
      { type: 'registry.deregister', id: 'a', mode: 'drain', deadlineMs: 70 },
      ['shard-1 shard.forward a#1 source.drain 70'],
      ['deregistered registry.deregister a#1'],
      null,
    ));
  test('leaves the deadline to the source where none is named', () =>
    check(
      { type: 'registry.deregister', id: 'a', mode: 'drain' },
      ['shard-1 shard.forward a#1 source.drain'],
      ['deregistered registry.deregister a#1'],
      null,
    ));
  test('stops what is to go now', () =>
    check(
      { type: 'registry.deregister', id: 'a', mode: 'now' },
      ['shard-1 shard.forward a#1 source.stop'],
      ['deregistered registry.deregister a#1'],
      null,
    ));
  test('drains what is updated', () =>
    check(
      { type: 'registry.update', spec: spec('a') },
      ['shard-1 shard.forward a#1 source.drain'],
      [],
      null,
    ));
  test('answers who asks for the list', () => check({ type: 'registry.list' }, [], [], 'registry.list done'));
  test('refuses an id that is taken', () =>
    check(register('a'), [], refused('registry.register'), 'registry.register HG_SOURCE_DUPLICATE'));
  for (const type of ['registry.pause', 'registry.resume', 'registry.deregister']) {
    test(`refuses ${type} of an id nobody has`, () =>
      check({ type, id: 'b', mode: 'drain' }, [], refused(type), `${type} HG_SOURCE_UNKNOWN`));
    test(`refuses ${type} that came with a problem`, () =>
      check(
        { type, id: 'a', problem: fact('HG_OPTION_INVALID') },
        [],
        refused(type),
        `${type} HG_OPTION_INVALID`,
      ));
  }
  test('refuses to update an id nobody has', () =>
    check(
      { type: 'registry.update', spec: spec('b') },
      [],
      refused('registry.update'),
      'registry.update HG_SOURCE_UNKNOWN',
    ));
  test('ignores what it does not know', () => check({ type: 'registry.dance' }, [], [], null));

  test('lets the successor in when the one before it has ended', () => {
    const { send, told, notes } = registry();
    for (const event of [register('a'), { type: 'registry.update', spec: spec('a') }]) send(event);
    send({ type: 'shard.released', childId: 'a#1', forced: false });
    expect(told.at(-1)).toBe('shard-1 shard.start a#2');
    expect(notes.at(-1)).toBe('registered shard.released a#2');
  });

  test('takes out a source whose statechart broke', () => {
    const { send, answers } = registry();
    send(register('a'));
    send({ type: 'shard.failed', childId: 'a#1', error: new Error('x') });
    send(register('a'));
    expect(answers).toEqual(['registry.register done', 'registry.register done']);
  });

  test('hands an escalation on', () => {
    const { send, escalated } = registry();
    send({ type: 'shard.escalated', error: fact('HG_TEST') });
    expect(escalated).toEqual(['HG_TEST']);
  });
});

describe('a registry that closes', () => {
  test('is closed at once where nobody is registered', () => {
    const { send, state } = registry();
    send({ type: 'registry.close', deadlineMs: 9 });
    expect(state()).toBe('closed');
  });

  test('tells the shards in reverse, and is closed when the last source has ended', () => {
    const { send, state, told } = registry({ shards: 3 });
    for (const id of ['a', 'b', 'c', 'd']) send(register(id));
    told.length = 0;
    send({ type: 'registry.close', deadlineMs: 9 });
    expect(told).toEqual([3, 2, 1].map((shard) => `shard-${shard} shard.broadcast source.drain 9`));
    for (const childId of ['a#1', 'c#3', 'b#2']) send({ type: 'shard.released', childId, forced: false });
    expect(state()).toBe('closing');
    send({ type: 'shard.failed', childId: 'd#4', error: new Error('x') });
    expect(state()).toBe('closed');
  });

  test('refuses every command but the question for the list', () => {
    const { send, answers, notes } = registry();
    send(register('a'));
    for (const list of [answers, notes]) list.length = 0;
    send({ type: 'registry.close', deadlineMs: 9 });
    const types = ['register', 'update', 'deregister', 'pause', 'resume'].map((verb) => `registry.${verb}`);
    for (const type of types) send({ type, id: 'a', mode: 'drain' });
    send({ type: 'registry.list' });
    expect(notes).toEqual(types.map((type) => `command ${type}.refused`));
    expect(answers).toEqual([...types.map((type) => `${type} HG_ENGINE_STATE`), 'registry.list done']);
  });

  test('lets no successor in', () => {
    const { send, state, told } = registry();
    for (const event of [register('a'), { type: 'registry.update', spec: spec('a') }]) send(event);
    send({ type: 'registry.close', deadlineMs: 9 });
    send({ type: 'shard.released', childId: 'a#1', forced: false });
    expect(told.filter((line) => line.includes('shard.start'))).toHaveLength(1);
    expect(state()).toBe('closed');
  });
});
