/** A whole gateway in this process: real file, real database, real HTTP. */

import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { afterEach, describe, expect, test } from 'vitest';
import { HeadgateError } from '../../src/domain/errors.ts';
import { createGatewayLog } from '../../src/gateway/gateway-log.ts';
import { hashOf } from '../../src/http/token-text.ts';
import { createGateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { gatewayConfig, gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

let rig: GatewayRig;
afterEach(async () => rig.dispose());

async function started(config: object, options: Partial<GatewayOptions> = {}): Promise<GatewayRig> {
  rig = await gatewayRig(config, options);
  await rig.gateway.start();
  return rig;
}

async function ask(path: string): Promise<{ status: number; body: string }> {
  const answer = await fetch(`${rig.gateway.url}${path}`);
  return { status: answer.status, body: await answer.text() };
}

const PUSH = { line3: { type: 'push' } };

function ingest(source: string, ...data: readonly unknown[]): Promise<Response> {
  return fetch(`${rig.gateway.url}/api/ingest/${source}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: data.map((one) => `${JSON.stringify(one)}\n`).join(''),
  });
}

describe('a gateway', () => {
  test('stores what is sent to it, is ready, and says what runs', async () => {
    const { gateway, query } = await started({ sources: PUSH });
    const answer = await ingest('line3', { n: 1 }, { n: 2 });
    expect(await answer.json()).toMatchObject({ accepted: 2, rejected: 0 });
    expect(query('select data from records order by seq')).toEqual([
      { data: '{"n":1}' },
      { data: '{"n":2}' },
    ]);
    expect((await ask('/readyz')).status).toBe(200);
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/metrics')).body).toMatch(/^headgate_.*line3/m);
    expect(gateway.configuration()).toMatchObject({ version: 1, file: rig.file, lastReload: null });
    expect(rig.rows({ kind: 'config' })).toMatchObject([
      { event: 'config.applied', data: { origin: 'start', version: 1 } },
    ]);
  });

  test('stops its parts in reverse: what was accepted is stored, and the port is free again', async () => {
    const { gateway, query } = await started({ sources: PUSH });
    const url = gateway.url as string;
    await ingest('line3', 1, 2, 3);
    const report = await gateway.stop();
    expect(report).toMatchObject({ lost: 0, delivered: 3 });
    expect(query('select count(*) as n from records')).toEqual([{ n: 3 }]);
    await expect(fetch(url)).rejects.toThrow();
    expect(gateway.readiness()).toMatchObject({ isReady: false, reasons: [{ code: 'GATEWAY_STOPPED' }] });
    expect(await gateway.stop()).toEqual(report);
    expect(await gateway.reload('signal')).toMatchObject({ outcome: 'refused', version: 1 });
    await expect(gateway.start()).resolves.toBeUndefined();
  });

  test('that cannot listen says so and leaves nothing behind', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    rig = await gatewayRig({ http: { port }, sources: PUSH });
    await expect(rig.gateway.start()).rejects.toMatchObject({ code: 'HG_HTTP_LISTEN' });
    taken.close();
    // The database is free: another gateway can have it.
    const second = createGateway({ file: rig.file, env: {}, log: await silent() });
    await second.start();
    await second.stop();
    expect(rig.query('select end from runs order by run')).toEqual([{ end: 'clean' }, { end: 'clean' }]);
  });

  test('whose database another one holds says so', async () => {
    await started({ sources: PUSH });
    const second = createGateway({ file: rig.file, env: {}, log: await silent() });
    await expect(second.start()).rejects.toMatchObject({ code: 'HG_STORAGE_LOCKED' });
    expect((await ask('/readyz')).status).toBe(200);
  });

  test('with a wrong configuration is not made, and every problem is told', async () => {
    rig = await gatewayRig({});
    const wrong = { sources: { a: { type: 'mqtt' }, b: { type: 'psuh' } } };
    writeFileSync(rig.file, stringify(wrong));
    const problems = problemsOf(() => createGateway({ file: rig.file, env: {}, log: SILENT }));
    expect(problems.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['sources.a.url', 'sources.b.type']),
    );
  });

  test('without a server has no port', async () => {
    const { gateway } = await started({ http: { enabled: false }, sources: PUSH });
    expect(gateway.url).toBeNull();
    expect(gateway.readiness().isReady).toBe(true);
  });

  test('is not ready while a required source is away, and says why', async () => {
    await started({
      sources: { plc: { type: 'http', url: 'http://127.0.0.1:9/', intervalMs: 1_000, required: true } },
    });
    await expect.poll(async () => (await ask('/readyz')).status).toBe(503);
    expect(rig.gateway.readiness().reasons).toMatchObject([{ code: 'SOURCE_NOT_CONNECTED', subject: 'plc' }]);
  });

  test('shows no secret: not in its log, not in its database, not over its API', async () => {
    const canary = 'canary-4711-secret';
    await started(
      {
        sources: {
          a: { type: 'mqtt', url: 'mqtt://user:${CANARY}@127.0.0.1:9', topics: 'a' },
          c: { type: 'mqtt', url: 'mqtt://127.0.0.1:9', topics: 'a', username: 'u', password: '${CANARY}' },
          b: {
            type: 'http',
            url: 'http://127.0.0.1:9/',
            intervalMs: 50,
            headers: { authorization: 'Bearer ${CANARY}' },
          },
        },
      },
      { env: { CANARY: canary } },
    );
    const errors = () => rig.gateway.engine.health().map(({ lastError }) => lastError?.code);
    await expect.poll(errors).toEqual(Array.from({ length: 3 }, () => 'HG_LINK_REFUSED'));
    const said = [
      JSON.stringify(rig.gateway.configuration()),
      ...(await Promise.all(['/api/config', '/api/sources', '/metrics', '/readyz'].map(ask))).map(
        ({ body }) => body,
      ),
    ];
    rig.write({ sources: { a: { type: 'mqtt', url: `mqtt://user:${canary}@x`, topic: 'a' } } });
    await rig.gateway.reload('signal');
    await rig.gateway.stop();
    said.push(JSON.stringify(rig.log()), JSON.stringify(rig.gateway.configuration().lastReload));
    for (const end of ['', '-wal']) {
      if (existsSync(rig.db + end)) said.push(readFileSync(rig.db + end, 'latin1'));
    }
    expect(said.filter((text) => text.includes(canary))).toEqual([]);
    expect(rig.log().length).toBeGreaterThan(2);
  });
});

describe('a reload', () => {
  test('of a changed file is made real by itself, and what is the same is not touched', async () => {
    const { gateway } = await started({
      sources: { ...PUSH, sim: { type: 'simulated', intervalMs: 1_000 } },
    });
    await ingest('line3', 'before');
    rig.write({
      sources: { ...PUSH, sim: { type: 'simulated', intervalMs: 500 }, more: { type: 'push' } },
      stages: [{ transform: '"stage " + record.data' }],
    });
    await expect.poll(() => gateway.configuration().version).toBe(2);
    expect(gateway.configuration().lastReload).toMatchObject({
      origin: 'file',
      outcome: 'applied',
      changes: [
        { path: 'sources.sim', action: 'changed', fields: ['intervalMs'] },
        { path: 'sources.more', action: 'added' },
        { path: 'stages', action: 'changed' },
      ],
    });
    await ingest('line3', 'after');
    await gateway.stop();
    const records = `select source_seq, incarnation, data from records where source_id = 'line3' order by seq`;
    const [before, after] = rig.query(records);
    expect([before?.['data'], after?.['data']]).toEqual(['"before"', '"stage after"']);
    expect(before?.['incarnation']).toBe(after?.['incarnation']);
    expect([before?.['source_seq'], after?.['source_seq']]).toEqual([1, 2]);
  });

  test('is told by the timeline, and explains what it led to', async () => {
    await started({ sources: PUSH });
    rig.write({ sources: { ...PUSH, more: { type: 'push' } } });
    await rig.gateway.reload('signal');
    await rig.gateway.stop();
    const [applying] = rig.rows({ event: 'config.applying' });
    expect(applying?.['data']).toMatchObject({
      origin: 'signal',
      changes: [{ path: 'sources.more', action: 'added' }],
    });
    const causes = rig
      .rows()
      .filter(({ event, cause }) => event === 'registry.register' && cause === applying?.['seq']);
    expect(causes).toHaveLength(1);
  });

  test('that is asked for while the parts start has its turn after that', async () => {
    rig = await gatewayRig({ sources: PUSH });
    const starting = rig.gateway.start();
    rig.write({ sources: { ...PUSH, more: { type: 'push' } } });
    const outcome = await rig.gateway.reload('signal');
    await starting;
    expect(outcome).toMatchObject({ version: 2, problems: [] });
    expect(rig.gateway.engine.activeSources()).toEqual(['line3', 'more']);
  });

  test('of an invalid file changes nothing, and says where', async () => {
    await started({ sources: PUSH });
    rig.write('sources:\n  line3:\n    type: push\n    decoed: json\n');
    const outcome = await rig.gateway.reload('signal');
    expect(outcome).toMatchObject({
      outcome: 'refused',
      version: 1,
      problems: [{ line: 4, path: 'sources.line3.decoed', suggestion: 'decode' }],
    });
    expect((await ingest('line3', 1)).status).toBe(200);
    expect((await ask('/readyz')).status).toBe(200);
  });

  test('over the API may be kept in the file, whose rights stay', async () => {
    await started({ sources: PUSH });
    chmodSync(rig.file, 0o600);
    const text = stringify(gatewayConfig({ sources: { ...PUSH, kept: { type: 'push' } } }));
    const outcome = await rig.gateway.apply(text, { format: 'yaml', origin: 'api', persist: true });
    expect(outcome.outcome).toBe('applied');
    expect(readFileSync(rig.file, 'utf8')).toBe(text);
    expect(statSync(rig.file).mode & 0o777).toBe(0o600);
    expect(await rig.gateway.reload('signal')).toMatchObject({ outcome: 'unchanged', version: 2 });
  });

  test('over the API that is not kept is undone by the file', async () => {
    await started({ sources: PUSH });
    await rig.gateway.apply(JSON.stringify(gatewayConfig({ sources: {} })), {
      format: 'json',
      origin: 'api',
    });
    expect(rig.gateway.engine.activeSources()).toEqual([]);
    expect(await rig.gateway.reload('signal')).toMatchObject({ outcome: 'applied', version: 3 });
    expect(rig.gateway.engine.activeSources()).toEqual(['line3']);
  });

  test('that would open the gateway to everybody is refused', async () => {
    const token = { name: 'a', hash: `sha256:${'0'.repeat(64)}`, scopes: ['admin'] };
    const http = { host: '0.0.0.0', port: 0, allowPlaintext: true };
    await started({ http, auth: { tokens: [token] } });
    for (const next of [http, { ...http, host: '127.0.0.1' }]) {
      // It goes on listening where it does, whatever the file says of the next start.
      rig.write({ http: next });
      expect(await rig.gateway.reload('signal')).toMatchObject({ outcome: 'refused', version: 1 });
    }
  });

  test('changes tokens and the level of the log at once', async () => {
    await started({ sources: PUSH });
    expect((await ask('/api/sources')).status).toBe(200);
    const token = { name: 'a', hash: `sha256:${'0'.repeat(64)}`, scopes: ['admin'] };
    rig.write({ sources: PUSH, auth: { tokens: [token] }, logging: { level: 'error' } });
    const lines = rig.log().length;
    expect(await rig.gateway.reload('signal')).toMatchObject({ outcome: 'applied', needsRestart: [] });
    expect((await ask('/api/sources')).status).toBe(401);
    expect(rig.log().length).toBe(lines);
  });

  test('shows hashes of tokens to who may change them, and takes them back from there', async () => {
    const tokens = [
      { name: 'boss', hash: hashOf('boss'), scopes: ['admin'] },
      { name: 'reader', hash: hashOf('reader'), scopes: ['read'] },
      { name: 'operator', hash: hashOf('operator'), scopes: ['operate'] },
    ];
    await started({ sources: PUSH, auth: { tokens } });
    const askAs = async (token: string, init: RequestInit = {}) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const answer = await fetch(`${rig.gateway.url}/api/config`, { ...init, headers });
      return { status: answer.status, text: await answer.text() };
    };
    const documentOf = ({ text }: { text: string }) => (JSON.parse(text) as { document: object }).document;
    const put = (document: object) => askAs('boss', { method: 'PUT', body: JSON.stringify(document) });
    const whole = documentOf(await askAs('boss'));
    expect(whole).toMatchObject({ auth: { tokens } });
    for (const token of ['reader', 'operator']) {
      const shown = await askAs(token);
      expect(shown.text).not.toContain('sha256:');
      const masked = tokens.map((one) => ({ ...one, hash: '***' }));
      expect(documentOf(shown)).toEqual({ ...whole, auth: { tokens: masked } });
      expect((await put(documentOf(shown))).status).toBe(422);
    }
    expect(JSON.parse((await put(whole)).text)).toMatchObject({ outcome: 'unchanged', version: 1 });
    expect((await askAs('reader')).status).toBe(200);
  });

  test('validates without changing anything', async () => {
    const { gateway } = await started({ sources: PUSH });
    expect(await gateway.validate('{"sources":{}}', 'json')).toEqual([]);
    expect(await gateway.validate('{"sauces":{}}', 'json')).toMatchObject([
      { path: 'sauces', suggestion: 'sources' },
    ]);
    expect(gateway.engine.activeSources()).toEqual(['line3']);
  });
});

test('an engine that fails is told of', async () => {
  const library = join(PROJECT_ROOT, 'src/index.ts');
  const code = `import { defineSource } from '${library}';
    const stream = async () => { throw new Error('planted'); };
    const kind = defineSource({ type: 'bad', stream });
    export const make = ({ id }) => kind({ id, restart: { restartsMax: 0, exhausted: 'escalate' } });`;
  rig = await gatewayRig(
    { sources: { bad: { type: 'module', module: './bad.mjs#make' } } },
    {},
    { 'bad.mjs': code },
  );
  await rig.gateway.start();
  await rig.gateway.ended;
  expect(rig.gateway.readiness().isReady).toBe(false);
});

const SILENT = await silent();

async function silent() {
  return createGatewayLog({ level: 'silent', pretty: false, write: () => undefined });
}

function problemsOf(make: () => unknown): readonly { readonly path: string }[] {
  try {
    make();
  } catch (error) {
    if (error instanceof HeadgateError) return error.details['problems'] as readonly { path: string }[];
    throw error;
  }
  throw new Error(`${join('a', 'gateway')} was made of a wrong configuration`);
}
