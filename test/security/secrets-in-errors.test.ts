/** Secrets that errors of users' code and of far ends repeat, and secrets that are written out where no
 *  field is known for them: no row, dead letter, health, answer or line of the log has them. */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { valid } from '../gateway/config/config-rig.ts';
import { gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

const SECRET = 'canary-pa"ss w0rd';

/** Throws what it was given, everywhere it can. */
const MODULE = `
exports.stage = (record) => { throw new Error('no login with ' + process.env.CANARY_OF_ERRORS); };
exports.decode = () => { throw new Error('cannot decode with ' + process.env.CANARY_OF_ERRORS); };
exports.deliver = () => { throw new Error('refused: ' + process.env.CANARY_OF_ERRORS); };
`;

let rig: GatewayRig | undefined;
afterEach(async () => {
  delete process.env['CANARY_OF_ERRORS'];
  await rig?.dispose();
});

test('what errors repeat is masked before it is stored, told or answered', async () => {
  process.env['CANARY_OF_ERRORS'] = SECRET;
  const echo = createServer((request, response) => {
    response.writeHead(400).end(`the key ${String(request.headers['x-key'])} is not known`);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(echo.address() as AddressInfo).port}/`;
  rig = await gatewayRig(
    {
      sources: {
        door: { type: 'push' },
        coded: { type: 'push', decode: { module: './own.cjs#decode' } },
        meter: { type: 'http', url, intervalMs: 100, headers: { 'x-key': '${KEY}' } },
      },
      stages: [{ module: './own.cjs#stage' }],
      sinks: {
        own: { type: 'function', deliver: './own.cjs#deliver', reads: 'alerts' },
        far: { type: 'http', url, reads: 'alerts', headers: { 'x-key': '${KEY}' } },
      },
    },
    { env: { KEY: SECRET }, watch: false },
    { 'own.cjs': MODULE },
  );
  const { gateway, db } = rig;
  await gateway.start();
  await fetch(`${gateway.url}/api/ingest/door`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"n":1}' },
  });
  const undecoded = await fetch(`${gateway.url}/api/ingest/coded`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: 'x' },
  });
  const refused = await fetch(`${gateway.url}/api/sources`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: JSON.stringify({ id: 'b', type: 'push', [SECRET]: 1 }),
  });
  const told = [await undecoded.text(), await refused.text()];
  expect(told).toEqual([expect.stringContaining('***'), expect.stringContaining('***')]);
  await expect.poll(() => rig?.query('SELECT message FROM dead_letters').length).toBeGreaterThan(0);
  await expect.poll(() => gateway.engine.health('meter').lastError).not.toBeNull();
  gateway.engine.send({ type: 'registry.pause', id: 'meter' });
  const answers = await Promise.all(
    ['sources', 'sinks', 'timeline', 'alerts', 'dead-letters', 'explain/meter', 'config'].map(async (path) =>
      (await fetch(`${gateway.url}/api/${path}`)).text(),
    ),
  );
  await gateway.stop();
  echo.closeAllConnections();
  echo.close();
  const inJson = JSON.stringify(SECRET).slice(1, -1);
  const said = [...answers, ...told, JSON.stringify(rig.log()), readFileSync(db, 'latin1')];
  for (const text of said) {
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(inJson);
  }
  expect(said.join()).toContain('no login with ***');
});

test('what is sent along is shown to nobody, and a mask that comes back is refused', () => {
  const text = `sources:
  a: { type: http, url: 'http://h/?key=canary-query', intervalMs: 5, method: POST, body: 'canary-body' }
  b: { type: mqtt, url: 'mqtt://h', topics: t, will: { topic: w, payload: 'canary-will' } }
  c: { type: websocket, url: 'ws://h/', subscribe: ['canary-subscribe'] }
sinks:
  d: { type: mqtt, url: 'mqtt://h', topic: t, will: { topic: w, payload: 'canary-will' } }
`;
  const shown = JSON.stringify(valid(text).document);
  expect(shown).not.toContain('canary');
  expect(() => valid(shown)).toThrow(/is a secret as it is shown/);
});
