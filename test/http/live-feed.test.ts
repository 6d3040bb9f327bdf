/** The live view under clients that never read. They come over a socket of the file system: over TCP the
 *  kernel would take many megabytes for each before anybody noticed. */

import { createServer, request, type IncomingMessage } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createParser } from 'eventsource-parser';
import { expect, onTestFinished, test } from 'vitest';
import { LiveFeed } from '../../src/http/live/live-feed.ts';
import { createEngine } from '../../src/index.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import type { History } from '../../storage/reading/history.ts';
import type { Row } from '../../storage/reading/timeline-reader.ts';

const CLIENTS = 1_000;
const BYTES_MAX = 64 * 1024;

/** A log that grows when it is told to. */
function growingLog() {
  const rows: Row[] = [];
  const history = {
    timeline: async ({ afterSeq, limit } = {}) =>
      afterSeq === undefined
        ? rows.slice(-(limit as number))
        : rows.slice(afterSeq, afterSeq + (limit as number)),
  } as Pick<History, 'timeline'> as History;
  const grow = (count: number) => {
    for (let more = 0; more < count; more++) {
      rows.push({
        seq: rows.length + 1,
        kind: 'command',
        actor: 'registry',
        data: { text: 'x'.repeat(400) },
      });
    }
  };
  return { history, grow, last: () => rows.length };
}

/** A feed over a socket of the file system, and clients of it that read only when they are told to. */
async function feedOver(clock: Clock, limits: { clientsMax: number; clientBytesMax: number }) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-live-'));
  const path = join(folder, 'http');
  const { history, grow, last } = growingLog();
  const engine = createEngine({ timeline: false });
  const feed = new LiveFeed({
    ...{ engine, history, clock, log: SILENT_LOGGER },
    ...limits,
    clientsMax: 2 * limits.clientsMax,
  });
  const server = createServer((_, response) => {
    void feed.open({ response, client: 'x', filter: {}, afterSeq: null, mayListen: () => true });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const sockets: Socket[] = [];
  onTestFinished(() => {
    feed.close();
    for (const socket of sockets) socket.destroy();
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });
  const connectSilent = async () => {
    const socket = connect(path);
    socket.on('error', () => {}).pause();
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  };
  return { ...{ grow, last, feed, path, server }, connectSilent };
}

test('one that is gone without a word is cut at the third heartbeat of which it took nothing', async () => {
  const clock = virtualClock();
  const limits = { clientsMax: 2, clientBytesMax: 1024 ** 3 };
  const { feed, grow, server, connectSilent } = await feedOver(clock, limits);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  await connectSilent();
  const [gone] = await accepted;
  await expect.poll(() => feed.clients).toBe(1);
  const slow = await connectSilent();
  await expect.poll(() => feed.clients).toBe(2);
  // More than the system holds for the two of them.
  while (feed.bufferedBytes < 2 * 1024 * 1024) {
    grow(200);
    await clock.advance(250);
  }
  await clock.advance(15_000);
  // Who takes what waits for it, however late, stays.
  slow.resume();
  await expect.poll(() => feed.bufferedBytes).toBe(gone.writableLength);
  await clock.advance(15_000);
  expect([feed.clients, gone.destroyed]).toEqual([2, false]);
  await clock.advance(15_000);
  expect([feed.clients, gone.destroyed]).toEqual([1, true]);
  expect(slow.destroyed).toBe(false);
});

test('a thousand of them cost no more than their budget, and are cut; who reads hears everything', async () => {
  const limits = { clientsMax: CLIENTS + 1, clientBytesMax: BYTES_MAX };
  const { feed, grow, last, path, connectSilent } = await feedOver(realClock, limits);
  for (let index = 0; index < CLIENTS; index++) await connectSilent();
  await expect.poll(() => feed.clients).toBe(CLIENTS);
  const asked = request({ socketPath: path });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const heard: number[] = [];
  const parser = createParser({ onEvent: ({ id }) => void heard.push(Number(id)) });
  answer.setEncoding('utf8').on('data', (text: string) => parser.feed(text));

  let bufferedMax = 0;
  while (feed.clients > 1) {
    expect(last()).toBeLessThan(20_000);
    grow(100);
    await expect.poll(() => heard.length, { interval: 5 }).toBe(last());
    bufferedMax = Math.max(bufferedMax, feed.bufferedBytes);
  }
  // A page may go to one who seems to read, beyond the budget.
  const pageBytes = 200 * 600;
  expect(bufferedMax / CLIENTS).toBeLessThan(BYTES_MAX + pageBytes);
  expect(bufferedMax).toBeGreaterThan(0);
  expect(heard).toEqual(Array.from({ length: last() }, (_, index) => index + 1));
  expect(feed.bufferedBytes).toBeLessThan(BYTES_MAX);
});
