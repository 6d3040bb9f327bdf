/** The configuration over the wire, and the probes. */

import { expect, test } from 'vitest';
import { httpRig, stored } from './http-rig.ts';

test('the configuration is shown masked, validated, replaced, and guarded by its version', async () => {
  const rig = await httpRig();
  const put = (body: unknown, headers: Record<string, string> = {}, query = '') =>
    rig.ask(`/api/config${query}`, { method: 'PUT', body, headers });
  const shown = await rig.ask('/api/config');
  expect([shown.json.version, shown.headers.get('etag')]).toEqual([1, '"1"']);

  const applied = await put({ sources: { a: { type: 'push' } } }, { 'if-match': '"1"' });
  expect([applied.status, applied.headers.get('etag'), applied.json.outcome]).toEqual([
    200,
    '"2"',
    'applied',
  ]);
  expect(rig.engine.health('a').type).toBe('push');
  const stale = await put({}, { 'if-match': '"1"' });
  expect([stale.status, stale.json.code, stale.json.version]).toEqual([412, 'HG_HTTP_PRECONDITION', 2]);
  expect((await put({ sources: { a: { type: 'push' } } }, { 'if-match': '"1", "2"' })).json.outcome).toBe(
    'unchanged',
  );

  const refused = await put({ sorces: {} });
  expect([refused.status, refused.json.outcome]).toEqual([422, 'refused']);
  expect(refused.json.problems).toEqual([expect.objectContaining({ path: 'sorces', suggestion: 'sources' })]);
  expect(rig.engine.health('a').state).not.toBe('stopped');

  const checked = await rig.ask('/api/config/validate', { method: 'POST', body: { sorces: {} } });
  expect([checked.status, checked.json.isValid, checked.json.problems.length]).toEqual([200, false, 1]);
  const type = await put('<x/>', { 'content-type': 'application/xml' });
  expect([type.status, type.json.code]).toEqual([415, 'HG_HTTP_MEDIA_TYPE']);
  expect((await put({}, {}, '?persist=yes')).json.code).toBe('HG_OPTION_INVALID');
});

test('two who change the same version cannot both succeed', async () => {
  const rig = await httpRig();
  const put = (id: string) =>
    rig.ask('/api/config', {
      method: 'PUT',
      body: { sources: { [id]: { type: 'push' } } },
      headers: { 'if-match': '"1"' },
    });
  const statuses = (await Promise.all([put('a'), put('b'), put('c')])).map(({ status }) => status);
  expect(statuses.toSorted((one, other) => one - other)).toEqual([200, 412, 412]);
});

test('probes say yes or no to everybody, and why to readers', async () => {
  const rig = await httpRig({ tokens: [stored('r', { scopes: ['read'] })] });
  rig.gateway.ready = { isReady: false, reasons: [{ code: 'X', subject: 'plc-7', message: 'wait' }] };
  const stranger = await rig.ask('/readyz');
  expect([stranger.status, stranger.json]).toEqual([503, { isReady: false, reasons: [] }]);
  expect((await rig.ask('/readyz', { token: 'r' })).json.reasons).toHaveLength(1);
  expect((await rig.ask('/healthz')).json).toEqual({ status: 'ok' });
  const known = await rig.ask('/healthz', { token: 'r' });
  expect(known.json).toMatchObject({ status: 'ok', eventLoopLagMs: expect.any(Number) as unknown });
  const metrics = await rig.ask('/metrics', { token: 'r' });
  expect([metrics.text, metrics.headers.get('content-type')]).toEqual([
    ...['up 1\n', 'text/plain; version=0.0.4; charset=utf-8'],
  ]);
  const health = await rig.ask('/api/health', { token: 'r' });
  expect(health.json).toMatchObject({ state: 'running', sourcesByState: {}, admittedRecords: 0 });
});

test('no token is ever repeated: not in answers, not in the log', async () => {
  const rig = await httpRig({ tokens: [stored('canary-token-7f3a', { name: 'canary' })] });
  const texts: string[] = [];
  for (const token of ['canary-token-7f3a', 'canary-token-wrong']) {
    for (const path of ['/api/sources', '/api/config', '/api/nothing', '/api/timeline?x=1', '/healthz']) {
      const { text, headers } = await rig.ask(path, { token });
      texts.push(text, JSON.stringify([...headers]));
    }
    const made = await rig.ask('/api/sources', {
      method: 'POST',
      token,
      body: { id: 'x', type: 'push', secret: token },
    });
    texts.push(made.text);
  }
  const said = [...texts, JSON.stringify(rig.lines)].join('\n');
  expect(said).not.toContain('canary-token');
});
