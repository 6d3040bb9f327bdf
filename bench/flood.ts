/** The attacker of the ingest benchmarks: `node bench/flood.ts PORT PAUSE-MS`. Begins one abuse after the
 *  other, of each kind that a WebSocket knows in turn, until it is killed; connections that it is left with
 *  it keeps. Prints a line after the first round, when it has come up to speed. */

import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { INGEST_PATH } from './measurements/ingest-shape.ts';

const [port = 0, pauseMs = 0] = process.argv.slice(2).map(Number);
const url = `ws://127.0.0.1:${port}${INGEST_PATH}`;
const BURST = 200;

function opened(attack: (socket: WebSocket, raw: net.Socket) => void): void {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on('error', () => {});
  socket.on('open', () => attack(socket, (socket as unknown as { _socket: net.Socket })._socket));
}

function raw(text: string): void {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
  socket.on('error', () => {});
}

const many = (act: () => void) => {
  for (let index = 0; index < BURST; index++) act();
};

/** A compressed frame of nothing, masked, though no compression was agreed to. */
const COMPRESSED = Buffer.from([0xc1, 0x80, 0, 0, 0, 0]);
/** The beginning of a message that never goes on. */
const HALF = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4, 0x7b]);

const ATTACKS: readonly (() => void)[] = [
  () => opened(() => {}),
  () => opened((socket) => many(() => socket.ping())),
  () => opened((socket) => many(() => socket.send('x', { fin: false }))),
  () => opened((socket) => many(() => socket.send('no message'))),
  () => opened((socket) => many(() => socket.send('{"id":1,"records":[]}'))),
  () => opened((socket) => socket.send('x'.repeat(1_000_000))),
  () => opened((_, stream) => stream.write(COMPRESSED)),
  () => opened((_, stream) => stream.write(HALF)),
  () => raw(`GET ${INGEST_PATH} HTTP/1.1\r\nhost: x\r\nx-slow: `),
  () =>
    raw(`POST ${INGEST_PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 9\r\n\r\na`),
];

for (let round = 0; ; round++) {
  for (const attack of ATTACKS) {
    attack();
    await wait(pauseMs);
  }
  if (round === 0) process.stdout.write('up to speed\n');
}
