import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource } from '../../../../actors/sources/file/file-source.ts';
import { fastClock } from '../../../support/fast-clock.ts';
import { seededRandom } from '../../../../src/domain/random.ts';
import { recordingIo } from '../../../support/recording-io.ts';

const KINDS = [
  ['.gz', gzipSync],
  ['.zst', zstdCompressSync],
  ['.br', brotliCompressSync],
] as const;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-parts-'));
  path = join(folder, 'log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function read(cursor?: string) {
  const spec = fileSource({ id: 'file', path, format: 'text', pollMs: 200, mode: 'read' });
  const io = recordingIo(spec, fastClock(100), cursor === undefined ? {} : { cursor });
  await spec.logic.stream(io);
  return io;
}

/** Reads the first line, then what was made of the file meanwhile, and the next file. */
async function readRotated(suffix: string, bytes: Buffer) {
  writeFileSync(path, `${lines[0]}\n`);
  const cursor = (await read()).metas.at(-1)?.cursor;
  rmSync(path);
  writeFileSync(join(folder, 'rotated'), bytes);
  renameSync(join(folder, 'rotated'), `${path}.1${suffix}`);
  writeFileSync(path, 'next\n');
  return read(cursor);
}

/** Lines that hardly get shorter by compression. */
const random = seededRandom('parts');
const lines = Array.from({ length: 2_000 }, (_, n) => `${n} ${random.next()} ${random.next()}`);
const text = (from: number, to: number) =>
  lines
    .slice(from, to)
    .map((line) => `${line}\n`)
    .join('');

describe.each(KINDS)('a file with the suffix %s that was compressed in parts', (suffix, compress) => {
  test.each([
    ['many small ones, of which several are read at once', 20, 400],
    ['large ones, which end anywhere in what is read at once', 700, 2_000],
    ['each of a line', 1, 60],
  ])('is read to its end: %s', async (_, linesOfPart, count) => {
    const parts: Buffer[] = [];
    for (let from = 0; from < count; from += linesOfPart) {
      parts.push(compress(text(from, Math.min(from + linesOfPart, count))));
    }
    const io = await readRotated(suffix, Buffer.concat(parts));
    expect(io.values).toEqual([...lines.slice(1, count), 'next']);
    expect(io.alerts).toEqual([]);
  });
  test('is read to its end where a part ends within a line', async () => {
    const whole = Buffer.from(text(0, 100));
    const parts = [compress(whole.subarray(0, 1_003)), compress(whole.subarray(1_003))];
    const io = await readRotated(suffix, Buffer.concat(parts));
    expect(io.values).toEqual([...lines.slice(1, 100), 'next']);
  });
  test('is read to its end where a part is empty', async () => {
    const parts = [compress(text(0, 50)), compress(''), compress(text(50, 100))];
    const io = await readRotated(suffix, Buffer.concat(parts));
    expect(io.values).toEqual([...lines.slice(1, 100), 'next']);
    expect(io.alerts).toEqual([]);
  });
});

test.each([0, 4, 40_000])('a frame of zstd with %i bytes that are no content is left out', async (bytes) => {
  const head = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  head.writeUInt32LE(bytes, 4);
  const skippable = Buffer.concat([head, Buffer.alloc(bytes, 7)]);
  const parts = [skippable, zstdCompressSync(text(0, 50)), skippable, zstdCompressSync(text(50, 100))];
  const io = await readRotated('.zst', Buffer.concat(parts));
  expect(io.values).toEqual([...lines.slice(1, 100), 'next']);
  expect(io.alerts).toEqual([]);
});

describe.each(KINDS)('behind the last part of a file with the suffix %s', (suffix, compress) => {
  test.each([1, 10_240, 50_000])('%i bytes of zero are padding', async (bytes) => {
    const io = await readRotated(suffix, Buffer.concat([compress(text(0, 100)), Buffer.alloc(bytes)]));
    expect(io.values).toEqual([...lines.slice(1, 100), 'next']);
    expect(io.alerts).toEqual([]);
  });
  test('something else is an alert, after all there is before it', async () => {
    const io = await readRotated(suffix, Buffer.concat([compress(text(0, 100)), Buffer.from('garbage')]));
    expect(io.values).toEqual([...lines.slice(1, 100), 'next']);
    expect(io.alerts).toMatchObject([
      {
        event: 'FILE_UNREADABLE',
        details: { path: `${path}.1${suffix}`, offset: Buffer.byteLength(text(0, 100)) },
      },
    ]);
  });
});
