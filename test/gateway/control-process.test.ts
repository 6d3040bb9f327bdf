/** The control topic as a fleet uses it: a whole gateway, a real broker, messages and their answers. */

import mqtt, { type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../chaos/rig/until.ts';
import { bytesUnder, startGateway, testToken, type GatewayProcess } from '../security/gateway-process.ts';
import { headgate } from '../support/command-line.ts';
import { mosquittoMissing, startMosquitto, type MosquittoBroker } from '../support/mqtt-brokers.ts';

const LISTENS = 'the control topic is listened to';
const IS_LOST = 'the control topic is not connected';
const WAIT_MS_MAX = 30_000;
const ENTRY = { type: 'simulated', intervalMs: 50 };
const boss = testToken('fleet', ['admin']);

type Answer = Readonly<Record<string, unknown>>;

describe.skipIf(mosquittoMissing !== null)('a gateway that is told over MQTT', () => {
  let broker: MosquittoBroker;
  let gateway: GatewayProcess;
  let client: MqttClient;
  const answers: { readonly topic: string; readonly answer: Answer }[] = [];

  beforeAll(async () => {
    broker = await startMosquitto();
    const control = { url: broker.url, clientId: 'gateway-7', topic: 'gw/control', replyTopic: 'gw/reply' };
    gateway = await startGateway({ config: { control: { mqtt: control }, auth: { tokens: [boss.stored] } } });
    client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 50 });
    client.on('error', () => {});
    client.on('message', (topic, payload) => {
      answers.push({ topic, answer: JSON.parse(payload.toString()) as Answer });
    });
    await client.subscribeAsync(['gw/reply', 'fleet/answers'], { qos: 1 });
    await timesSaid(LISTENS, 1);
  });
  afterAll(async () => {
    await client?.endAsync(true);
    await gateway?.[Symbol.asyncDispose]();
    await broker?.dispose();
  });

  const timesSaid = (message: string, times: number) => {
    const isSaid = () => gateway.logLines().filter(({ msg }) => msg === message).length >= times;
    return until(`"${message}", ${times} times`, WAIT_MS_MAX, isSaid);
  };

  /** Publishes a text as it is, and waits for what comes back. */
  async function publish(text: string) {
    const before = answers.length;
    await client.publishAsync('gw/control', text, { qos: 1 });
    await expect.poll(() => answers.length).toBe(before + 1);
    return answers[before] as (typeof answers)[number];
  }

  let asked = 0;
  /** Sends a command; gives its answer, which came to the topic the command names. */
  async function tell(type: string, fields: Answer = {}): Promise<Answer> {
    const message = { type, ...fields, token: boss.token, correlationId: ++asked, replyTo: 'fleet/answers' };
    const { topic, answer } = await publish(JSON.stringify(message));
    expect([topic, answer['type'], answer['correlationId']]).toEqual(['fleet/answers', type, asked]);
    return answer;
  }

  const explained = async (actor: string) => (await headgate(['explain', gateway.file, actor])).stdout;
  const stateOf = async (id: string) => {
    const { json } = await gateway.ask({ path: `/api/sources/${id}`, token: boss.token });
    return (json as { state?: string }).state;
  };

  test('registers, pauses, resumes, updates and deregisters a source; each is the cause of what follows', async () => {
    expect(await tell('registry.register', { id: 'plc-9', entry: ENTRY })).toMatchObject({ ok: true });
    await expect.poll(() => stateOf('plc-9')).toBe('streaming');
    expect(await tell('registry.pause', { id: 'plc-9' })).toMatchObject({ ok: true, id: 'plc-9' });
    await expect.poll(() => stateOf('plc-9')).toBe('paused');
    expect(await explained('plc-9')).toMatch(
      /config\.command .*type=registry\.pause id=plc-9 topic=gw\/control by=fleet[^]*→ paused/,
    );
    expect(await tell('registry.resume', { id: 'plc-9' })).toMatchObject({ ok: true });
    await expect.poll(() => stateOf('plc-9')).toBe('streaming');
    const entry = { ...ENTRY, intervalMs: 100 };
    const updated = await tell('registry.update', { id: 'plc-9', entry });
    expect(updated).toMatchObject({ ok: true, incarnation: expect.any(Number) as number });
    const { sources } = await tell('registry.list');
    expect(sources).toContainEqual(expect.objectContaining({ id: 'plc-9', type: 'simulated' }));
    expect(await tell('registry.deregister', { id: 'plc-9', mode: 'drain' })).toMatchObject({ ok: true });
    expect(await explained('plc-9')).toMatch(
      /config\.command .*type=registry\.deregister id=plc-9 topic=gw\/control by=fleet[^]*→ stopped/,
    );
  });

  test('answers a bad message, and goes on', async () => {
    const nonsense = await publish('{"type": "registry.list"');
    expect(nonsense).toMatchObject({ topic: 'gw/reply', answer: { ok: false, code: 'HG_DECODE_FAILED' } });
    const stranger = await publish('{"type":"registry.list","token":"hg_wrong","replyTo":"fleet/answers"}');
    expect(stranger).toMatchObject({ topic: 'fleet/answers', answer: { code: 'HG_HTTP_UNAUTHORISED' } });
    const { ok, code, message } = await tell('registry.register', { id: 'x', entry: { type: 'http' } });
    expect([ok, code, message]).toEqual([false, 'HG_OPTION_INVALID', expect.stringContaining('"url"')]);
    expect(await tell('registry.pause', { id: 'nobody' })).toMatchObject({ code: 'HG_SOURCE_UNKNOWN' });
    expect(await tell('registry.list')).toMatchObject({ ok: true });
    const { stdout } = await headgate([
      ...['timeline', gateway.file, '--kind', 'config', '--event', 'config.commandRefused', '--json'],
    ]);
    const { rows } = JSON.parse(stdout) as { rows: { data: { code: string } }[] };
    expect(rows.map(({ data }) => data.code)).toEqual([
      ...['HG_DECODE_FAILED', 'HG_HTTP_UNAUTHORISED', 'HG_OPTION_INVALID', 'HG_SOURCE_UNKNOWN'],
    ]);
  });

  test('hears again when the broker was away, and worked meanwhile', async () => {
    await broker.kill();
    await timesSaid(IS_LOST, 2);
    const headers = { 'content-type': 'application/json' };
    const sent = { method: 'POST', path: '/api/ingest/line', headers, body: '[1,2]', token: boss.token };
    expect(await gateway.ask(sent)).toMatchObject({ status: 200, json: { accepted: 2 } });
    expect((await gateway.ask({ path: '/readyz' })).status).toBe(200);
    await broker.restart();
    await timesSaid(LISTENS, 2);
    await expect.poll(() => client.connected).toBe(true);
    await client.subscribeAsync(['gw/reply', 'fleet/answers'], { qos: 1 });
    expect(await tell('registry.register', { id: 'later', entry: ENTRY })).toMatchObject({ ok: true });
  });

  test('ends well, and has written the token nowhere', async () => {
    expect(await gateway.stop()).toBe(0);
    expect(gateway.logLines().map(({ msg }) => msg)).toContain('the engine has drained');
    expect(gateway.log()).not.toContain(boss.token);
    const files = [...bytesUnder(gateway.folder)];
    expect(files.map(([path]) => path)).toContain(gateway.file);
    expect(files.filter(([, bytes]) => bytes.includes(boss.token))).toEqual([]);
  });
});
