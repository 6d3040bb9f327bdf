/** Text from outside stays text: whatever bears it, through the log, the timeline, dead letters and every
 *  answer of the API, it comes back as it was, in JSON; on a terminal and in the log it is shown and not
 *  obeyed. */

import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { query } from '../storage/fixture.ts';
import { headgate } from '../support/command-line.ts';
import { mosquittoMissing, startMosquitto, type MosquittoBroker } from '../support/mqtt-brokers.ts';
import { skipNote } from '../support/skip-note.ts';
import { until } from '../chaos/rig/until.ts';
import { startGateway, type Answer, type GatewayProcess } from './gateway-process.ts';
import { controlsIn, HOSTILE_TEXTS, isObeyed, obeyedIn } from './hostile-text.ts';
import { isStream, routesOf } from './routes.ts';

const json = { 'content-type': 'application/json' };
const WAIT_MS_MAX = 30_000;
/** Topics have no wildcards, no null and no control characters that brokers refuse. */
const TOPICS = HOSTILE_TEXTS.filter(
  (text) => !/[#+\u0000-\u001f\u007f-\u009f\ud800-\udfff\ufeff]/.test(text),
);

let broker: MosquittoBroker | null = null;
let gateway: GatewayProcess;

beforeAll(async () => {
  if (mosquittoMissing === null) broker = await startMosquitto();
  const topics =
    broker === null ? {} : { topics: { type: 'mqtt', url: broker.url, topics: 'names/#', decode: 'text' } };
  gateway = await startGateway({
    config: {
      sources: { line: { type: 'push', decode: 'json' }, rows: { type: 'push', decode: 'json' }, ...topics },
      // Fails with the text in its message.
      stages: [{ filter: 'record.id != "rows" || int(record.data.text) > 0' }],
      logging: { level: 'debug' },
    },
  });
  await sendAll();
});
afterAll(async () => {
  await gateway?.[Symbol.asyncDispose]();
  await broker?.dispose();
});

/** Every way in that takes text. */
async function sendAll(): Promise<void> {
  const post = (path: string, body: unknown, headers = json) =>
    gateway.ask({ method: 'POST', path, headers, body: JSON.stringify(body) });
  const records = HOSTILE_TEXTS.map((text) => ({ text, [text.toWellFormed()]: text }));
  expect((await post('/api/ingest/line', records)).status).toBe(200);
  await post('/api/ingest/rows', records);
  for (const text of HOSTILE_TEXTS) {
    await gateway.ask({
      method: 'POST',
      path: '/api/ingest/line',
      headers: json,
      body: `{"broken": ${text}`,
    });
    const name = encodeURIComponent(text.toWellFormed());
    await post(`/api/sources/${name}/pause`, {});
    await post('/api/sources', { id: text, type: 'push', tenant: text });
    await gateway.ask({ path: `/api/explain/${name}` });
    await gateway.ask({
      path: `/${name}`,
      headers: { 'user-agent': encodeURIComponent(text.toWellFormed()) },
    });
  }
  if (broker === null) return;
  const client = await mqtt.connectAsync(broker.url);
  await until(
    'the source has subscribed',
    WAIT_MS_MAX,
    async () => (await stateOf('topics')) === 'streaming',
  );
  for (const topic of TOPICS) await client.publishAsync(`names/${topic}`, topic, { qos: 1 });
  await client.endAsync();
}

async function stateOf(id: string): Promise<unknown> {
  return ((await gateway.ask({ path: `/api/sources/${id}` })).json as { state?: unknown }).state;
}

const isSafe = ({ headers }: Answer) => {
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect(headers['content-type']).toMatch(
    /^(?:application\/(?:problem\+)?json|text\/(?:plain|event-stream)|application\/openmetrics-text|application\/yaml)\b/,
  );
  expect(headers['set-cookie']).toBeUndefined();
};

test('a hundred texts are tried', () => {
  expect(new Set(HOSTILE_TEXTS).size).toBe(100);
});

describe('the API', () => {
  test('answers every route with what no browser shows', async () => {
    for (const route of await routesOf(gateway)) {
      if (isStream(route)) continue;
      isSafe(await gateway.ask({ method: route.method, path: route.path }));
    }
  });

  test('answers what it does not understand with what no browser shows', async () => {
    for (const text of HOSTILE_TEXTS) {
      const name = encodeURIComponent(text.toWellFormed());
      for (const path of [
        `/${name}`,
        `/api/sources/${name}`,
        `/api/timeline?kind=${name}`,
        `/api/timeline?${name}=1`,
      ]) {
        const answer = await gateway.ask({ path });
        isSafe(answer);
        expect([400, 404]).toContain(answer.status);
        expect(answer.json).toMatchObject({ status: answer.status });
        expect(controlsIn(answer.text)).toEqual([]);
      }
    }
  });

  test('gives back the text of dead letters as it was', async () => {
    const seen = new Set<unknown>();
    for (let after = 0; ;) {
      const { json: page, text } = await gateway.ask({
        path: `/api/dead-letters?source=rows&limit=50&afterId=${after}`,
      });
      expect(controlsIn(text)).toEqual([]);
      const { letters: rows } = page as { letters: { id: number; payload: string }[] };
      for (const { payload } of rows) seen.add((JSON.parse(payload) as { text: string }).text);
      if (rows.length === 0) break;
      after = (rows.at(-1) as { id: number }).id;
    }
    expect(HOSTILE_TEXTS.filter((text) => !seen.has(text))).toEqual([]);
  });

  test('tells of all of it in events that no text can end or forge', async () => {
    const text = await eventsOf(gateway, '/api/events?afterSeq=0');
    expect(controlsIn(text)).toEqual([]);
    for (const event of text.split('\n\n').slice(0, -1)) {
      const lines = event.split('\n');
      for (const line of lines) expect(line).toMatch(/^(?:event: \w+$|id: \d+$|data: \{|retry: \d+$|:)/);
      const data = lines.filter((line) => line.startsWith('data: '));
      expect(data.length).toBeLessThanOrEqual(1);
      for (const line of data) JSON.parse(line.slice(6));
    }
    expect(text).not.toContain('"forged":true');
  });

  test('has metrics that no text can forge', async () => {
    const { text } = await gateway.ask({ path: '/metrics' });
    expect(text).not.toMatch(/^forged/m);
    for (const line of text.split('\n')) {
      expect(line).toMatch(/^(?:$|# |[a-zA-Z_:][\w:]*(?:\{.*\})? [-+.\deEInfNa]+(?: \d+)?$)/);
    }
  });
});

test(`a topic is data as any other${skipNote(mosquittoMissing)}`, async () => {
  if (broker === null) return;
  const sources = async () =>
    (await gateway.ask({ path: '/api/sources/topics' })).json as { recordsProduced: number };
  await until('all are there', WAIT_MS_MAX, async () => (await sources()).recordsProduced >= TOPICS.length);
  const rows = query(gateway.file, "SELECT data FROM records WHERE source_id = 'topics'");
  const topics = rows.map(({ data }) => (JSON.parse(data as string) as { topic: string }).topic);
  expect(topics.sort()).toEqual(TOPICS.map((topic) => `names/${topic}`).sort());
});

test('the log has one JSON object a line, in which nothing acts on a terminal', () => {
  const lines = gateway.logLines();
  expect(lines.length).toBeGreaterThan(10);
  expect(obeyedIn(gateway.log())).toEqual([]);
  expect(lines.filter((line) => line['msg'] === 'forged' || line['level'] === 'fatal')).toEqual([]);
});

describe('the command line shows it, and obeys none of it:', () => {
  const commands: readonly (readonly string[])[] = [
    ['timeline', 'FILE', '--limit', '5000'],
    ['sources', 'FILE'],
    ['alerts', 'FILE'],
    ['dead-letters', 'list', 'FILE'],
    ['query', 'FILE', 'SELECT * FROM records ORDER BY seq'],
    ['query', 'FILE', 'SELECT * FROM dead_letters'],
    ['records', 'export', 'FILE', '--format', 'ndjson'],
    ['explain', 'FILE', 'line'],
  ];
  for (const command of commands) {
    for (const form of [[], ['--json']]) {
      if (form.length > 0 && command[0] === 'records') continue;
      test([...command, ...form].join(' '), async () => {
        const args = command.map((word) => (word === 'FILE' ? gateway.file : word));
        const { exitCode, stdout, stderr } = await headgate([...args, ...form]);
        expect(exitCode === 0 ? '' : `${exitCode}: ${stderr}`).toBe('');
        // An export is data for programs, and is what was stored to the byte.
        const found = command[0] === 'records' ? controlsIn(stdout) : obeyedIn(stdout + stderr);
        expect(found).toEqual([]);
      });
    }
  }

  const obeyed = HOSTILE_TEXTS.filter((text) => isObeyed(text) && !text.includes('\0'));
  for (const text of obeyed.filter((_, n) => n % 3 === 0)) {
    test(`what it was given itself: ${JSON.stringify(text)}`, async () => {
      const { stdout, stderr, exitCode } = await headgate(['timeline', gateway.file, '--actor', text]);
      expect(exitCode).not.toBe(1);
      expect(obeyedIn(stdout + stderr)).toEqual([]);
    });
  }
});

/** What a stream of events says, up to the last row there is now. */
async function eventsOf(from: GatewayProcess, path: string): Promise<string> {
  const { rows } = (await from.ask({ path: '/api/timeline?limit=1' })).json as { rows: { seq: number }[] };
  const response = await fetch(`http://127.0.0.1:${from.port}${path}`);
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes(`\nid: ${rows[0]?.seq}\n`) && text.endsWith('\n\n')) break;
  }
  return text;
}
