import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource, type FileSourceOptions } from '../../../../actors/sources/file/file-source.ts';
import { fastClock } from '../../../support/fast-clock.ts';
import { recordingIo, type RecordingIo } from '../../../support/recording-io.ts';

/** Waits of seconds take hundredths of that. */
const CLOCK = fastClock(100);

let folder: string;
let path: string;
const running: RecordingIo[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-odd-'));
  path = join(folder, 'log');
});
afterEach(() => {
  for (const io of running.splice(0)) io.abort();
  rmSync(folder, { recursive: true, force: true });
});

function start(options: Partial<FileSourceOptions> = {}, cursor?: string) {
  const spec = fileSource({ id: 'file', path, format: 'text', pollMs: 200, ...options });
  const io = recordingIo(spec, CLOCK, cursor === undefined ? {} : { cursor });
  running.push(io);
  const run = spec.logic.stream(io) as Promise<void>;
  run.catch(() => {});
  return { io, run, spec };
}

async function read(options: Partial<FileSourceOptions> = {}, cursor?: string): Promise<RecordingIo> {
  const { io, run } = start({ mode: 'read', ...options }, cursor);
  await run;
  return io;
}

const lastCursor = (io: RecordingIo) => io.metas.at(-1)?.cursor ?? '';
const alerted = (io: RecordingIo) => io.alerts.map(({ event, details }) => ({ event, ...details }));

describe('what is no regular file', () => {
  test('is a wrong option at first: a named pipe does not block', async () => {
    execFileSync('mkfifo', [path]);
    await expect(start().run).rejects.toMatchObject({ code: 'HG_OPTION_INVALID', remedy: 'stop' });
  });
  test('is a device', async () => {
    await expect(start({ path: '/dev/zero' }).run).rejects.toMatchObject({ code: 'HG_OPTION_INVALID' });
  });
  test('is waited for where there was a file before', async () => {
    writeFileSync(path, 'a\n');
    const { io, run } = start();
    await io.until(() => io.values.length === 1);
    rmSync(path);
    mkdirSync(path);
    await expect(run).rejects.toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
  });
});

describe('lines that are none', () => {
  test('bytes of zero before a line are a hole, and an alert', async () => {
    writeFileSync(path, Buffer.concat([Buffer.from('a\n'), Buffer.alloc(70_000), Buffer.from('b\nc\n')]));
    const io = await read();
    expect(io.values).toEqual(['a', 'b', 'c']);
    expect(alerted(io)).toMatchObject([{ event: 'FILE_HOLE', path, bytes: 70_000 }]);
  });
  test('a sparse file of a quarter of a gigabyte holds one line', async () => {
    writeFileSync(path, '');
    truncateSync(path, 256 * 1024 * 1024);
    appendFileSync(path, 'end\n');
    expect((await read()).values).toEqual(['end']);
  }, 60_000);
  test('a line that is too long is an alert, and many of them hold nothing up', async () => {
    writeFileSync(path, `${`${'x'.repeat(20)}\n`.repeat(12)}short\n`);
    const io = await read({ lineBytesMax: 10 });
    expect(io.values).toEqual(['short']);
    expect(alerted(io)[1]).toEqual({ event: 'FILE_LINE_SKIPPED', path, offset: 21, line: 2 });
    expect(io.alerts).toHaveLength(12);
  });
  test.each(['text', 'csv'] as const)('what is no UTF-8 is a dead letter in %s', async (format) => {
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('a\nb'), Buffer.from([0xff, 0xfe]), Buffer.from('\nc\n')]),
    );
    const io = await read({ format });
    expect(JSON.stringify(io.values)).not.toContain('\ufffd');
    expect(io.undecodable).toMatchObject([{ error: { code: 'HG_DECODE_FAILED', details: { line: 2 } } }]);
  });
});

describe('tables', () => {
  test('a header that stands again is no record, quoted or not, and with a byte order mark', async () => {
    writeFileSync(
      path,
      'time,kelvin\n1,294\ntime,kelvin\n2,295\n"time","kelvin"\n\ufefftime,kelvin\n3,296\n',
    );
    const io = await read({ format: 'csv' });
    expect(io.values.map((row) => (row as { time: string }).time)).toEqual(['1', '2', '3']);
    expect(io.undecodable).toEqual([]);
  });
  test('a rotated file with another header is read by that', async () => {
    writeFileSync(path, 'a\n1\n');
    const { io } = start({ format: 'csv' });
    await io.until(() => io.values.length === 1);
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'b,c\n2,3\n');
    await io.until(() => io.values.length === 2);
    expect(io.values).toEqual([{ a: '1' }, { b: '2', c: '3' }]);
  });
  test('a stray quote names the line of the file, once', async () => {
    writeFileSync(path, 'a,b\n1,2\n3,5" pipe\n');
    const [letter] = (await read({ format: 'csv' })).undecodable;
    expect(letter?.error).toMatchObject({
      message: 'line 3: field 2 has a quote where none belongs; double it, or set csv.lenientQuotes',
    });
  });
  test('with lenient quotes a stray one is text', async () => {
    writeFileSync(path, 'a,b\n3,5" pipe\n"x ""y"", z",2\n"half"x,"say "hi" now"\n');
    const io = await read({ format: 'csv', csv: { lenientQuotes: true } });
    expect(io.values).toEqual([
      { a: '3', b: '5" pipe' },
      { a: 'x "y", z', b: '2' },
      { a: '"half"x', b: '"say "hi" now"' },
    ]);
  });
});

describe('a rewritten file', () => {
  test('of the same length and head is read from its beginning, with an alert', async () => {
    const header = `${'column,'.repeat(60)}\n`;
    writeFileSync(path, `${header}one\ntwo\n`);
    const { io } = start();
    await io.until(() => io.values.length === 3);
    writeFileSync(path, `${header}six\nten\n`);
    await io.until(() => io.values.length === 6);
    expect(io.values.slice(4)).toEqual(['six', 'ten']);
    const offset = header.length + 8;
    expect(alerted(io)).toEqual([{ event: 'FILE_REWRITTEN', path, offset }]);
  });
  test('is found after a restart too, and a cursor of an earlier version is still good', async () => {
    writeFileSync(path, 'a\nb\n');
    const cursor = lastCursor(await read());
    const { inode, offset, line, headCrc } = JSON.parse(cursor) as Record<string, unknown>;
    appendFileSync(path, 'c\n');
    const old = JSON.stringify({ inode, offset, line, headCrc });
    expect((await read({}, old)).values).toEqual(['c']);
    writeFileSync(path, 'x\ny\nz\n');
    const io = await read({}, cursor);
    expect(io.values).toEqual(['x', 'y', 'z']);
    expect(alerted(io)).toEqual([{ event: 'FILE_REWRITTEN', path, offset: 4 }]);
  });
});

describe('rotated files', () => {
  const prepare = async () => {
    writeFileSync(path, 'a\nb\n');
    const cursor = lastCursor(await read());
    appendFileSync(path, 'c\n');
    return cursor;
  };
  test.each([
    ['log.1.gz', gzipSync],
    ['log-20261130.zst', zstdCompressSync],
  ] as const)('go on at the same place when they are compressed (%s)', async (name, compress) => {
    const cursor = await prepare();
    writeFileSync(join(folder, name), compress('a\nb\nc\n'));
    rmSync(path);
    writeFileSync(path, 'd\n');
    const io = await read({}, cursor);
    expect([io.values, io.alerts]).toEqual([['c', 'd'], []]);
  });
  test('are found in another folder, and by a glob', async () => {
    const cursor = await prepare();
    mkdirSync(join(folder, 'old'));
    renameSync(path, join(folder, 'old', 'first.txt'));
    writeFileSync(path, 'd\n');
    for (const rotated of [join(folder, 'old'), join(folder, 'o*', '*.txt')]) {
      expect((await read({ rotated: [rotated] }, cursor)).values).toEqual(['c', 'd']);
    }
  });
  test('that cannot be decompressed are an alert', async () => {
    const cursor = await prepare();
    renameSync(path, `${path}.3`);
    writeFileSync(`${path}.2.xz`, 'not read');
    writeFileSync(`${path}.1.gz`, gzipSync('d\ne\n').subarray(0, 15));
    writeFileSync(path, 'f\n');
    const io = await read({}, cursor);
    // What comes before the damage is good.
    expect(io.values).toEqual(['c', 'd', 'e', 'f']);
    expect(alerted(io)).toMatchObject([
      { event: 'FILE_UNREADABLE', path: `${path}.2.xz` },
      { event: 'FILE_UNREADABLE', path: `${path}.1.gz`, offset: 4 },
    ]);
  });
  describe('in a compression that is not supported are one alert, with where the reading ended', () => {
    const unsupported = (suffix: string) => ({
      ...{ event: 'FILE_UNREADABLE', path: `${path}.1${suffix}` },
      reason: `its compression (${suffix}) is not supported; use gzip, zstd or brotli`,
    });
    const compress = (suffix: string) => {
      const { mtime } = statSync(path);
      writeFileSync(`${path}.1${suffix}`, 'not read');
      utimesSync(`${path}.1${suffix}`, mtime, mtime);
    };
    test.each(['.xz', '.bz2', '.7z'])('where that happened before the start (%s)', async (suffix) => {
      const cursor = await prepare();
      compress(suffix);
      rmSync(path);
      // It may get the inode of the file before.
      writeFileSync(path, 'd\n');
      const io = await read({}, cursor);
      expect(io.values).toEqual(['d']);
      expect(alerted(io)).toEqual([{ ...unsupported(suffix), offset: 4 }]);
      expect(io.alerts[0]?.message).toMatch(/what it holds after offset 4 is left out$/);
    });
    test('where the file was copied, compressed and emptied meanwhile', async () => {
      writeFileSync(path, 'a\nb\n');
      const { io } = start();
      await io.until(() => io.values.length === 2);
      compress('.xz');
      truncateSync(path);
      writeFileSync(path, 'd\n');
      await io.until(() => io.values.length === 3);
      expect(io.values).toEqual(['a', 'b', 'd']);
      expect(alerted(io)).toEqual([{ ...unsupported('.xz'), offset: 4 }]);
    });
    test('where it was renamed and compressed while it was read', async () => {
      writeFileSync(path, 'a\nb\n');
      const { io } = start();
      await io.until(() => io.values.length === 2);
      compress('.bz2');
      renameSync(path, `${path}.tmp`);
      writeFileSync(path, 'd\n');
      rmSync(`${path}.tmp`);
      await io.until(() => io.values.length === 3);
      expect(alerted(io)).toEqual([{ ...unsupported('.bz2'), offset: 4 }]);
    });
    test('each where there are several', async () => {
      const cursor = await prepare();
      compress('.xz');
      rmSync(path);
      writeFileSync(`${path}.2.xz`, 'not read');
      const older = new Date(Date.now() + 60_000);
      utimesSync(`${path}.1.xz`, older, older);
      writeFileSync(path, 'd\n');
      expect(alerted(await read({}, cursor))).toMatchObject([
        { event: 'FILE_UNREADABLE', path: `${path}.2.xz`, offset: 4 },
        { event: 'FILE_UNREADABLE', path: `${path}.1.xz`, offset: 0 },
      ]);
    });
  });
  test('that are damaged before the place of the reading are one alert and bring no record again', async () => {
    const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n} ${Math.sqrt(n)}\n`);
    writeFileSync(path, lines.join(''));
    const cursor = lastCursor(await read());
    const compressed = gzipSync(lines.join('') + 'more\n');
    compressed.fill(0x55, 1_000, 1_200);
    writeFileSync(`${path}.1.gz`, compressed);
    rmSync(path);
    writeFileSync(path, 'd\n');
    const io = await read({}, cursor);
    expect(io.values).toEqual(['d']);
    const { offset } = JSON.parse(cursor) as { offset: number };
    expect(alerted(io)).toMatchObject([{ event: 'FILE_UNREADABLE', path: `${path}.1.gz`, offset }]);
  });
  test('that are gone are an alert with the file and the offset', async () => {
    const cursor = await prepare();
    rmSync(path);
    writeFileSync(join(folder, 'takes-the-inode'), '');
    writeFileSync(path, 'd\n');
    const io = await read({}, cursor);
    expect(io.values).toEqual(['d']);
    expect(io.alerts).toMatchObject([{ details: { path, offset: 4 } }]);
  });
});
