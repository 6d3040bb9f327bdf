import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  KEPT_BYTES_MAX,
  webSocketFrames,
  type FrameRule,
} from '../../../../actors/protocols/socket/web-socket-frames.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');
const TEXT = 0x1;
const BINARY = 0x2;
const PING = 0x9;

function frame(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = first;
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

interface Message {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Reads frames as a client does: messages with their fragments put together, control frames apart. */
function read(bytes: Buffer): { messages: Message[]; pings: number } {
  const messages: Message[] = [];
  let begun: { opcode: number; parts: Buffer[] } | null = null;
  let pings = 0;
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at] ?? 0;
    const short = bytes[at + 1] ?? 0;
    const bodyAt = at + (short === 126 ? 4 : short === 127 ? 10 : 2);
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short;
    const payload = bytes.subarray(bodyAt, bodyAt + length);
    at = bodyAt + length;
    if ((first & 0xf) === PING) {
      pings++;
      continue;
    }
    begun ??= { opcode: first & 0xf, parts: [] };
    begun.parts.push(payload);
    if ((first & 0x80) === 0) continue;
    messages.push({ opcode: begun.opcode, payload: Buffer.concat(begun.parts) });
    begun = null;
  }
  expect(begun).toBeNull();
  return { messages, pings };
}

/** What comes out of a stream that is cut into pieces of these sizes. */
function filtered(rule: FrameRule, stream: Buffer, sizes: readonly number[]) {
  const frames = webSocketFrames(rule);
  const out: Buffer[] = [];
  for (let at = 0, index = 0; at < stream.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    out.push(...frames.push(Buffer.from(stream.subarray(at, at + size))));
    at += size;
  }
  const bytes = Buffer.concat(out);
  expect(bytes.subarray(0, HEAD.length)).toEqual(HEAD);
  return { frames, ...read(bytes.subarray(HEAD.length)) };
}

/** Messages, each in fragments with a ping before each of them. */
const sent = fc.array(
  fc.record({
    opcode: fc.constantFrom(TEXT, BINARY),
    fragments: fc.array(
      fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(0, 125, 126, 2_000, 3_001, 70_000)),
      { minLength: 1, maxLength: 4 },
    ),
  }),
  { minLength: 1, maxLength: 6 },
);
const pieces = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 4 });

type Sent = { opcode: number; fragments: number[] };
const streamOf = (messages: readonly Sent[]) =>
  Buffer.concat([
    HEAD,
    ...messages.flatMap(({ opcode, fragments }, index) =>
      fragments.flatMap((bytes, part) => {
        const isLast = part === fragments.length - 1;
        const first = (isLast ? 0x80 : 0) | (part === 0 ? opcode : 0);
        return [frame(0x80 | PING, Buffer.alloc(2)), frame(first, Buffer.alloc(bytes, index + 1))];
      }),
    ),
  ]);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

test('a message above the limit is cut in its place, its size told; all others and the pings pass', () => {
  const messageBytesMax = 3_000;
  fc.assert(
    fc.property(sent, pieces, (messages, sizes) => {
      const {
        frames,
        messages: passed,
        pings,
      } = filtered({ kind: 'cut', messageBytesMax }, streamOf(messages), sizes);
      expect(pings).toBe(sum(messages.map(({ fragments }) => fragments.length)));
      expect(passed.map(({ opcode }) => opcode)).toEqual(messages.map(({ opcode }) => opcode));
      messages.forEach(({ fragments }, index) => {
        const bytes = sum(fragments);
        const isCut = bytes > messageBytesMax;
        const { payload } = passed[index] as Message;
        expect(frames.cutBytes(index)).toBe(isCut ? bytes : undefined);
        expect(payload.every((byte) => byte === index + 1)).toBe(true);
        if (isCut) expect(payload.length).toBeLessThanOrEqual(messageBytesMax);
        else expect(payload.length).toBe(bytes);
        if (isCut) expect(payload.length).toBeGreaterThanOrEqual(Math.min(KEPT_BYTES_MAX, bytes));
      });
    }),
  );
});

test('a stream of bytes in large messages is the same stream in small ones', () => {
  fc.assert(
    fc.property(sent, pieces, (messages, sizes) => {
      const binary = messages.map(({ fragments }) => ({ opcode: BINARY, fragments }));
      const { messages: passed } = filtered({ kind: 'split' }, streamOf(binary), sizes);
      const expected = binary.map(({ fragments }, index) => Buffer.alloc(sum(fragments), index + 1));
      expect(Buffer.concat(passed.map(({ payload }) => payload))).toEqual(Buffer.concat(expected));
      for (const { payload } of passed) expect(payload.length).toBeLessThanOrEqual(64 * 1024);
    }),
  );
});

describe('what cannot be read passes as it is:', () => {
  test.each([
    ['an answer that is no upgrade', Buffer.from('HTTP/1.1 429 Too Many Requests\r\n\r\n\x82\x7e1234')],
    ['a head without an end', Buffer.alloc(100_000, 'x')],
    ['a masked frame', Buffer.concat([HEAD, Buffer.of(0x81, 0x81, 0, 0, 0, 0, 0x31)])],
    ['a reserved bit', Buffer.concat([HEAD, Buffer.of(0xf1, 0x00)])],
    ['a length beyond reason', Buffer.concat([HEAD, Buffer.of(0x82, 0x7f), Buffer.alloc(8, 0xff)])],
  ])('%s', (_, stream) => {
    const frames = webSocketFrames({ kind: 'cut', messageBytesMax: 10 });
    const out = [...stream].flatMap((byte) => frames.push(Buffer.of(byte)));
    expect(Buffer.concat(out)).toEqual(stream);
  });
});
