import mqtt, { type IClientPublishOptions, type MqttClient } from 'mqtt';
import { describe, expect, onTestFinished, test } from 'vitest';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { StoredToken } from '../../src/http/http-deps.ts';
import {
  createControlTopic,
  type ControlTopic,
  type ControlTopicOptions,
} from '../../src/gateway/control-topic.ts';
import { digestOf } from '../../src/http/token-text.ts';
import { createEngine, type Engine } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { smallGateway } from '../http/small-gateway.ts';
import { mosquittoMissing, startAedes, startMosquitto, type TestBroker } from '../support/mqtt-brokers.ts';
import { until } from '../http/ingest/rig.ts';
import { query, temporaryFile } from '../storage/fixture.ts';

interface Answer {
  readonly type: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly correlationId?: unknown;
  readonly [field: string]: unknown;
}

interface Row {
  readonly seq: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Desk {
  readonly engine: Engine;
  readonly broker: TestBroker;
  readonly topic: ControlTopic;
  /** Waits until the timeline has so many rows about commands; gives them in order. */
  readonly notes: (count: number) => Promise<Row[]>;
  readonly file: string;
  readonly client: MqttClient;
  /** What came, by topic. */
  readonly came: { topic: string; answer: Answer; correlation: string | undefined }[];
  /** Publishes a command and waits for the next answer. */
  readonly ask: (message: unknown, options?: IClientPublishOptions) => Promise<Answer>;
}

interface DeskOptions {
  readonly start?: () => Promise<TestBroker>;
  readonly options?: Partial<ControlTopicOptions>;
  readonly tokens?: readonly StoredToken[];
  readonly protocolVersion?: 4 | 5;
}

async function desk({
  start = startAedes,
  options = {},
  tokens = [],
  protocolVersion = 4,
}: DeskOptions = {}): Promise<Desk> {
  const broker = await start();
  onTestFinished(() => broker.dispose());
  const file = temporaryFile();
  const engine = createEngine({ logger: SILENT_LOGGER, timeline: { path: file } });
  await engine.start();
  onTestFinished(async () => void (await engine.stop()));
  const topic = createControlTopic(
    { url: broker.url, topic: 'gw/control', replyTopic: 'gw/reply', qos: 1, protocolVersion, ...options },
    {
      gateway: smallGateway(engine, 0),
      tokens: () => tokens,
      failedLoginsPerMinuteMax: 1_000,
      clock: realClock,
      log: SILENT_LOGGER,
    },
  );
  topic.start();
  onTestFinished(() => topic.stop());
  const client = await mqtt.connectAsync(broker.url, { protocolVersion, reconnectPeriod: 100 });
  onTestFinished(() => client.endAsync(true));
  const came: Desk['came'] = [];
  client.on('message', (name, payload, { properties }) => {
    const answer = JSON.parse(payload.toString()) as Answer;
    came.push({ topic: name, answer, correlation: properties?.correlationData?.toString() });
  });
  await client.subscribeAsync(['gw/reply', 'my/answers'], { qos: 1 });
  await until(() => topic.state === 'connected', 'it listens');
  return {
    ...{ engine, broker, topic, client, came, file },
    async notes(count) {
      const sql = "SELECT seq, event, data FROM timeline WHERE event LIKE 'config.command%' ORDER BY seq";
      await until(() => query(file, sql).length >= count, 'the rows are there');
      return query(file, sql).map(
        (row) => ({ ...row, data: JSON.parse(row['data'] as string) as object }) as Row,
      );
    },
    async ask(message, publishing = {}) {
      const before = came.length;
      const payload =
        Buffer.isBuffer(message) || typeof message === 'string' ? message : JSON.stringify(message);
      await client.publishAsync('gw/control', payload, { qos: 1, ...publishing });
      await until(() => came.length > before, 'it is answered');
      return came[before]?.answer as Answer;
    },
  };
}

const PUSH = { type: 'push' };

describe('commands over MQTT', () => {
  test('register, list, pause, resume, update and deregister a source', async () => {
    const { ask, engine } = await desk();
    const registered = await ask({ type: 'registry.register', id: 'plc-9', entry: PUSH, correlationId: 7 });
    expect(registered).toMatchObject({ type: 'registry.register', ok: true, id: 'plc-9', correlationId: 7 });
    expect(await ask({ type: 'registry.list' })).toMatchObject({
      ok: true,
      sources: [{ id: 'plc-9', type: 'push' }],
    });
    expect(await ask({ type: 'registry.pause', id: 'plc-9' })).toMatchObject({ ok: true });
    await until(() => engine.health('plc-9').state === 'paused', 'it is paused');
    expect(await ask({ type: 'registry.resume', id: 'plc-9' })).toMatchObject({ ok: true });
    await until(() => engine.health('plc-9').state === 'streaming', 'it streams');
    expect(await ask({ type: 'registry.update', id: 'plc-9', entry: PUSH })).toMatchObject({ ok: true });
    expect(await ask({ type: 'registry.deregister', id: 'plc-9', mode: 'now' })).toMatchObject({ ok: true });
    expect(engine.activeSources()).toEqual([]);
  });

  test('do the same to a sink', async () => {
    const { ask, engine } = await desk();
    const entry = { type: 'nowhere' };
    expect(await ask({ type: 'sinks.register', id: 'out', entry })).toMatchObject({ ok: true, id: 'out' });
    expect(await ask({ type: 'sinks.list' })).toMatchObject({ ok: true, sinks: [{ id: 'out' }] });
    expect(await ask({ type: 'sinks.pause', id: 'out' })).toMatchObject({ ok: true });
    expect(await ask({ type: 'sinks.resume', id: 'out' })).toMatchObject({ ok: true });
    expect(await ask({ type: 'sinks.update', id: 'out', entry })).toMatchObject({ ok: true });
    expect(await ask({ type: 'sinks.deregister', id: 'out', deadlineMs: 0 })).toMatchObject({ ok: true });
    expect(engine.sinks().filter(({ state }) => state !== 'stopped')).toEqual([]);
  });

  test('are carried out in the order in which they came', async () => {
    const { client, came, engine } = await desk();
    for (let round = 0; round < 20; round++) {
      for (const type of ['registry.register', 'registry.pause', 'registry.resume', 'registry.deregister']) {
        const entry = type === 'registry.register' ? { entry: PUSH } : {};
        client.publish('gw/control', JSON.stringify({ type, id: `plc-${round}`, ...entry }), { qos: 1 });
      }
    }
    await until(() => came.length === 80, 'all are answered');
    expect(came.filter(({ answer }) => !answer.ok)).toEqual([]);
    expect(engine.activeSources()).toEqual([]);
  });

  test('leave a row each, which is the cause of what they do, and one where they are refused', async () => {
    const { ask, notes, file } = await desk();
    await ask({ type: 'registry.register', id: 'plc-9', entry: PUSH });
    await ask({ type: 'registry.register', id: 'plc-9', entry: PUSH });
    const rows = await notes(3);
    expect(rows).toMatchObject([
      {
        event: 'config.command',
        data: { type: 'registry.register', id: 'plc-9', topic: 'gw/control', by: 'anonymous' },
      },
      { event: 'config.command' },
      { event: 'config.commandRefused', data: { id: 'plc-9', code: 'HG_SOURCE_DUPLICATE' } },
    ]);
    const caused = query(file, "SELECT cause FROM timeline WHERE event = 'registry.register' ORDER BY seq");
    const causes = caused.map(({ cause }) => cause);
    expect(causes).toEqual(expect.arrayContaining([rows[0]?.seq, rows[1]?.seq]));
  });
});

describe('where the answer goes', () => {
  test.skipIf(mosquittoMissing !== null)(
    'under MQTT 5 to the response topic, with the correlation data',
    async () => {
      const { ask, came } = await desk({ start: startMosquitto, protocolVersion: 5 });
      const properties = { responseTopic: 'my/answers', correlationData: Buffer.from('abc') };
      expect(await ask({ type: 'registry.list' }, { properties })).toMatchObject({ ok: true });
      expect(came).toMatchObject([{ topic: 'my/answers', correlation: 'abc' }]);
    },
  );

  test('to the topic the message names; else to the one of the configuration', async () => {
    const { ask, came } = await desk();
    await ask({ type: 'registry.list', replyTo: 'my/answers' });
    await ask({ type: 'registry.list' });
    expect(came.map(({ topic }) => topic)).toEqual(['my/answers', 'gw/reply']);
  });

  test('never to a topic of commands, nor to one of the broker: the gateway would answer itself', async () => {
    const { ask, came, topic } = await desk();
    await ask({ type: 'registry.list', replyTo: 'gw/control' });
    await ask({ type: 'registry.list', replyTo: '$SYS/x' });
    await ask({ type: 'registry.list', replyTo: 'a/#' });
    expect(came.map((one) => one.topic)).toEqual(['gw/reply', 'gw/reply', 'gw/reply']);
    expect(topic.counts).toEqual({ answered: 3, refused: 0 });
  });
});

describe('what is no command is answered with an error:', () => {
  const deep = `{"type":${'['.repeat(100)}${']'.repeat(100)}}`;
  const cases: [title: string, message: unknown, code: string, words: RegExp][] = [
    ['no JSON', 'hello', 'HG_DECODE_FAILED', /not valid JSON/],
    ['no UTF-8', Buffer.from([0xff]), 'HG_DECODE_FAILED', /UTF-8/],
    ['a list', [1], 'HG_OPTION_INVALID', /object/],
    ['too deep', deep, 'HG_OPTION_INVALID', /deeper/],
    ['too large', { type: 'x'.repeat(LIMITS.controlMessageBytesMax) }, 'HG_OPTION_INVALID', /bytes/],
    ['no type', {}, 'HG_OPTION_INVALID', /unknown command ""/],
    [
      'a misspelled type',
      { type: 'registry.pauze', id: 'a' },
      'HG_OPTION_INVALID',
      /did you mean "registry.pause"/,
    ],
    ['a misspelled field', { type: 'registry.pause', idd: 'a' }, 'HG_OPTION_UNKNOWN', /did you mean "id"/],
    ['no entry', { type: 'registry.register', id: 'a' }, 'HG_OPTION_INVALID', /entry/],
    ['a name objects have', { type: '__proto__' }, 'HG_OPTION_INVALID', /unknown command/],
    ['a source that is not there', { type: 'registry.pause', id: 'a' }, 'HG_SOURCE_UNKNOWN', /"a"/],
  ];
  for (const [title, message, code, words] of cases) {
    test(title, async () => {
      const { ask, notes } = await desk();
      const answer = await ask(message);
      expect(answer).toMatchObject({ ok: false, code });
      expect(answer.message).toMatch(words);
      expect((await notes(1)).at(-1)).toMatchObject({ event: 'config.commandRefused', data: { code } });
    });
  }

  test('a retained one, which would come again with every connection', async () => {
    const broker = await startAedes();
    const early = await mqtt.connectAsync(broker.url);
    await early.publishAsync('gw/control', '{"type":"registry.list"}', { retain: true, qos: 1 });
    await early.endAsync();
    const { topic, notes } = await desk({ start: () => Promise.resolve(broker) });
    await until(() => topic.counts.refused === 1, 'it is refused');
    expect((await notes(1))[0]?.data['message']).toContain('retain');
  });
});

describe('where tokens are configured', () => {
  const token = (name: string, scopes: StoredToken['scopes']): StoredToken => ({
    ...{ name, scopes, expiresAtMs: null, sources: null },
    hash: `sha256:${digestOf(name).toString('hex')}`,
  });
  const tokens = [token('reader', ['read']), token('operator', ['operate']), token('boss', ['admin'])];
  const list = { type: 'registry.list' };
  const pause = { type: 'registry.pause', id: 'plc-9' };
  const register = { type: 'registry.register', id: 'plc-9', entry: PUSH };

  test('a message needs one whose scopes allow it, and no answer and no row shows it', async () => {
    const { ask, notes, came } = await desk({ tokens });
    expect(await ask(list)).toMatchObject({ ok: false, code: 'HG_HTTP_UNAUTHORISED' });
    expect(await ask({ ...list, token: 'wrong' })).toMatchObject({ ok: false, code: 'HG_HTTP_UNAUTHORISED' });
    expect(await ask({ ...list, token: 'reader' })).toMatchObject({ ok: true });
    expect(await ask({ ...pause, token: 'reader' })).toMatchObject({ ok: false, code: 'HG_HTTP_FORBIDDEN' });
    expect(await ask({ ...register, token: 'operator' })).toMatchObject({
      ok: false,
      code: 'HG_HTTP_FORBIDDEN',
    });
    expect(await ask({ ...register, token: 'boss' })).toMatchObject({ ok: true });
    expect(await ask({ ...pause, token: 'operator' })).toMatchObject({ ok: true });
    const rows = await notes(7);
    expect(rows.at(-1)?.data).toMatchObject({ by: 'operator' });
    const shown = JSON.stringify([came, rows.map(({ data }) => ({ ...data, by: '' }))]);
    expect(shown.replaceAll(/the token \\"\w+\\" lacks/g, '')).not.toMatch(/"(?:wrong|boss|operator)"/);
  });
});

describe('the connection', () => {
  test('is made anew after the broker was away', async () => {
    const { ask, broker, topic, client } = await desk();
    await broker.kill();
    await until(() => topic.state !== 'connected', 'it is noticed');
    await until(() => topic.lastError !== null, 'it is told');
    await broker.restart();
    await until(() => topic.state === 'connected' && client.connected, 'both are back');
    await client.subscribeAsync('gw/reply', { qos: 1 });
    expect(await ask({ type: 'registry.list' })).toMatchObject({ ok: true });
  });

  test('ends at a stop while there is no broker', async () => {
    const { broker, topic } = await desk();
    await broker.kill();
    await until(() => topic.state === 'backingOff', 'it waits');
    await topic.stop();
    expect(topic.state).toBe('stopped');
  });

  test('with a name of its own has one for its answers, too', async () => {
    const { ask } = await desk({ options: { clientId: 'gateway-7' } });
    expect(await ask({ type: 'registry.list' })).toMatchObject({ ok: true });
    expect(await ask({ type: 'registry.list' })).toMatchObject({ ok: true });
  });

  test.each([
    ['topic', { topic: 'a/#/b' }],
    ['replyTopic', { replyTopic: 'a/+' }],
    ['replyTopic', { topic: 'gw/#', replyTopic: 'gw/reply' }],
    ['url', { url: 'http://127.0.0.1' }],
  ])('is refused with a bad %s', (field, bad) => {
    const make = () =>
      createControlTopic(
        { url: 'mqtt://127.0.0.1', topic: 'gw/control', replyTopic: 'gw/reply', qos: 1, ...bad },
        {
          gateway: null as never,
          tokens: () => [],
          failedLoginsPerMinuteMax: 1,
          clock: realClock,
          log: SILENT_LOGGER,
        },
      );
    expect(make).toThrow(
      expect.objectContaining({
        code: 'HG_OPTION_INVALID',
        details: expect.objectContaining({ field }) as unknown,
      }),
    );
  });
});
