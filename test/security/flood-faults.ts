/** Clients that take and give what they like: what the gateway spends on them, and what the others notice. */

import { once } from 'node:events';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { realClock } from '../../src/platform/real-clock.ts';
import { query } from '../storage/fixture.ts';
import type { Fault } from '../chaos/faults/fault.ts';
import { holdsWithin, until } from '../chaos/rig/until.ts';
import { startGateway, testToken, type GatewayProcess } from './gateway-process.ts';
import { startPoliteClient } from './polite-client.ts';
import { frameOf, openSocket, OPCODES, type RawSocket } from './web-socket.ts';

const MIB = 1024 * 1024;
const WAIT_MS_MAX = 60_000;
const REQUEST_TIMEOUT_MS = 2_000;
const LIVE_CLIENT_BYTES_MAX = 256 * 1024;

const admin = testToken('admin', ['admin']);
const BOMB = gzipSync(Buffer.alloc(16 * MIB, 0x5b));
const auth = { tokens: [admin.stored] };
const bearer = { authorization: `Bearer ${admin.token}` };

/** Rows of the timeline that no client that reads could miss: as many as overflow whoever does not. */
async function makeRows(gateway: GatewayProcess, isEnough: () => boolean): Promise<void> {
  for (let turn = 0; !isEnough(); turn++) {
    const ways = Array.from({ length: 20 }, (_, n) => ((turn * 20 + n) % 2 === 0 ? 'pause' : 'resume'));
    for (const way of ways) {
      await gateway.ask({ method: 'POST', path: `/api/sources/busy/${way}`, token: admin.token });
    }
  }
}

interface Listener {
  readonly isGone: boolean;
  /** Finds out whether the other side is still there: what is not read does not tell. */
  probe(): void;
  close(): void;
}

async function startListener(port: number, onText?: (text: string) => void): Promise<Listener> {
  const socket = net.connect(port, '127.0.0.1');
  let isGone = false;
  socket.on('error', () => (isGone = true));
  socket.on('close', () => (isGone = true));
  await once(socket, 'connect');
  socket.write(
    `GET /api/events?afterSeq=0 HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: ${bearer.authorization}\r\n\r\n`,
  );
  if (onText === undefined) socket.pause();
  else socket.setEncoding('utf8').on('data', onText);
  return {
    get isGone() {
      return isGone;
    },
    probe: () => void socket.write('x'),
    close: () => void socket.destroy(),
  };
}

const unread: Fault = {
  name: 'live-clients-unread',
  title: 'cuts off listeners to live events that never read, and the one that reads misses nothing',
  expected: {
    cut: { atLeast: 1 },
    left: 0,
    rowsMissed: 0,
    mibPerClient: { atMost: 2 },
    lost: 0,
    unacknowledged: 0,
    exitCode: 0,
  },
  async run({ scale }) {
    const clients = scale === 'short' ? 100 : 1_000;
    const limits = {
      ...{ requestsPerSecondMax: 100_000, connectionsMax: 4_000, connectionsPerAddressMax: 4_000 },
      ...{ liveClientsMax: 2 * clients + 2, liveClientBytesMax: LIVE_CLIENT_BYTES_MAX },
    };
    const sources = { line: { type: 'push', decode: 'json' }, busy: { type: 'push', decode: 'json' } };
    await using gateway = await startGateway({ config: { http: { port: 0, limits }, auth, sources } });
    let text = '';
    const good = await startListener(gateway.port, (chunk) => (text += chunk));
    const polite = startPoliteClient(gateway, admin.token);
    await until('records flow', WAIT_MS_MAX, () => polite.p99Ms() > 0);
    await makeRows(gateway, () => text.length > 100_000);
    const p99MsBefore = polite.p99Ms();
    const bytesBefore = gateway.residentBytes();
    const listeners: Listener[] = [];
    for (let n = 0; n < clients; n++) listeners.push(await startListener(gateway.port));
    let bytesMost = 0;
    const goneCount = () => listeners.filter(({ isGone }) => isGone).length;
    let looks = 0;
    await makeRows(gateway, () => {
      bytesMost = Math.max(bytesMost, gateway.residentBytes());
      if (++looks % 20 === 0) for (const listener of listeners) if (!listener.isGone) listener.probe();
      return goneCount() === clients;
    });
    const p99MsDuring = polite.p99Ms();
    const { sent, acknowledged } = await polite.end();
    const [last] = query(gateway.file, 'SELECT max(seq) AS seq FROM timeline');
    await until('the good one has all', WAIT_MS_MAX, () => text.includes(`\nid: ${String(last?.['seq'])}\n`));
    const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
    const facts = {
      ...{ clients, cut: goneCount(), left: clients - goneCount() },
      rowsMissed: ids.filter((id, index) => index > 0 && id !== (ids[index - 1] as number) + 1).length,
      rows: ids.length,
      mibPerClient: Math.round(((bytesMost - bytesBefore) / clients / MIB) * 100) / 100,
      ...{ p99MsBefore, p99MsDuring, unacknowledged: sent - acknowledged },
      lost: acknowledged - countOfRecords(gateway),
    };
    for (const listener of [good, ...listeners]) listener.close();
    return { ...facts, exitCode: await gateway.stop() };
  },
};

function countOfRecords(gateway: GatewayProcess): number {
  return query(gateway.file, 'SELECT count(*) AS n FROM records WHERE data LIKE \'{"n":%\'')[0]?.[
    'n'
  ] as number;
}

type Attack = (gateway: GatewayProcess, size: number) => Promise<{ readonly left: number }>;
const opened = (gateway: GatewayProcess) =>
  openSocket(gateway.port, { path: '/api/ingest/line', headers: bearer });
const text = (payload: string) => frameOf({ opcode: OPCODES.text, payload });

/** So many at once; counts those that the server has not got rid of. */
async function each(
  gateway: GatewayProcess,
  size: number,
  attack: (socket: RawSocket) => void,
): Promise<{ left: number }> {
  const sockets: RawSocket[] = [];
  for (let n = 0; n < size; n++) sockets.push(await opened(gateway));
  for (const socket of sockets) if (socket.isOpen) attack(socket);
  // Told goodbye and read no more: the connection goes when the client says so too, or has not for a while.
  const isLeft = ({ isOpen, closeCode }: RawSocket) => isOpen && closeCode === null;
  const isOver = () => !sockets.some(isLeft);
  await holdsWithin(WAIT_MS_MAX, isOver, 50);
  const left = sockets.filter(isLeft).length;
  for (const socket of sockets) socket.close();
  return { left };
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  async connects(gateway, size) {
    const sockets: RawSocket[] = [];
    for (let n = 0; n < size * 10; n++) sockets.push(await opened(gateway));
    const refused = sockets.filter((socket) => socket.refused !== undefined);
    for (const socket of sockets) socket.close();
    // As many as there may be stand, the others were told.
    return { left: refused.every((one) => one.refused === 503) && refused.length > 0 ? 0 : sockets.length };
  },
  garbage: (gateway, size) => each(gateway, size, (socket) => void socket.write(text('{"id":'))),
  'no frames': (gateway, size) =>
    each(gateway, size, (socket) => void socket.write(Buffer.alloc(100_000, 0xff))),
  unmasked: (gateway, size) =>
    each(gateway, size, (socket) => {
      socket.write(frameOf({ opcode: OPCODES.text, payload: '{"id":1,"records":[]}', isMasked: false }));
    }),
  'more than credit': (gateway, size) =>
    each(gateway, size, (socket) => {
      const message = text('{"id":1,"records":[{"flood":1}]}');
      socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => message)));
      socket.write(text('no JSON'));
    }),
  fragments: (gateway, size) =>
    each(gateway, size, (socket) => {
      const first = frameOf({ opcode: OPCODES.text, payload: '{', isFinal: false });
      const next = frameOf({ opcode: OPCODES.continuation, payload: ' ', isFinal: false });
      socket.write(Buffer.concat([first, ...Array.from({ length: 10_000 }, () => next)]));
    }),
  'a message without end': (gateway, size) =>
    each(gateway, size, (socket) => {
      const head = frameOf({ opcode: OPCODES.text, payload: Buffer.alloc(MIB, 0x20), isFinal: false });
      socket.write(head);
    }),
  'a compressed bomb': (gateway, size) =>
    each(gateway, size, (socket) => {
      socket.write(frameOf({ opcode: OPCODES.text, payload: BOMB, isCompressed: true }));
    }),
  pings: (gateway, size) =>
    each(gateway, size, (socket) => {
      const ping = frameOf({ opcode: OPCODES.ping, payload: Buffer.alloc(125) });
      socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => ping)));
    }),
  async 'a compressed upload'(gateway, size) {
    const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip', ...bearer };
    const asked = { method: 'POST', path: '/api/ingest/line', headers, body: BOMB };
    // It may be cut off before it has read its answer.
    const attempts = Array.from({ length: size }, () =>
      gateway.ask(asked).catch(() => ({ status: 400, json: undefined })),
    );
    const answers = await Promise.all(attempts);
    // Line or body, it is longer than may be: nothing of it is kept.
    const isKept = ({ json }: { json?: unknown }) =>
      (json as { accepted?: number } | undefined)?.accepted !== 0;
    return { left: answers.filter((answer) => answer.status < 400 && isKept(answer)).length };
  },
  async 'headers that never end'(gateway, size) {
    const sockets = await Promise.all(
      Array.from({ length: size * 5 }, async () => {
        const socket = net.connect(gateway.port, '127.0.0.1');
        let isGone = false;
        socket.on('error', () => {}).on('close', () => (isGone = true));
        socket.resume();
        await once(socket, 'connect');
        socket.write('POST /api/ingest/line HTTP/1.1\r\nhost: 127.0.0.1\r\n');
        const drip = setInterval(() => socket.write('x-slow: 1\r\n'), 200);
        socket.on('close', () => clearInterval(drip));
        return { socket, isGone: () => isGone };
      }),
    );
    await holdsWithin(WAIT_MS_MAX, () => sockets.every(({ isGone }) => isGone()), 50);
    const left = sockets.filter(({ isGone }) => !isGone()).length;
    for (const { socket } of sockets) socket.destroy();
    return { left };
  },
};

const flood: Fault = {
  name: 'web-socket-flood',
  title: 'stands clients that connect, send and dawdle as nobody should, and serves the one that does not',
  expected: { left: 0, leftBy: '', unacknowledged: 0, lost: 0, mibMore: { atMost: 512 }, exitCode: 0 },
  async run({ scale }) {
    const limits = {
      ...{ requestsPerSecondMax: 100_000, connectionsMax: 2_000, connectionsPerAddressMax: 2_000 },
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
    };
    await using gateway = await startGateway({ config: { http: { port: 0, limits }, auth } });
    const polite = startPoliteClient(gateway, admin.token);
    const quiet = realClock.sleep(scale === 'short' ? 1_000 : 10_000);
    await quiet;
    const p99MsBefore = polite.p99Ms();
    const bytesBefore = gateway.residentBytes();
    const leftBy: string[] = [];
    let [left, bytesMost, p99MsDuring] = [0, 0, 0];
    let worst = '';
    for (const [name, attack] of Object.entries(ATTACKS)) {
      const outcome = await attack(gateway, scale === 'short' ? 20 : 100);
      left += outcome.left;
      if (outcome.left > 0) leftBy.push(`${outcome.left} ${name}`);
      bytesMost = Math.max(bytesMost, gateway.residentBytes());
      const p99Ms = polite.p99Ms();
      if (p99Ms > p99MsDuring) [p99MsDuring, worst] = [p99Ms, name];
    }
    const { sent, acknowledged, refusals, failures } = await polite.end();
    const facts = {
      ...{ attacks: Object.keys(ATTACKS).length, left, leftBy: leftBy.join(', ') },
      ...{ refusals, failures },
      ...{ sent, unacknowledged: sent - acknowledged, p99MsBefore, p99MsDuring, worst },
      lost: acknowledged - countOfRecords(gateway),
      mibMore: Math.round((bytesMost - bytesBefore) / MIB),
    };
    return { ...facts, exitCode: await gateway.stop() };
  },
};

export const FLOOD_FAULTS: readonly Fault[] = [unread, flood];
