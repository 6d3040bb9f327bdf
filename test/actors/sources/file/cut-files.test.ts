/** Files that are rotated, or read, while they are being written: lines and rows that have no end yet, and
 *  compressed files that are not complete. */

import { appendFileSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource, type FileSourceOptions } from '../../../../actors/sources/file/file-source.ts';
import { fastClock } from '../../../support/fast-clock.ts';
import { recordingIo, type RecordingIo } from '../../../support/recording-io.ts';

/** Waits of seconds take hundredths of that. */
const CLOCK = fastClock(100);

let folder: string;
let path: string;
const running: { io: RecordingIo; run: Promise<void> }[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-cut-'));
  path = join(folder, 'log');
});
afterEach(async () => {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
});

async function stopAll(): Promise<void> {
  for (const { io, run } of running.splice(0)) {
    io.abort();
    await run.catch(() => {});
  }
}

function start(options: Partial<FileSourceOptions> = {}, cursor?: string): RecordingIo {
  const spec = fileSource({ id: 'file', path, format: 'text', pollMs: 200, ...options });
  const io = recordingIo(spec, CLOCK, cursor === undefined ? {} : { cursor });
  running.push({ io, run: spec.logic.stream(io) as Promise<void> });
  return io;
}

const holds = (io: RecordingIo, count: number) => io.until(() => io.values.length >= count);
const polls = (io: RecordingIo, count: number) => {
  const goal = io.state.goodReads + count;
  return io.until(() => io.state.goodReads >= goal);
};
const cursorOf = (io: RecordingIo) => io.metas.at(-1)?.cursor as string;
const letters = (io: RecordingIo) => io.undecodable.map(({ payload }) => String(payload));

/** Appends to the log, rotates it, and begins a new one. */
function rotate(end: string, next: string): void {
  appendFileSync(path, end);
  renameSync(path, `${path}.1`);
  writeFileSync(path, next);
}

describe('a line whose end comes after its file was rotated is one record:', () => {
  const formats = {
    text: { options: {}, first: 'a\n', begin: 'temperature=12', end: '34\n', line: 'temperature=1234' },
    ndjson: { options: { format: 'ndjson' }, first: '1\n', begin: '12', end: '34\n', line: 1234 },
    csv: {
      options: { format: 'csv' },
      ...{ first: 'n,t\n1,x\n', begin: '2,10', end: '50\n', line: { n: '2', t: '1050' } },
    },
  } as const;
  test.each(Object.entries(formats))('%s', async (_, { options, first, begin, end, line }) => {
    writeFileSync(path, first);
    const io = start(options);
    await holds(io, 1);
    rotate(begin, first);
    await polls(io, 5);
    expect(io.values).toHaveLength(1);
    appendFileSync(`${path}.1`, end);
    await holds(io, 3);
    expect(io.values[1]).toEqual(line);
    expect([io.values[2], io.alerts, io.undecodable]).toEqual([io.values[0], [], []]);
  });

  test('also where the process was restarted in between', async () => {
    writeFileSync(path, 'a\n');
    const first = start();
    await holds(first, 1);
    rotate('b', 'c\n');
    await polls(first, 3);
    await stopAll();
    const io = start({}, cursorOf(first));
    await polls(io, 3);
    appendFileSync(`${path}.1`, 'B\n');
    await holds(io, 2);
    expect(io.values).toEqual(['bB', 'c']);
  });
});

describe('the rest of a line that was taken for whole', () => {
  test('is a dead letter and an alert, not a record', async () => {
    writeFileSync(path, 'a\n');
    const io = start();
    await holds(io, 1);
    rotate('b', 'c\n');
    await holds(io, 3);
    expect(io.values).toEqual(['a', 'b', 'c']);
    appendFileSync(`${path}.1`, 'B\nd\n');
    await holds(io, 4);
    expect(io.values[3]).toBe('d');
    expect(letters(io)).toEqual(['B']);
    expect(io.alerts).toMatchObject([{ event: 'FILE_LINE_TORN', details: { path, offset: 5, line: 2 } }]);
  });

  test('is none where it is but the line end', async () => {
    writeFileSync(path, 'a\n');
    const io = start();
    await holds(io, 1);
    rotate('b', 'c\n');
    await holds(io, 3);
    appendFileSync(`${path}.1`, '\nd\n');
    await holds(io, 4);
    expect([io.values, io.alerts, letters(io)]).toEqual([['a', 'b', 'c', 'd'], [], []]);
  });

  test('is one after a restart, too', async () => {
    writeFileSync(path, 'a\n');
    const first = start();
    await holds(first, 1);
    rotate('b', 'c\n');
    await holds(first, 3);
    await stopAll();
    appendFileSync(`${path}.1`, 'B\nd\n');
    const io = start({}, cursorOf(first));
    await holds(io, 1);
    expect([io.values, letters(io)]).toEqual([['d'], ['B']]);
    expect(io.alerts).toMatchObject([{ event: 'FILE_LINE_TORN' }]);
  });
});

test('an overlong last line of a rotated file is one alert, however often the process is restarted', async () => {
  writeFileSync(path, 'a\n');
  const first = start({ lineBytesMax: 10 });
  await holds(first, 1);
  rotate('y'.repeat(500), 'c\n');
  await holds(first, 2);
  expect(first.alerts).toMatchObject([{ event: 'FILE_LINE_SKIPPED' }]);
  await stopAll();
  for (let restart = 0; restart < 3; restart++) {
    const io = start({ lineBytesMax: 10 }, cursorOf(first));
    await polls(io, 40);
    expect([io.values, io.alerts]).toEqual([[], []]);
    await stopAll();
  }
});

describe('a compressed file', () => {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index} ${'p'.repeat(40)}\n`).join('');
  const expected = (to: number) => lines(1, to).trimEnd().split('\n');
  const compressions = { gz: gzipSync, zst: zstdCompressSync, br: brotliCompressSync };

  test.each(Object.entries(compressions))(
    'that its compressor writes with pauses is read whole (%s)',
    async (suffix, compress) => {
      writeFileSync(path, lines(1, 10));
      const first = start();
      await holds(first, 10);
      await stopAll();
      const whole = compress(Buffer.from(lines(1, 2_000)));
      writeFileSync(`${path}.1.${suffix}`, whole.subarray(0, whole.length >> 1));
      rmSync(path);
      writeFileSync(path, lines(2_001, 2_005));
      const io = start({}, cursorOf(first));
      for (const part of [whole.subarray(whole.length >> 1, -3), whole.subarray(-3)]) {
        // Much longer than the time from one poll to the next.
        await CLOCK.sleep(4_000);
        appendFileSync(`${path}.1.${suffix}`, part);
      }
      await holds(io, 1_995);
      expect([...first.values, ...io.values]).toEqual(expected(2_005));
      expect(io.alerts).toEqual([]);
    },
  );

  test.each([
    ['that nothing more comes to', 0],
    ['that was cut long ago', 3_600],
  ])('%s is an alert with its place, and the next file is read', async (_, agoS) => {
    writeFileSync(path, lines(1, 10));
    const writtenS = Date.now() / 1_000 - agoS;
    utimesSync(path, writtenS, writtenS);
    const first = start();
    await holds(first, 10);
    await stopAll();
    const whole = zstdCompressSync(lines(1, 2_000));
    writeFileSync(`${path}.1.zst`, whole.subarray(0, whole.length >> 1));
    utimesSync(`${path}.1.zst`, writtenS + 1, writtenS + 1);
    rmSync(path);
    writeFileSync(path, lines(2_001, 2_005));
    const io = start({}, cursorOf(first));
    await io.until(() => io.values.at(-1) === expected(2_005).at(-1));
    expect(io.alerts).toMatchObject([
      { event: 'FILE_UNREADABLE', details: { path: `${path}.1.zst`, offset: lines(1, 10).length } },
    ]);
  });
});

describe('a quote that is not closed', () => {
  const csv = (rows: string[]) => `n,t\n${rows.join('\n')}\n`;
  const rows = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index},x`);

  test('costs its own row alone where another quote comes later', async () => {
    writeFileSync(
      path,
      csv([...rows(1, 4), '5,"open', ...rows(6, 999), '1000,"quoted",', ...rows(1001, 1005)]),
    );
    const io = start({ format: 'csv', mode: 'read' });
    await running[0]?.run;
    expect(io.values).toHaveLength(1_003);
    expect(letters(io)).toEqual(['5,"open', '1000,"quoted",']);
  });

  test('is an alert where the rows behind it wait for long, once', async () => {
    writeFileSync(path, csv([...rows(1, 4), '5,"open', ...rows(6, 9)]));
    const io = start({ format: 'csv', pollMs: 1_000 });
    await holds(io, 4);
    await polls(io, 80);
    expect(io.alerts).toMatchObject([{ event: 'FILE_ROW_OPEN', details: { path, line: 6, offset: 20 } }]);
    appendFileSync(path, 'closed"\n10,x\n');
    await holds(io, 6);
    expect(io.values.slice(4)).toEqual([
      { n: '5', t: expect.stringMatching(/^open\n6,x/) },
      { n: '10', t: 'x' },
    ]);
    expect(io.alerts).toHaveLength(1);
  });
});
