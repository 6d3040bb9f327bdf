/** A WebSocket client that says exactly what it is told to, frame by frame, and that can be no client at
 *  all. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { until, within } from '../chaos/rig/until.ts';

const OPEN_MS_MAX = 30_000;

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameParts {
  readonly opcode: number;
  readonly payload: string | Buffer;
  readonly isFinal?: boolean;
  /** A compressed message, where that was agreed on. */
  readonly isCompressed?: boolean;
  readonly isMasked?: boolean;
}

/** RFC 6455, 5.2. */
export function frameOf({
  opcode,
  payload,
  isFinal = true,
  isCompressed,
  isMasked = true,
}: FrameParts): Buffer {
  const bytes = Buffer.from(payload);
  const first = (isFinal ? 0x80 : 0) | (isCompressed === true ? 0x40 : 0) | opcode;
  const length = Buffer.alloc(bytes.length < 126 ? 0 : bytes.length < 65_536 ? 2 : 8);
  if (length.length === 2) length.writeUInt16BE(bytes.length);
  if (length.length === 8) length.writeBigUInt64BE(BigInt(bytes.length));
  const code = length.length === 0 ? bytes.length : length.length === 2 ? 126 : 127;
  const head = Buffer.concat([Buffer.from([first, (isMasked ? 0x80 : 0) | code]), length]);
  if (!isMasked) return Buffer.concat([head, bytes]);
  const mask = randomBytes(4);
  const masked = bytes.map((byte, index) => byte ^ (mask[index % 4] as number));
  return Buffer.concat([head, mask, masked]);
}

export interface RawSocket {
  /** The status of the answer where it was not opened. */
  readonly refused: number | undefined;
  readonly isOpen: boolean;
  /** The head of the answer. */
  readonly head: string;
  /** Texts that were received. */
  readonly texts: readonly string[];
  /** The code of the server's goodbye; null where it just went. */
  readonly closeCode: number | null;
  /** Resolves false where the server takes no more at the moment. */
  write(bytes: Buffer): boolean;
  pause(): void;
  /** Resolves when the connection is gone. */
  gone(withinMs?: number): Promise<void>;
  close(): void;
}

export interface OpenOptions {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function openSocket(port: number, { path, headers = {} }: OpenOptions): Promise<RawSocket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const asked = {
    host: `127.0.0.1:${port}`,
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    ...headers,
  };
  const lines = Object.entries(asked).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  let received = Buffer.alloc(0);
  let head = '';
  const texts: string[] = [];
  let closeCode: number | null = null;
  let isGone = false;
  socket.on('close', () => (isGone = true));
  const readFrames = () => {
    for (let frame = nextFrame(received); frame !== null; frame = nextFrame(received)) {
      received = received.subarray(frame.length);
      if (frame.opcode === OPCODES.text) texts.push(frame.payload.toString());
      if (frame.opcode === OPCODES.close && frame.payload.length >= 2)
        closeCode = frame.payload.readUInt16BE();
    }
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (head === '' && end >= 0) {
      head = received.subarray(0, end).toString();
      received = received.subarray(end + 4);
    }
    if (head.startsWith('HTTP/1.1 101')) readFrames();
  });
  await until(`the answer to an upgrade of ${path}`, OPEN_MS_MAX, () => head !== '' || isGone, 2);
  const status = Number(head.slice(9, 12));
  const refused = status === 101 ? undefined : status;
  if (refused !== undefined) socket.destroy();
  return {
    ...{ refused, head, texts },
    get isOpen() {
      return refused === undefined && !isGone;
    },
    get closeCode() {
      return closeCode;
    },
    write: (bytes) => socket.write(bytes),
    pause: () => void socket.pause(),
    async gone(withinMs = OPEN_MS_MAX) {
      if (!isGone) await within(withinMs, 'the server ends the connection', once(socket, 'close'));
    },
    close: () => void socket.destroy(),
  };
}

/** The first whole frame in what was received; a server's frames are not masked. */
function nextFrame(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | null {
  if (bytes.length < 2) return null;
  const code = (bytes[1] as number) & 0x7f;
  const headLength = code < 126 ? 2 : code === 126 ? 4 : 10;
  if (bytes.length < headLength) return null;
  const size = code < 126 ? code : code === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const length = headLength + size;
  if (bytes.length < length) return null;
  return { opcode: (bytes[0] as number) & 0x0f, payload: bytes.subarray(headLength, length), length };
}
