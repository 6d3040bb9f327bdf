/** Attempts to open a gateway, or to empty it, by its configuration: a whole gateway with its file, its API
 *  and its database. */

import { createHash } from 'node:crypto';
import { afterEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createGateway } from '../../src/gateway/gateway.ts';
import { gatewayConfig, gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

let rig: GatewayRig;
afterEach(async () => rig.dispose());

const TOKEN = 'hg_admin';
const hash = `sha256:${createHash('sha256').update(TOKEN).digest('hex')}`;
const auth = { tokens: [{ name: 'admin', hash, scopes: ['admin'] }] };
const sources = { door: { type: 'push' } };
/** Nobody listens there: what it is to deliver waits. */
const sinks = { cloud: { type: 'http', url: 'http://127.0.0.1:9/', startAt: 'next' } };
const CLOSED = { auth, sources, sinks };

const like = (part: object) => expect.objectContaining(part) as object;

/** The status of an answer to somebody without a token. */
const statusFor = async (path: string, url: string | null, token?: string) =>
  (await fetch(`${url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }))
    .status;

test('no version without tokens opens the gateway: not by file, signal, API or restart', async () => {
  rig = await gatewayRig(CLOSED, { watch: false });
  const { gateway } = rig;
  await gateway.start();
  const whole = stringify(gatewayConfig(CLOSED));
  const texts: [text: string, says: RegExp][] = [
    ['', /is empty/],
    ['# nothing\n', /is empty/],
    ['null\n', /is empty/],
    ['{}\n', /auth\.open: true/],
    [stringify(gatewayConfig({ sources, sinks })), /auth\.open: true/],
    [stringify(gatewayConfig({ sources, sinks, auth: {} })), /auth\.open: true/],
    [stringify(gatewayConfig({ auth })), /sinks: \{\}/],
    [whole.slice(0, whole.indexOf('sinks:')), /sinks: \{\}/],
    [whole.slice(0, whole.indexOf('127.0.0.1:9') + 9), /half-written/],
  ];
  for (const [text, says] of texts) {
    rig.write(text);
    const bySignal = await gateway.reload('signal');
    const byApi = await gateway.apply(text, { format: 'yaml', origin: 'api' });
    for (const { outcome, problems, version } of [bySignal, byApi]) {
      expect([text, outcome, version]).toEqual([text, 'refused', 1]);
      expect(problems.map(({ message }) => message).join()).toMatch(says);
    }
    expect(await statusFor('/api/config', gateway.url)).toBe(401);
    expect(await statusFor('/api/config', gateway.url, TOKEN)).toBe(200);
    expect(gateway.engine.sinks().map(({ sinkId }) => sinkId)).toEqual(['cloud']);
  }
  await gateway.stop();

  for (const [text, says] of texts.slice(4, 8)) {
    rig.write(text);
    const again = createGateway({ file: rig.file, env: {}, log: rig.gatewayLog });
    await expect(again.start()).rejects.toMatchObject({
      details: {
        problems: expect.arrayContaining(
          [{ message: expect.stringMatching(says) as string }].map(like),
        ) as object,
      },
    });
    expect(again.url).toBeNull();
  }

  rig.write({ sources, sinks, auth: { open: true } });
  const open = createGateway({ file: rig.file, env: {}, log: rig.gatewayLog });
  await open.start();
  expect(await statusFor('/api/config', open.url)).toBe(200);
  await open.stop();
  expect(rig.rows({ event: 'config.opened' })).toHaveLength(1);
  expect(rig.log().filter(({ level, field }) => level === 'warn' && field === 'auth.open')).toHaveLength(1);
});

test(
  'a sink that is taken out with records left raises an alert, and goes on where it was when it is back',
  { tags: 'full' },
  async () => {
    rig = await gatewayRig({ sources, sinks }, { watch: false });
    const { gateway } = rig;
    await gateway.start();
    const post = async () =>
      fetch(`${gateway.url}/api/ingest/door`, {
        ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"n":1}' },
      });
    const cursor = () => rig.query('SELECT sink_id, seq FROM sink_cursors');
    await post();
    rig.write({ sources, sinks: {} });
    expect((await gateway.reload('signal')).outcome).toBe('applied');
    await post();
    await expect
      .poll(() => rig.query('SELECT event, data FROM alerts'))
      .toMatchObject([{ event: 'SINK_REMOVED', data: expect.stringContaining('"undelivered":1') as string }]);
    expect(cursor()).toEqual([{ sink_id: 'cloud', seq: 0 }]);
    await gateway.stop();

    rig.write({ sources, sinks });
    const again = createGateway({ file: rig.file, env: {}, log: rig.gatewayLog });
    await again.start();
    expect(await again.engine.undelivered('cloud')).toMatchObject({ records: 2 });
    await again.stop();
    expect(cursor()).toEqual([{ sink_id: 'cloud', seq: 0 }]);
  },
);
