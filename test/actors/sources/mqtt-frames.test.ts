import fc from 'fast-check';
import { expect, test } from 'vitest';
import { frameWatch } from '../../../actors/sources/mqtt-frames.ts';

/** A frame as on the wire: type, length in groups of seven bits, body. */
function frame(bodyBytes: number): Uint8Array {
  const length: number[] = [];
  let rest = bodyBytes;
  do {
    length.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Uint8Array.from([0x30, ...length, ...Array.from({ length: bodyBytes }, (_, index) => index % 251)]);
}

/** Cuts bytes into pieces of the given sizes, over and over. */
function* pieces(bytes: Uint8Array, sizes: readonly number[]): Iterable<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('the first frame beyond the limit is found, however the bytes are cut', () => {
  const LIMIT = 1_000;
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(0, 127, 128, 1_000, 1_001, 20_000)),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 5 }),
      (lengths, sizes) => {
        const watch = frameWatch(LIMIT);
        const stream = Uint8Array.from(lengths.flatMap((length) => [...frame(length)]));
        let found: number | null = null;
        for (const piece of pieces(stream, sizes)) found ??= watch.push(piece);
        expect(found).toBe(lengths.find((length) => length > LIMIT) ?? null);
      },
    ),
  );
});

test('a frame is found too large by its header alone', () => {
  const watch = frameWatch(8 * 1024 * 1024);
  expect(watch.push(Uint8Array.of(0x30))).toBeNull();
  expect(watch.push(Uint8Array.of(0xff, 0xff, 0xff))).toBeNull();
  expect(watch.push(Uint8Array.of(0x7f))).toBe(268_435_455);
});

test('a length of five bytes, which is none, ends the header all the same', () => {
  const watch = frameWatch(1_000);
  expect(watch.push(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0xff))).toBeGreaterThan(1_000);
});
