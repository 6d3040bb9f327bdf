import fc from 'fast-check';
import { expect, test } from 'vitest';
import { topicReader } from '../../../../actors/sources/mqtt/topic-reader.ts';

const around = (topic: Uint8Array) => Buffer.concat([Buffer.from('ab'), topic, Buffer.from('cd')]);

test('a topic is what its bytes say, whatever was read before (random topics)', () => {
  const topics = fc.array(fc.string({ unit: 'binary', maxLength: 200 }), { maxLength: 60 });
  fc.assert(
    fc.property(topics, fc.infiniteStream(fc.nat()), (known, picks) => {
      const read = topicReader();
      for (const pick of picks.take(100)) {
        const topic = (known[pick % Math.max(1, known.length)] ?? 'x').replaceAll('\0', '').toWellFormed();
        const bytes = Buffer.from(topic);
        expect(read(around(bytes), 2, 2 + bytes.length)).toBe(topic);
      }
    }),
  );
});

test('topics that share a place do not take each other’s name', () => {
  const read = topicReader();
  for (let round = 0; round < 2; round++) {
    for (let n = 0; n < 5_000; n++) {
      const bytes = Buffer.from(`plant/${n}`);
      expect(read(around(bytes), 2, 2 + bytes.length)).toBe(`plant/${n}`);
    }
  }
});

test('bytes that change after they were read change no topic', () => {
  const read = topicReader();
  const bytes = Buffer.from('plant/1');
  expect(read(bytes, 0, 7)).toBe('plant/1');
  bytes.write('plant/2');
  expect([read(bytes, 0, 7), read(Buffer.from('plant/1'), 0, 7)]).toEqual(['plant/2', 'plant/1']);
});

test.each([
  ['not UTF-8', Buffer.from([0x61, 0xff]), /UTF-8/],
  ['NUL', Buffer.from('a\0b'), /NUL/],
])('%s is refused, also the second time', (_, bytes, message) => {
  const read = topicReader();
  for (let time = 0; time < 2; time++) expect(() => read(bytes, 0, bytes.length)).toThrow(message);
});
