/** The timeline, alerts, actors and causes over the wire; dead letters; names that try to do harm. */

import { describe, expect, test } from 'vitest';
import { pushSource, type PushSource } from '../../src/index.ts';
import { httpRig, stored, type HttpRig } from './http-rig.ts';

type Rows = { seq: number; actor: string; kind: string; event: string }[];

async function rowsOf(rig: HttpRig, path: string): Promise<Rows> {
  return (await rig.ask(path)).json.rows as Rows;
}

/** A rig whose sources came and went, when all of it is stored. */
async function rigWithPast(): Promise<HttpRig> {
  const rig = await httpRig();
  for (const id of ['a', 'b', 'c']) {
    await rig.engine.register(pushSource({ id }));
    await rig.engine.deregister(id, { mode: 'now' });
  }
  await expect
    .poll(async () => (await rowsOf(rig, '/api/timeline?kind=ended&limit=1000')).length)
    .toBeGreaterThanOrEqual(3);
  return rig;
}

test('whoever gave a command is the first cause of what it did', async () => {
  const rig = await httpRig({ tokens: [stored('key', { name: 'night-shift', scopes: ['admin'] })] });
  await rig.ask('/api/sources', { method: 'POST', body: { id: 'door', type: 'push' }, token: 'key' });
  await rig.ask('/api/sources/door/pause', { method: 'POST', token: 'key' });
  await expect
    .poll(async () => (await rig.ask('/api/explain/door', { token: 'key' })).json.rows[0])
    .toMatchObject({
      event: 'config.command',
      data: { over: 'api', type: 'registry.pause', id: 'door', by: 'night-shift' },
    });
});

describe('the timeline', () => {
  test('is paged in both directions, each row once', async () => {
    const rig = await rigWithPast();
    const all = await rowsOf(rig, '/api/timeline?limit=1000');
    const backwards: Rows = [];
    for (let path: string | null = '/api/timeline?limit=7'; path !== null;) {
      const { json } = await rig.ask(path);
      backwards.unshift(...(json.rows as Rows));
      path = json.previous as string | null;
    }
    expect(backwards).toEqual(all);
    const forwards: Rows = [];
    for (let path: string | null = '/api/timeline?limit=7&afterSeq=0'; path !== null;) {
      const { json } = await rig.ask(path);
      forwards.push(...(json.rows as Rows));
      path = json.next as string | null;
    }
    expect(forwards).toEqual(all);
    const middle = await rig.ask(`/api/timeline?limit=3&beforeSeq=${all[9]?.seq}`);
    expect(await rowsOf(rig, middle.json.next as string)).toEqual(all.slice(9, 12));
  });

  test('is filtered, and keeps the filter on its way', async () => {
    const rig = await rigWithPast();
    expect((await rowsOf(rig, '/api/timeline?actor=b')).every(({ actor }) => actor === 'b')).toBe(true);
    expect((await rowsOf(rig, '/api/timeline?kind=registered')).map(({ actor }) => actor)).toEqual([
      'a',
      'b',
      'c',
    ]);
    expect(await rowsOf(rig, '/api/timeline?event=registry.register&kind=registered&actor=c')).toHaveLength(
      1,
    );
    expect(await rowsOf(rig, '/api/timeline?until=2001-01-01')).toEqual([]);
    expect((await rowsOf(rig, '/api/timeline?since=-1h')).length).toBeGreaterThan(10);
    expect(
      await rowsOf(rig, '/api/timeline?since=2001-01-01T00:00+01:00&until=2001-01-02T00:00%2B01:00'),
    ).toEqual([]);
    const { json } = await rig.ask('/api/timeline?kind=registered&limit=1');
    expect(json.previous).toMatch(/kind=registered.*beforeSeq=/);
  });

  const wrong: [query: string, code: string, message: string][] = [
    ['?knd=born', 'HG_OPTION_UNKNOWN', 'did you mean "kind"?'],
    ['?kind=borm', 'HG_OPTION_INVALID', 'kind'],
    ['?limit=0', 'HG_OPTION_INVALID', 'from 1 to 1000'],
    ['?limit=1e3', 'HG_OPTION_INVALID', 'whole number'],
    ['?since=yesterday', 'HG_OPTION_INVALID', 'ISO 8601'],
    ['?actor=', 'HG_OPTION_INVALID', 'actor'],
    ['?limit=1&limit=2', 'HG_OPTION_INVALID', 'given 2 times'],
    ['?afterSeq=99999999999999999999', 'HG_OPTION_INVALID', 'afterSeq'],
  ];
  test('names what is wrong with a question', async () => {
    const rig = await httpRig();
    for (const [query, code, message] of wrong) {
      const { status, json } = await rig.ask(`/api/timeline${query}`);
      expect([query, status, json.code]).toEqual([query, 400, code]);
      expect(json.detail).toContain(message);
    }
  });
});

test('actors are told as they are and as they were, and why', async () => {
  const rig = await rigWithPast();
  const { json } = await rig.ask('/api/actors');
  const states = json.actors as { actor: string; state: string; since_ms: number }[];
  expect(states.map(({ actor }) => actor)).toEqual(
    expect.arrayContaining(['engine', 'registry', 'a', 'b', 'c']),
  );
  const engine = await rig.ask('/api/actors/engine');
  expect(engine.json).toMatchObject({ actor: 'engine', state: 'running' });
  expect(engine.json).toEqual(states.find(({ actor }) => actor === 'engine'));
  expect((await rig.ask('/api/actors?at=2001-01-01')).json.actors).toEqual([]);
  expect((await rig.ask('/api/actors/a?at=2001-01-01')).status).toBe(404);
  const why = await rig.ask('/api/explain/b');
  expect((why.json.rows as Rows).map(({ event }) => event)).toContain('registry.deregister');
  const nobody = await rig.ask('/api/explain/regstry');
  expect([nobody.status, nobody.json.nearest]).toEqual([404, expect.arrayContaining(['registry'])]);
});

test('a source of another tenant is one segment of the path', async () => {
  const rig = await httpRig();
  await rig.ask('/api/sources', { method: 'POST', body: { id: 'acme/line3', type: 'push' } });
  expect((await rig.ask('/api/sources/acme%2Fline3')).json).toMatchObject({
    tenant: 'acme',
    sourceId: 'line3',
  });
  expect((await rig.ask('/api/sources/line3')).status).toBe(404);
  expect((await rig.ask('/api/sources/acme/line3')).json.code).toBe('HG_HTTP_ROUTE_UNKNOWN');
});

test('sources are told page by page', async () => {
  const rig = await httpRig();
  for (let index = 0; index < 5; index++) await rig.engine.register(pushSource({ id: `s${index}` }));
  const ids: string[] = [];
  for (let path: string | null = '/api/sources?limit=2'; path !== null;) {
    const { json } = await rig.ask(path);
    ids.push(...(json.sources as { sourceId: string }[]).map(({ sourceId }) => sourceId));
    path = json.next as string | null;
  }
  expect(ids).toEqual(['s0', 's1', 's2', 's3', 's4']);
});

test('dead letters are listed, shown whole, tried again and deleted', async () => {
  const rig = await httpRig();
  await rig.ask('/api/sources', { method: 'POST', body: { id: 'line3', type: 'push' } });
  await expect.poll(() => rig.engine.health('line3').state).toBe('streaming');
  const source = rig.gateway.pushSource('line3') as PushSource;
  for (let index = 0; index < 13; index++) await source.pushPayload(`{ broken ${index} ${'x'.repeat(1_500)}`);
  const first = await rig.ask('/api/dead-letters?limit=5&source=line3');
  expect(first.json.letters).toHaveLength(5);
  expect(first.json.letters[0]).toMatchObject({ id: 1, stage: 'decode', payloadIsCut: true });
  const second = await rig.ask(first.json.next as string);
  expect((second.json.letters as { id: number }[]).map(({ id }) => id)).toEqual([6, 7, 8, 9, 10]);
  const third = await rig.ask(second.json.next as string);
  expect([third.json.letters.length, third.json.next]).toEqual([3, null]);
  expect((await rig.ask('/api/dead-letters/1')).json).toMatchObject({
    ...{ payloadIsCut: false, payload: expect.stringMatching(/^\{ broken 0 x{1500}$/) as unknown },
  });
  const change = async (action: string, body: unknown) =>
    (await rig.ask(`/api/dead-letters/${action}`, { method: 'POST', body })).json as Record<string, unknown>;
  expect(await change('retry', { ids: [2] })).toEqual({ queued: 1 });
  expect(await change('retry', { ids: [99] })).toMatchObject({ status: 404, code: 'HG_DEAD_LETTER_UNKNOWN' });
  expect(await change('purge', {})).toMatchObject({ code: 'HG_OPTION_INVALID' });
  expect(await change('purge', { ids: [1], select: {} })).toMatchObject({ code: 'HG_OPTION_INVALID' });
  expect(await change('purge', { ids: [1] })).toEqual({ purged: 1 });
  expect((await change('purge', { select: { source: 'line3' } }))['purged']).toBeGreaterThanOrEqual(11);
  expect((await rig.ask('/api/dead-letters')).json).toEqual({ letters: [], next: null });
});

describe('names that try to do harm', () => {
  const XSS = [
    ...['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "'-alert(1)-'", '{{7*7}}', '${7*7}'],
    ...[
      'javascript:alert(1)',
      '</script><svg onload=alert(1)>',
      '\u2028alert(1)',
      '<!--',
      ']]>',
      '%3Cscript%3E',
    ],
    ...[
      '\u0000',
      '\u001b[31m',
      'a\r\nSet-Cookie: x=1',
      'x\ndata: injected\n\n',
      '\u202etxt',
      'é\u0301',
      '💥',
    ],
    ...Array.from({ length: 82 }, (_, index) => `<b id=x${index} onclick='alert("${index}")'>`),
  ];
  const SQL = [
    ...[
      "' OR '1'='1",
      "'; DROP TABLE timeline; --",
      '1; ATTACH DATABASE "x" AS y',
      "a' UNION SELECT sql FROM",
    ],
    ...['sqlite_master', "x') OR 1=1 --", "1' AND randomblob(1000000000) --", '%', '_', "\\'; --", '/**/'],
  ];

  test('come back as text of JSON, which no browser takes for a page', async () => {
    const rig = await httpRig();
    // More refusals in a minute are counted together.
    const sent = XSS.slice(0, 50);
    for (const name of sent) rig.engine.send({ type: name } as never);
    await expect
      .poll(async () => (await rowsOf(rig, '/api/timeline?kind=command&limit=1000')).length)
      .toBeGreaterThanOrEqual(sent.length);
    const listed = await rig.ask('/api/timeline?kind=command&limit=1000');
    expect(listed.headers.get('content-type')).toBe('application/json');
    const events = (listed.json.rows as Rows).map(({ event }) => event);
    for (const name of sent) expect(events).toContain(`${name}.refused`);
    for (const name of XSS) {
      for (const path of [
        `/api/sources/${encodeURIComponent(name)}`,
        `/api/timeline?actor=${encodeURIComponent(name)}`,
      ]) {
        const { status, headers } = await rig.ask(path);
        expect([200, 400, 404]).toContain(status);
        expect(headers.get('content-type')).toMatch(/^application\/(problem\+)?json$/);
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('set-cookie')).toBeNull();
      }
      const made = await rig.ask('/api/sources', { method: 'POST', body: { id: name, type: 'push' } });
      expect([made.status, made.json.code]).toEqual([400, 'HG_OPTION_INVALID']);
    }
    expect(XSS).toHaveLength(100);
  });

  test('are values of a question, never part of it', async () => {
    const rig = await rigWithPast();
    const before = (await rowsOf(rig, '/api/timeline?limit=1000')).length;
    for (const text of SQL.map(encodeURIComponent)) {
      expect(await rowsOf(rig, `/api/timeline?actor=${text}`)).toEqual([]);
      expect(await rowsOf(rig, `/api/timeline?event=${text}`)).toEqual([]);
      expect((await rig.ask(`/api/explain/${text}`)).status).toBe(404);
      expect((await rig.ask(`/api/dead-letters?source=${text}&stage=${text}`)).json.letters).toEqual([]);
      for (const name of ['since', 'limit', 'afterSeq', 'kind']) {
        expect((await rig.ask(`/api/timeline?${name}=${text}`)).status).toBe(400);
      }
    }
    expect((await rowsOf(rig, '/api/timeline?limit=1000')).length).toBe(before);
  });
});
