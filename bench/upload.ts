/** The sender of the ingest benchmarks: `node bench/upload.ts http|ws PORT WARM-UP MEASURED`, in requests or
 *  messages. Sends bytes that were made beforehand, as fast as they are answered, and reads answers without a
 *  look at them: it is never what a flow waits for. Prints `warm` when the warm-up is answered, and the
 *  seconds from there to the last answer. */

import net from 'node:net';
import { WebSocket } from 'ws';
import { INGEST_PATH, MESSAGE_RECORDS, UPLOAD_RECORDS } from './measurements/ingest-shape.ts';
import { readings } from './measurements/readings.ts';

const [kind = '', ...rest] = process.argv.slice(2);
const [port = 0, warmUp = 0, measured = 0] = rest.map(Number);

/** Senders at a time, and what each has under way: a few devices that upload together. */
const CONNECTIONS = 4;
const MESSAGES_IN_FLIGHT = 16;

let left = 0;
let answered = 0;
let allAnswered: () => void = () => {};

function oneAnswered(): void {
  if (--answered === 0) allAnswered();
}

/** Sends this many, from all connections, and waits for their answers. */
async function round(count: number, senders: readonly (() => void)[], inFlight: number): Promise<void> {
  left = answered = count;
  const all = new Promise<void>((resolve) => (allAnswered = resolve));
  for (const send of senders) for (let n = 0; n < inFlight; n++) if (left-- > 0) send();
  await all;
}

async function httpSender(): Promise<() => void> {
  const body = readings
    .slice(0, UPLOAD_RECORDS)
    .map((reading) => `${JSON.stringify(reading)}\n`)
    .join('');
  const request = Buffer.from(
    `POST ${INGEST_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-ndjson\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const socket = net.connect(port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
    const length = Number(/^content-length: (\d+)/im.exec(text)?.[1]);
    if (text.length < end + 4 + length) return;
    text = '';
    oneAnswered();
    if (left-- > 0) socket.write(request);
  });
  return () => socket.write(request);
}

async function wsSender(): Promise<() => void> {
  const list = JSON.stringify(readings.slice(0, MESSAGE_RECORDS));
  const socket = new WebSocket(`ws://127.0.0.1:${port}${INGEST_PATH}`, { perMessageDeflate: false });
  await new Promise<void>((resolve) => socket.once('open', () => resolve()));
  let id = 0;
  const send = () => socket.send(`{"id":${id++},"records":${list}}`);
  socket.on('message', (data: Buffer) => {
    for (const line of data.toString('latin1').split('\n')) {
      if (line.startsWith('{"nack"') || line.startsWith('{"error"')) throw new Error(line);
      if (!line.startsWith('{"ack"')) continue;
      oneAnswered();
      if (left-- > 0) send();
    }
  });
  return send;
}

const makeSender = kind === 'ws' ? wsSender : httpSender;
const senders = await Promise.all(Array.from({ length: CONNECTIONS }, makeSender));
const inFlight = kind === 'ws' ? MESSAGES_IN_FLIGHT : 1;
await round(warmUp, senders, inFlight);
const beganMs = performance.now();
await round(measured, senders, inFlight);
process.stdout.write(`${(performance.now() - beganMs) / 1_000}\n`, () => process.exit(0));
