/** The live view: what happens, as it happens, without a row lost or told twice. */

import Database from 'better-sqlite3';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { pushSource } from '../../src/index.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { httpRig, stored, type HttpRig } from './http-rig.ts';

interface Listener {
  readonly status: number;
  readonly events: EventSourceMessage[];
  readonly ids: () => number[];
  hasEnded: boolean;
  heartbeats: number;
  leave(): void;
}

async function listen(rig: HttpRig, query = '', headers: Record<string, string> = {}): Promise<Listener> {
  const asked = request(`${rig.url}/api/events${query}`, { headers });
  asked.end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const events: EventSourceMessage[] = [];
  const listener: Listener = {
    ...{ status: response.statusCode ?? 0, events, hasEnded: false, heartbeats: 0 },
    ids: () => events.flatMap(({ id }) => (id === undefined ? [] : [Number(id)])),
    leave: () => asked.destroy(),
  };
  const parser = createParser({
    onEvent: (event) => events.push(event),
    onComment: () => listener.heartbeats++,
  });
  response.setEncoding('utf8').on('data', (text: string) => parser.feed(text));
  response.on('error', () => {}).on('close', () => (listener.hasEnded = true));
  asked.on('error', () => {});
  onTestFinished(() => void asked.destroy());
  return listener;
}

/** `seq` of all rows of the log, in order. */
function logged(rig: HttpRig, where: (row: Record<string, unknown>) => boolean = () => true): number[] {
  const reader = openTimelineReader(rig.file);
  try {
    return reader
      .timeline()
      .filter(where)
      .map(({ seq }) => seq as number);
  } finally {
    reader.close();
  }
}

/** Whether the last row of the log, which may still grow, is among them. */
function hasAll(rig: HttpRig, ids: readonly number[]): boolean {
  const reader = openTimelineReader(rig.file);
  const [last] = reader.timeline({ limit: 1 });
  reader.close();
  return ids.at(-1) === last?.['seq'];
}

/** Waits until this many rounds are in the log, and what was heard is what it has after a row. */
async function hasHeardAll(rig: HttpRig, listener: Listener, rounds: number, afterSeq: number) {
  await expect.poll(() => logged(rig, ({ kind }) => kind === 'deregistered').length).toBe(rounds);
  // Rows that end the last round may come after that one.
  await vi.waitFor(
    () => expect(listener.ids()).toEqual(logged(rig, ({ seq }) => (seq as number) > afterSeq)),
    { timeout: 30_000 },
  );
}

async function busy(rig: HttpRig, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    await rig.engine.register(pushSource({ id: `s${round}` }));
    await rig.engine.deregister(`s${round}`, { mode: 'now' });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a live client', () => {
  test('is told every row that comes, in order, as it has it from the log', async () => {
    const rig = await httpRig();
    const listener = await listen(rig);
    const before = logged(rig).at(-1) ?? 0;
    await busy(rig, 5);
    await hasHeardAll(rig, listener, 5, before);
    const page = await rig.ask('/api/timeline?limit=1');
    expect(JSON.parse(listener.events.at(-1)?.data ?? '')).toEqual(page.json.rows[0]);
  });

  test('goes on after the last row it had, exactly', async () => {
    const rig = await httpRig();
    await busy(rig, 3);
    await expect.poll(() => logged(rig, ({ kind }) => kind === 'deregistered').length).toBe(3);
    const all = logged(rig);
    const listener = await listen(rig, '', { 'last-event-id': String(all[4]) });
    await expect.poll(() => listener.ids()).toEqual(all.slice(5));
    await busy(rig, 2);
    await hasHeardAll(rig, listener, 5, all[4] ?? 0);
  });

  test('misses nothing and hears nothing twice, however it comes and goes while much happens', async () => {
    const rig = await httpRig();
    let isOver = false;
    let visits = 0;
    const work = (async () => {
      while (visits < 8) await busy(rig, 8);
      isOver = true;
    })();
    let heard: number[] = [];
    while (!isOver) {
      const listener = await listen(rig, heard.length === 0 ? '?afterSeq=0' : '', {
        ...(heard.length === 0 ? {} : { 'last-event-id': String(heard.at(-1)) }),
      });
      const had = heard.length;
      await expect.poll(() => isOver || listener.events.length > 20, { interval: 1 }).toBe(true);
      listener.leave();
      await expect.poll(() => listener.hasEnded).toBe(true);
      heard = [...heard, ...listener.ids()];
      if (heard.length > had) visits++;
    }
    await work;
    const last = await listen(rig, '', { 'last-event-id': String(heard.at(-1)) });
    await expect.poll(() => hasAll(rig, [...heard, ...last.ids()])).toBe(true);
    expect([...heard, ...last.ids()]).toEqual(logged(rig));
  });

  test('hears only what fits its filter', async () => {
    const rig = await httpRig();
    const ofActor = await listen(rig, '?afterSeq=0&actor=s1');
    const ofKind = await listen(rig, '?afterSeq=0&kind=registered&event=registry.register');
    await busy(rig, 3);
    await expect.poll(() => ofKind.ids().length).toBe(3);
    await expect.poll(() => ofActor.ids().length).toBe(logged(rig, ({ actor }) => actor === 's1').length);
    expect(ofActor.ids()).toEqual(logged(rig, ({ actor }) => actor === 's1'));
    expect(ofKind.ids()).toEqual(logged(rig, ({ kind }) => kind === 'registered'));
  });

  test('is told an alert as such', async () => {
    const rig = await httpRig();
    const listener = await listen(rig, '?kind=alert');
    const broken = pushSource({ id: 'broken', restart: { restartsMax: 0 } });
    await rig.engine.register({ ...broken, logic: { stream: () => Promise.reject(new Error('planted')) } });
    await expect.poll(() => listener.events[0]?.event).toBe('alert');
    expect(JSON.parse(listener.events[0]?.data ?? '')).toMatchObject({ kind: 'alert', actor: 'broken' });
  });

  test('is told of rows that are gone', async () => {
    const rig = await httpRig();
    await busy(rig, 3);
    await expect.poll(() => logged(rig).length).toBeGreaterThan(20);
    const db = new Database(rig.file);
    db.exec('DELETE FROM timeline WHERE seq <= 10');
    db.close();
    const listener = await listen(rig, '?afterSeq=4');
    await expect.poll(() => listener.events.length).toBeGreaterThan(1);
    expect([listener.events[0]?.event, JSON.parse(listener.events[0]?.data ?? '')]).toEqual([
      ...['gap', { afterSeq: 4, firstSeq: 11, reason: 'deleted' }],
    ]);
    expect(listener.events[1]?.id).toBe('11');
    const fromTheFuture = await listen(rig, '', { 'last-event-id': '999999' });
    await expect.poll(() => fromTheFuture.events[0]?.event).toBe('gap');
    await busy(rig, 1);
    await expect.poll(() => fromTheFuture.events.length).toBeGreaterThan(2);
  });

  test('is refused where it asks for what is not there', async () => {
    const rig = await httpRig();
    const codeOf = async (query: string, headers: Record<string, string> = {}) =>
      (await rig.ask(`/api/events${query}`, { headers })).json.code as string;
    expect(await codeOf('?actr=x')).toBe('HG_OPTION_UNKNOWN');
    expect(await codeOf('?kind=x')).toBe('HG_OPTION_INVALID');
    expect(await codeOf('', { 'last-event-id': 'x; DROP' })).toBe('HG_HTTP_MALFORMED');
    const head = await rig.ask('/api/events', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(rig.server.live().clients).toBe(0);
  });

  test('is one too many at some point, and told to come again', async () => {
    const rig = await httpRig({ limits: { liveClientsMax: 4 } });
    const first = await listen(rig);
    expect([first.status, (await listen(rig)).status]).toEqual([200, 200]);
    const refused = await rig.ask('/api/events');
    expect([refused.status, refused.headers.get('retry-after'), refused.json.code]).toEqual([
      ...[503, '1', 'HG_HTTP_BUSY'],
    ]);
    first.leave();
    await expect.poll(() => rig.server.live().clients).toBe(1);
    expect((await listen(rig)).status).toBe(200);
  });

  test('hears nothing more once its token was taken away, and its stream ends', async () => {
    const keeps = stored('keeps', { scopes: ['read'] });
    const rig = await httpRig({ tokens: [keeps, stored('loses', { scopes: ['read'] })] });
    const [kept, lost] = [
      await listen(rig, '', { authorization: 'Bearer keeps' }),
      await listen(rig, '', { authorization: 'Bearer loses' }),
    ];
    rig.tokens = [keeps, stored('loses', { scopes: ['ingest'] })];
    await busy(rig, 1);
    await expect.poll(() => lost.hasEnded).toBe(true);
    await expect.poll(() => hasAll(rig, kept.ids())).toBe(true);
    expect([kept.hasEnded, lost.ids()]).toEqual([false, []]);
    expect(rig.server.live().clients).toBe(1);
  });

  test('that was let in without a token is one too many once there are any', async () => {
    const rig = await httpRig();
    const listener = await listen(rig);
    rig.tokens = [stored('t')];
    await busy(rig, 1);
    await expect.poll(() => listener.hasEnded).toBe(true);
    expect(listener.ids()).toEqual([]);
  });

  test('whose token expires, or is taken away, is let go at the next heartbeat while nothing happens', async () => {
    const clock = virtualClock();
    const expiresAtMs = clock.wallMs() + 20_000;
    const tokens = [stored('expires', { expiresAtMs }), stored('loses'), stored('keeps')];
    const rig = await httpRig({ clock, tokens });
    const [expires, loses, keeps] = [
      await listen(rig, '', { authorization: 'Bearer expires' }),
      await listen(rig, '', { authorization: 'Bearer loses' }),
      await listen(rig, '', { authorization: 'Bearer keeps' }),
    ];
    await clock.advance(15_000);
    for (const one of [expires, loses, keeps]) await expect.poll(() => one.heartbeats).toBe(1);
    rig.tokens = tokens.filter(({ name }) => name !== 'loses');
    await clock.advance(15_000);
    for (const one of [expires, loses]) await expect.poll(() => one.hasEnded).toBe(true);
    await expect.poll(() => keeps.heartbeats).toBe(2);
    expect([expires.heartbeats, loses.heartbeats, keeps.hasEnded]).toEqual([1, 1, false]);
  });

  test('is let go when the server ends', async () => {
    const rig = await httpRig({ tokens: [stored('t', { scopes: ['read'] })] });
    const listener = await listen(rig, '', { authorization: 'Bearer t' });
    await rig.server.close({ deadlineMs: 1_000 });
    await expect.poll(() => listener.hasEnded).toBe(true);
  });
});
