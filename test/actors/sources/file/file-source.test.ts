import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  folder = mkdtempSync(join(tmpdir(), 'headgate-file-'));
  path = join(folder, 'log');
});
afterEach(() => {
  for (const io of running.splice(0)) io.abort();
  rmSync(folder, { recursive: true, force: true });
});

type Options = Partial<Omit<FileSourceOptions, 'id'>>;
interface Started {
  io: RecordingIo;
  run: Promise<void>;
}

function start(options: Options = {}, given: { room?: number; cursor?: string } = {}): Started {
  const spec = fileSource({ id: 'file', path, format: 'text', pollMs: 200, ...options });
  const io = recordingIo(spec, CLOCK, given);
  running.push(io);
  const run = spec.logic.stream(io) as Promise<void>;
  run.catch(() => {});
  return { io, run };
}

/** Reads the file to its end. */
async function read(options: Options = {}, cursor?: string): Promise<RecordingIo> {
  const { io, run } = start({ mode: 'read', ...options }, cursor === undefined ? {} : { cursor });
  await run;
  return io;
}

/** Stops a run; gives back where the last record says to go on. */
async function stop({ io, run }: Started): Promise<string> {
  io.abort();
  await run;
  return cursorAfter(io, io.values.length);
}

function cursorAfter(io: RecordingIo, records: number): string {
  return io.metas[records - 1]?.cursor ?? '';
}

/** Resolves when the file was looked at `times` times more. */
function polls({ io }: Started, times = 3): Promise<void> {
  const goal = io.state.goodReads + times;
  return io.until(() => io.state.goodReads >= goal);
}

const until = ({ io }: Started, records: number) => io.until(() => io.values.length >= records);
const field = (io: RecordingIo, name: string) =>
  io.values.map((value) => (value as Record<string, unknown>)[name]);

describe('reading to the end', () => {
  test('gives a record a line and then ends', async () => {
    writeFileSync(path, '{"n":1}\n\n{"n":2}\r\n{"n":3}');
    const io = await read({ format: 'ndjson' });
    expect(io.values).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    expect(io.state.opened).toBe(true);
  });
  test('of an empty file gives nothing', async () => {
    writeFileSync(path, '');
    expect((await read()).values).toEqual([]);
  });
  test('takes the columns of a table from its first row', async () => {
    writeFileSync(path, '\ufeffid,note\n1,"a\nb"\n2,c\n');
    expect((await read({ format: 'csv' })).values).toEqual([
      { id: '1', note: 'a\nb' },
      { id: '2', note: 'c' },
    ]);
  });
  test('makes dead letters of bad lines only, with their numbers', async () => {
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('1\nx{\n2\n"'), Buffer.from([0xff]), Buffer.from('"\n3\n')]),
    );
    const io = await read({ format: 'ndjson' });
    expect(io.values).toEqual([1, 2, 3]);
    expect(io.undecodable.map(({ error }) => error)).toMatchObject([
      { code: 'HG_DECODE_FAILED', details: { line: 2 } },
      { code: 'HG_DECODE_FAILED', details: { line: 4 } },
    ]);
  });
  test('leaves out lines that are too long, as failed reads', async () => {
    writeFileSync(path, `a\n${'x'.repeat(300_000)}\nb\n${'y'.repeat(11)}\nc`);
    const io = await read({ lineBytesMax: 10 });
    expect(io.values).toEqual(['a', 'b', 'c']);
    expect(io.failures).toMatchObject([
      { code: 'HG_READ_TOO_LARGE', details: { line: 2, lineBytesMax: 10 } },
      { code: 'HG_READ_TOO_LARGE', details: { line: 4 } },
    ]);
  });
  test('reads files of many chunks', async () => {
    const lines = Array.from({ length: 30_000 }, (_, n) => `line ${n} ${'ä'.repeat(n % 7)}`);
    writeFileSync(path, lines.join('\n'));
    expect((await read()).values).toEqual(lines);
  });
  test('stops while there is no room', async () => {
    writeFileSync(path, 'a\nb\nc\nd\n');
    const started = start({ mode: 'read' }, { room: 2 });
    await until(started, 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(started.io.values).toEqual(['a', 'b']);
    started.io.makeRoom(2);
    await started.run;
    expect(started.io.values).toEqual(['a', 'b', 'c', 'd']);
  });
  test('goes on where any record’s cursor says, whatever the format', async () => {
    writeFileSync(path, 'id,note\n1,"a\nb"\n\n2,"c"\n3,ä\n4,x');
    const whole = await read({ format: 'csv' });
    for (let records = 1; records <= 4; records++) {
      const rest = await read({ format: 'csv' }, cursorAfter(whole, records));
      expect(field(rest, 'id')).toEqual(['1', '2', '3', '4'].slice(records));
      expect(rest.metas).toEqual(whole.metas.slice(records));
    }
  });
  test('numbers bad lines on behind a cursor', async () => {
    writeFileSync(path, '1\n2\n');
    const cursor = cursorAfter(await read({ format: 'ndjson' }), 2);
    appendFileSync(path, '3\nx\n');
    const io = await read({ format: 'ndjson' }, cursor);
    expect(io.values).toEqual([3]);
    expect(io.undecodable[0]?.error).toMatchObject({ details: { line: 4 } });
  });
  test.each(['', 'null', '{"inode":1}', '{"inode":"1","offset":-1,"line":1,"headCrc":0}', 'x'])(
    'begins anew with the strange cursor %j',
    async (cursor) => {
      writeFileSync(path, 'a\n');
      expect((await read({}, cursor)).values).toEqual(['a']);
    },
  );
  test('begins anew with a file that was written anew', async () => {
    writeFileSync(path, 'a\nb\n');
    const cursor = cursorAfter(await read(), 2);
    writeFileSync(path, 'c\nd\ne\n');
    expect((await read({}, cursor)).values).toEqual(['c', 'd', 'e']);
  });
});

describe('a file that cannot be opened', () => {
  test.each(['read', 'tail'] as const)('as it is not there is tried again (%s)', async (mode) => {
    const { io, run } = start({ mode });
    await expect(run).rejects.toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry', details: { path } });
    expect(io.state.opened).toBe(false);
  });
  test('as it is a folder is a wrong option', async () => {
    mkdirSync(path);
    await expect(start().run).rejects.toMatchObject({ code: 'HG_OPTION_INVALID', remedy: 'stop' });
  });
  test('as its header is bad is tried again, and no row is lost', async () => {
    writeFileSync(path, 'a,a\n1,2\n');
    const { io, run } = start({ format: 'csv' });
    await expect(run).rejects.toMatchObject({
      code: 'HG_DECODE_FAILED',
      remedy: 'retry',
      details: { line: 1 },
    });
    expect([io.values, io.undecodable]).toEqual([[], []]);
  });
});

describe('following', () => {
  test('gives lines as they are written, a last one only with its line end', async () => {
    writeFileSync(path, 'a\nb');
    const tail = start();
    await until(tail, 1);
    await polls(tail);
    expect(tail.io.values).toEqual(['a']);
    appendFileSync(path, 'c\nd\n');
    await until(tail, 3);
    expect(tail.io.values).toEqual(['a', 'bc', 'd']);
    await stop(tail);
  });
  test('from the end gives only what is written from now on', async () => {
    writeFileSync(path, 'a\nhalf');
    const tail = start({ startAt: 'end' });
    await polls(tail);
    appendFileSync(path, ' a line\nb\n');
    await until(tail, 1);
    expect(tail.io.values).toEqual(['b']);
  });
  test('a table from its end knows its columns, also where they are still to come', async () => {
    writeFileSync(path, 'id,no');
    const early = start({ format: 'csv', startAt: 'end' });
    await polls(early);
    appendFileSync(path, 'te\n1,a\n');
    await until(early, 1);
    const late = start({ format: 'csv', startAt: 'end' });
    await polls(late);
    appendFileSync(path, '2,b\n');
    await until(late, 1);
    expect(late.io.values).toEqual([{ id: '2', note: 'b' }]);
    await until(early, 2);
    expect(field(early.io, 'id')).toEqual(['1', '2']);
  });
  describe('gives the last line of a rotated file that has no line end before the next file', () => {
    test('where both were written before the start', async () => {
      writeFileSync(`${path}.1`, 'a\n');
      renameSync(`${path}.1`, path);
      const first = start();
      await until(first, 1);
      const cursor = first.io.metas.at(-1)?.cursor as string;
      await stop(first);
      appendFileSync(path, 'b');
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'c\nd\n');
      const again = start({}, { cursor });
      await until(again, 3);
      expect(again.io.values).toEqual(['b', 'c', 'd']);
      await stop(again);
    });
    test('where it is written and rotated between two polls, whole if its end comes meanwhile', async () => {
      writeFileSync(path, 'a\n');
      const tail = start({ pollMs: 2_000 });
      await until(tail, 1);
      appendFileSync(path, 'b');
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'c\n');
      await until(tail, 3);
      expect(tail.io.values).toEqual(['a', 'b', 'c']);
      appendFileSync(path, 'd');
      renameSync(path, `${path}.2`);
      writeFileSync(path, 'e\n');
      appendFileSync(`${path}.2`, 'D\n');
      await until(tail, 5);
      expect(tail.io.values.slice(3)).toEqual(['dD', 'e']);
      await stop(tail);
    });
    test('but does not hold that up for good where parts of lines go on coming', async () => {
      writeFileSync(path, 'a\n');
      const tail = start();
      await until(tail, 1);
      appendFileSync(path, 'b');
      renameSync(path, `${path}.1`);
      writeFileSync(path, 'c\n');
      while (!tail.io.values.includes('c')) {
        appendFileSync(`${path}.1`, 'b');
        await polls(tail, 1);
      }
      // What came of the line until then is one record, when no more comes.
      await until(tail, 3);
      expect(tail.io.values).toEqual(['a', 'c', expect.stringMatching(/^bb+$/)]);
      expect(tail.io.alerts).toEqual([]);
      await stop(tail);
    });
  });
  test('goes on with a new file once the renamed one is read to its end', async () => {
    writeFileSync(path, 'a\n');
    const tail = start();
    await until(tail, 1);
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, 'late\nunfinished');
    await polls(tail);
    writeFileSync(path, 'b\n');
    await until(tail, 4);
    expect(tail.io.values).toEqual(['a', 'late', 'unfinished', 'b']);
    appendFileSync(path, 'c\n');
    await until(tail, 5);
    await stop(tail);
  });
  test('goes on from the beginning of a file that was emptied', async () => {
    writeFileSync(path, 'a\nb\n');
    const tail = start();
    await until(tail, 2);
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
    appendFileSync(path, 'c\n');
    await until(tail, 3);
    expect(tail.io.values).toEqual(['a', 'b', 'c']);
  });
  test('notices a file that was emptied and has outgrown its old size since', async () => {
    writeFileSync(path, 'a\nb\n');
    const tail = start();
    await until(tail, 2);
    writeFileSync(path, 'c\nd\ne\nf\n');
    await until(tail, 6);
    expect(tail.io.values.slice(2)).toEqual(['c', 'd', 'e', 'f']);
  });
  test('waits for a file that vanished', async () => {
    writeFileSync(path, 'a\n');
    const tail = start();
    await until(tail, 1);
    rmSync(path);
    await polls(tail);
    writeFileSync(path, 'b\n');
    await until(tail, 2);
    expect(tail.io.values).toEqual(['a', 'b']);
  });
  test('stops at once when told to', async () => {
    writeFileSync(path, 'a\n');
    const tail = start({ pollMs: 6_000_000 });
    await until(tail, 1);
    await stop(tail);
  });
});

describe('after a restart', () => {
  test('the rest of a renamed file comes before the new one', async () => {
    writeFileSync(path, 'a\nb\n');
    const before = start();
    await until(before, 2);
    const cursor = await stop(before);
    appendFileSync(path, 'c\n');
    renameSync(path, `${path}.1`);
    writeFileSync(join(folder, 'log.other'), 'not this\n');
    writeFileSync(path, 'd\n');
    const after = start({}, { cursor });
    await until(after, 2);
    expect(after.io.values).toEqual(['c', 'd']);
  });
  test('a file of the same inode with other content is read from its beginning', async () => {
    writeFileSync(path, 'a\nb\n');
    const before = start();
    await until(before, 2);
    const cursor = await stop(before);
    truncateSync(path);
    appendFileSync(path, 'c\nd\ne\n');
    const after = start({ startAt: 'end' }, { cursor });
    await until(after, 3);
    expect(after.io.values).toEqual(['c', 'd', 'e']);
  });
});

describe('options', () => {
  test.each<[string, object, string]>([
    ['an empty path', { path: '' }, 'path'],
    ['another format', { format: 'xml' }, 'format'],
    ['a read from the end', { mode: 'read', startAt: 'end' }, 'startAt'],
  ])('refuse %s', (_, options, name) => {
    expect(() => fileSource({ id: 'a', path: '/a', ...options })).toThrowError(
      expect.objectContaining({ code: 'HG_OPTION_INVALID', details: { subject: 'fileSource', field: name } }),
    );
  });
});
