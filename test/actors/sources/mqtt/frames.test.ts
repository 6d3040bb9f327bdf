import fc from 'fast-check';
import mqttPacket, { type IPublishPacket, type Packet } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import { FrameError } from '../../../../actors/sources/mqtt/frame-error.ts';
import { frameReader, PACKET_TYPE } from '../../../../actors/sources/mqtt/frames.ts';
import { KEPT_BYTES_MAX } from '../../../../actors/sources/mqtt/rejected-message.ts';
import type { MqttMessage } from '../../../../actors/protocols/mqtt/transport.ts';

const FRAME_BYTES_MAX = 1_000;

type Version = 4 | 5;
type Seen = { message: MqttMessage; packetId: number } | { type: number; body: string };

/** What a reader makes of bytes that come in pieces, and how it ended. `holdEvery`: it is told to hold after
 *  every so many messages and resumed before the next piece. */
function readAll(pieces: Iterable<Buffer>, protocolVersion: Version, holdEvery = Number.POSITIVE_INFINITY) {
  const seen: Seen[] = [];
  let messages = 0;
  const reader = frameReader({
    protocolVersion,
    frameBytesMax: FRAME_BYTES_MAX,
    message(message, packetId) {
      seen.push({ message: { ...message, payload: Uint8Array.from(message.payload) }, packetId });
      return ++messages % holdEvery !== 0;
    },
    other: (type, frame, bodyAt) => seen.push({ type, body: frame.subarray(bodyAt).toString('hex') }),
  });
  let error: FrameError | null = null;
  try {
    for (const piece of pieces) {
      reader.push(piece);
      while (reader.isHeld) reader.resume();
    }
  } catch (thrown) {
    if (!(thrown instanceof FrameError)) throw thrown;
    error = thrown;
  }
  return { seen, error };
}

/** Cuts bytes into pieces of the given sizes, over and over. */
function* cut(bytes: Uint8Array, sizes: readonly number[]): Iterable<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    yield Buffer.from(bytes.subarray(at, at + size));
    at += size;
  }
}

/** What mqtt-packet makes of the same bytes. */
function reference(bytes: Uint8Array, protocolVersion: Version): Packet[] {
  const packets: Packet[] = [];
  const parser = mqttPacket.parser({ protocolVersion });
  parser.on('packet', (packet) => packets.push(packet));
  parser.on('error', (error) => {
    throw error;
  });
  parser.parse(Buffer.from(bytes));
  return packets;
}

const topicChar = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 });
const topics = fc
  .array(fc.oneof(fc.constantFrom('a', '/', 'plant', 'ü', '€', '😀', '\uFFFD'), topicChar), {
    minLength: 1,
    maxLength: 20,
  })
  .map((parts) => parts.join('').replaceAll(/[\0+#]/g, '-'));
const payloads = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const text = fc.string({ maxLength: 10 }).map((value) => value.replaceAll('\0', '-'));
const properties = fc.record(
  {
    contentType: text,
    responseTopic: text,
    correlationData: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    messageExpiryInterval: fc.integer({ min: 0, max: 0xffff_ffff }),
    userProperties: fc.dictionary(fc.constantFrom('a', 'b', 'long name'), text, { maxKeys: 3 }),
    payloadFormatIndicator: fc.boolean(),
  },
  { requiredKeys: [] },
);

const messages = (version: Version): fc.Arbitrary<Packet> =>
  fc
    .record({
      topic: topics,
      payload: payloads,
      qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
      retain: fc.boolean(),
      dup: fc.boolean(),
      messageId: fc.integer({ min: 1, max: 65_535 }),
      properties: version === 5 ? fc.option(properties, { nil: undefined }) : fc.constant(undefined),
    })
    .map(({ messageId, properties: some, ...message }) => ({
      cmd: 'publish' as const,
      ...message,
      dup: message.qos > 0 && message.dup,
      ...(message.qos === 0 ? {} : { messageId }),
      ...(some === undefined ? {} : { properties: some }),
    }));

const others = fc.constantFrom<Packet[]>(
  { cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: true },
  { cmd: 'suback', messageId: 1, granted: [0, 1, 2] },
  { cmd: 'pubrel', messageId: 77 },
  { cmd: 'pingresp' },
);

describe.each([4, 5] as const)('frames of version %i', (version) => {
  test('are read as mqtt-packet reads them, however the bytes are cut and wherever reading is held', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 4, arbitrary: messages(version) }, { weight: 1, arbitrary: others }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.oneof(
          fc.constant([1]),
          fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 }),
        ),
        fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
        (packets, sizes, holdEvery) => {
          const bytes = Buffer.concat(
            packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: version })),
          );
          const { seen, error } = readAll(cut(bytes, sizes), version, holdEvery);
          expect(error).toBeNull();
          const expected = reference(bytes, version).map(({ cmd }) => cmd === 'publish');
          expect(seen.map((item) => 'message' in item)).toEqual(expected);
          reference(bytes, version).forEach((packet, index) => {
            const item = seen[index] as Seen;
            if (packet.cmd === 'publish' && 'message' in item) same(packet, item);
          });
        },
      ),
    );
  });

  test('that are damaged end in an error or in fewer messages, never in a crash', () => {
    fc.assert(
      fc.property(
        fc.array(messages(version), { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 }),
        (packets, changes, sizes) => {
          const bytes = Buffer.concat(
            packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: version })),
          );
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const whole = readAll([Buffer.from(bytes)], version);
          const inPieces = readAll(cut(bytes, sizes), version);
          expect(inPieces).toEqual(whole);
        },
      ),
    );
  });
});

function same(packet: IPublishPacket, { message, packetId }: Extract<Seen, { message: MqttMessage }>): void {
  const { contentType, responseTopic, correlationData, messageExpiryInterval, userProperties } =
    packet.properties ?? {};
  const known = Object.entries({
    contentType,
    responseTopic,
    correlationData: correlationData?.toString('base64'),
    messageExpirySeconds: messageExpiryInterval,
    userProperties: userProperties === undefined ? undefined : { ...userProperties },
  }).filter(([, value]) => value !== undefined);
  expect({ ...message, packetId }).toEqual({
    topic: packet.topic,
    payload: Uint8Array.from(packet.payload as Buffer),
    qos: packet.qos,
    retain: packet.retain,
    dup: packet.dup,
    packetId: packet.messageId ?? 0,
    ...(known.length === 0 ? {} : { properties: Object.fromEntries(known) }),
  });
}

/** A frame as on the wire: first byte, length in groups of seven bits, body. */
function frame(first: number, body: Uint8Array | number): Buffer {
  const bytes = typeof body === 'number' ? new Uint8Array(body) : body;
  const length: number[] = [];
  let rest = bytes.length;
  do {
    length.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from([first, ...length, ...bytes]);
}

test('the first frame beyond the limit is found, however the bytes are cut', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(0, 127, 128, 1_000, 1_001, 20_000)),
        { minLength: 1, maxLength: 12 },
      ),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
      (lengths, sizes) => {
        // Not messages, whose bodies would have to make sense.
        const stream = Buffer.concat(lengths.map((length) => frame(0xd0, length)));
        const { seen, error } = readAll(cut(stream, sizes), 4);
        const tooLarge = lengths.findIndex((length) => length > FRAME_BYTES_MAX);
        expect(error?.frameBytes ?? null).toBe(tooLarge < 0 ? null : lengths[tooLarge]);
        expect(seen).toHaveLength(tooLarge < 0 ? lengths.length : tooLarge);
      },
    ),
  );
});

test('a frame that is no message is found too large by its header alone', () => {
  const { error } = readAll([Buffer.from([0xd0]), Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x7f])], 4);
  expect(error?.frameBytes).toBe(268_435_455);
});

/** Body of a message: topic, packet id, the rest. */
const body = (topic: number[], ...rest: number[]) => Uint8Array.from([0, topic.length, ...topic, ...rest]);
const A = [0x61];

test.each([
  [4, 'a length of five bytes', Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]), 'four bytes'],
  [4, 'QoS 3', frame(0x36, body(A, 0, 1)), 'QoS 3'],
  [4, 'the packet id 0', frame(0x32, body(A, 0, 0)), 'packet id 0'],
  [4, 'no room for its packet id', frame(0x32, body(A, 1)), 'cut short'],
  [4, 'no room for its topic', frame(0x30, Uint8Array.of(0, 9, 0x61)), 'cut short'],
  [4, 'no body', frame(0x30, 0), 'cut short'],
  [5, 'a topic alias, which was not offered', frame(0x30, body([], 3, 0x23, 0, 1)), 'alias'],
] as const)('a message of version %i with %s is refused', (version, _what, bytes, words) => {
  const { seen, error } = readAll([bytes], version);
  expect(seen).toEqual([]);
  expect(error?.message).toContain(words);
});

test.each([
  [4, 'no topic', frame(0x32, body([], 0, 7, 1)), 'no topic'],
  [4, 'a topic that is no UTF-8', frame(0x32, body([0xc3, 0x28], 0, 7)), 'UTF-8'],
  [4, 'a topic with half a surrogate pair', frame(0x32, body([0xed, 0xa0, 0x80], 0, 7)), 'UTF-8'],
  [4, 'a topic with NUL', frame(0x32, body([0x61, 0], 0, 7)), 'NUL'],
  [5, 'no properties', frame(0x32, body(A, 0, 7)), 'no properties'],
  [5, 'properties longer than itself', frame(0x32, body(A, 0, 7, 90, 3)), ''],
  [
    5,
    'a user property that is no UTF-8',
    frame(0x32, body(A, 0, 7, 7, 0x26, 0, 1, 0x61, 0, 1, 0xff)),
    'UTF-8',
  ],
  [5, 'a name of one that is no UTF-8', frame(0x32, body(A, 0, 7, 7, 0x26, 0, 1, 0xff, 0, 1, 0x61)), 'UTF-8'],
  [5, 'a content type that is no UTF-8', frame(0x32, body(A, 0, 7, 5, 0x03, 0, 2, 0xc3, 0x28)), 'UTF-8'],
  [5, 'an unknown property', frame(0x32, body(A, 0, 7, 2, 0x7f, 0)), ''],
] as const)(
  'a message of version %i with %s is rejected, and the next is read',
  (version, _w, bytes, words) => {
    const good = frame(0x30, body([0x62], ...(version === 5 ? [0] : []), 1));
    const { seen, error } = readAll([bytes, good], version);
    expect(error).toBeNull();
    expect(seen).toMatchObject([
      {
        packetId: 7,
        message: { topic: '', qos: 1, rejection: { code: 'HG_DECODE_FAILED', remedy: 'drop' } },
      },
      { packetId: 0, message: { topic: 'b', payload: Uint8Array.of(1) } },
    ]);
    expect((seen[0] as { message: MqttMessage }).message.rejection?.message).toContain(words);
  },
);

/** The length of a frame's body: all of it but its first byte and its length. */
function bodyBytes(whole: Buffer): number {
  let lengthBytes = 1;
  while ((whole[lengthBytes] ?? 0) >= 0x80) lengthBytes++;
  return whole.length - 1 - lengthBytes;
}

describe.each([4, 5] as const)('a message of version %i that is too large', (version) => {
  test('is read over wherever it stands, and named by its topic, id and size', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            bytes: fc.oneof(
              fc.integer({ min: 0, max: 1_100 }),
              fc.constantFrom(999, 1_000, 1_001, 70_000, 200_000),
            ),
            qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
            topic: fc.constantFrom('a', 'fw/image', 'ü/€', 't'.repeat(2_000)),
            properties: fc.constantFrom<IPublishPacket['properties']>(undefined, { contentType: 'x' }),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(1, 2, Number.POSITIVE_INFINITY),
        (items, sizes, holdEvery) => {
          const frames = items.map(({ bytes, qos, topic, properties: some }, index) =>
            mqttPacket.generate(
              {
                ...{
                  cmd: 'publish',
                  topic,
                  qos,
                  payload: Buffer.alloc(bytes, index),
                  retain: true,
                  dup: false,
                },
                ...(qos === 0 ? {} : { messageId: index + 1 }),
                ...(version === 5 && some !== undefined ? { properties: some } : {}),
              },
              { protocolVersion: version },
            ),
          );
          const stream = Buffer.concat(frames);
          const { seen, error } = readAll(cut(stream, sizes), version, holdEvery);
          expect(error).toBeNull();
          expect(seen).toHaveLength(items.length);
          items.forEach(({ bytes, qos, topic }, index) => {
            const { message, packetId } = seen[index] as Extract<Seen, { message: MqttMessage }>;
            expect([message.topic, message.qos, packetId]).toEqual([topic, qos, qos === 0 ? 0 : index + 1]);
            const isRejected = bodyBytes(frames[index] as Buffer) > FRAME_BYTES_MAX;
            expect(message.rejection?.details).toEqual(
              isRejected
                ? { topic, bytes, bytesMax: FRAME_BYTES_MAX, keptBytes: Math.min(bytes, KEPT_BYTES_MAX) }
                : undefined,
            );
            expect(message.payload).toEqual(
              new Uint8Array(isRejected ? Math.min(bytes, KEPT_BYTES_MAX) : bytes).fill(index),
            );
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('holds no more than its prefix while it is read over', () => {
    let seen = 0;
    const reader = frameReader({
      protocolVersion: version,
      frameBytesMax: FRAME_BYTES_MAX,
      message: () => ++seen > 0,
      other: () => {},
    });
    // 200 MB are announced, and come in pieces that are one and the same buffer.
    const bytes = 200_000_000;
    reader.push(Buffer.from([0x30, 0x80, 0x84, 0xaf, 0x5f, 0, 1, 0x61, 0]));
    const piece = Buffer.alloc(1_000_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let left = bytes - 4; left > 0; left -= piece.length) {
      expect(seen).toBe(0);
      reader.push(piece.subarray(0, Math.min(left, piece.length)));
    }
    expect(seen).toBe(1);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
  });
});

test('a large frame that comes in small pieces is put together once', () => {
  const large = frame(PACKET_TYPE.publish << 4, body(A, ...new Uint8Array(900).fill(7)));
  const { seen } = readAll(cut(large, [1]), 4);
  expect(seen).toMatchObject([{ message: { topic: 'a', payload: new Uint8Array(900).fill(7) } }]);
});
