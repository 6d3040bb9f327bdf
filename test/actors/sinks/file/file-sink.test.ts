/** The file sink: what is in its files, and what is left of them after a crash. */

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fileSink, type FileSinkOptions } from '../../../../actors/sinks/file/file-sink.ts';
import { HeadgateError } from '../../../../src/domain/errors.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';
import { start } from '../../../support/command-line.ts';
import { outbound, outboundRange, sinkBench } from '../../../support/sink-bench.ts';
import { temporaryFolder } from '../../../storage/fixture.ts';
import { mountSmallDisk, whyNoSmallDisk } from '../../../storage/small-disk.ts';
import { skipNote } from '../../../support/skip-note.ts';

type Options = Partial<FileSinkOptions>;

function place(name = 'out.ndjson'): string {
  return join(temporaryFolder(), name);
}

async function openSink(path: string, options: Options = {}, bench = sinkBench()) {
  const link = await bench.open(fileSink({ id: 'archive', path, ...options }));
  onTestFinished(() => link.close());
  return link;
}

async function writeAll(path: string, seqs: readonly [first: number, last: number][], options: Options = {}) {
  const link = await openSink(path, options);
  for (const [first, last] of seqs) await link.deliver(outboundRange(first, last));
  await link.close();
}

/** All files of the sink, oldest first. */
function filesOf(path: string): string[] {
  const stem = basename(path).split('.')[0] ?? '';
  const folder = join(path, '..');
  const names = readdirSync(folder).filter((name) => name.startsWith(`${stem}.`));
  const live = basename(path);
  return [...names.filter((name) => name !== live).sort(), ...names.filter((name) => name === live)].map(
    (name) => join(folder, name),
  );
}

/** The seqs in all files; every line must be whole. */
function seqsIn(path: string): number[] {
  return filesOf(path).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    if (file.endsWith('.csv')) {
      return parse(text, { columns: true }).map((row) => Number((row as { seq: string }).seq));
    }
    return linesOf(text).map((line) => (JSON.parse(line) as { seq: number }).seq);
  });
}

function linesOf(text: string): string[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line is torn');
  return text.split('\n').slice(0, -1);
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

async function failureOf(work: Promise<unknown>): Promise<HeadgateError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HeadgateError);
  return error as HeadgateError;
}

describe('what is written', () => {
  test('NDJSON has one record a line, with its key and all that is known of it', async () => {
    const path = place();
    const link = await openSink(path);
    await link.deliver([outbound(1, { speed: 3, name: 'a\nb' }), { ...outbound(2), dedupKey: 'k-2' }]);
    const [first, second] = linesOf(readFileSync(path, 'utf8')).map((line) => JSON.parse(line) as object);
    expect(first).toEqual({
      key: outbound(1).key,
      seq: 1,
      tenant: 'default',
      sourceId: 'plc-7',
      incarnation: 1,
      sourceSeq: 1,
      atMs: outbound(1).atMs,
      data: { speed: 3, name: 'a\nb' },
    });
    expect(second).toMatchObject({ dedupKey: 'k-2', data: { n: 2 } });
  });

  test('CSV has a header once, the key first, and the columns asked for', async () => {
    const path = place('out.csv');
    const options: Options = { format: 'csv', columns: ['atMs', 'data.v', 'data.deep.w', 'data'] };
    const link = await openSink(path, options);
    await link.deliver([outbound(1, { v: 'a,"b"\nc', deep: { w: 5 } })]);
    await link.deliver([outbound(2, { v: null })]);
    const rows = parse(readFileSync(path, 'utf8'));
    expect(rows).toEqual([
      ['key', 'atMs', 'data.v', 'data.deep.w', 'data'],
      [outbound(1).key, String(outbound(1).atMs), 'a,"b"\nc', '5', '{"v":"a,\\"b\\"\\nc","deep":{"w":5}}'],
      [outbound(2).key, String(outbound(2).atMs), '', '', '{"v":null}'],
    ]);
  });

  test('CSV for a spreadsheet has no formula in it, and is gone on with as any other', async () => {
    const path = place('out.csv');
    const options: Options = { format: 'csv', columns: ['data.v', 'dedupKey'], escapeFormulas: true };
    const delivered = [outbound(1, { v: '=1+1' }), outbound(2, { v: -5 }), outbound(3, { v: '-5-5' })];
    await (await openSink(path, options)).deliver(delivered);
    await (await openSink(path, options)).deliver([...delivered, outbound(4, { v: '@a,"b"' })]);
    expect(parse(readFileSync(path, 'utf8')).map((row) => row[1])).toEqual([
      ...['data.v', "'=1+1", '-5', "'-5-5", '\'@a,"b"'],
    ]);
  });

  test('a record that is no JSON is rejected, its neighbours are written', async () => {
    const path = place();
    const link = await openSink(path);
    const rejections = await link.deliver([outbound(1), outbound(2, new Map()), outbound(3)]);
    expect(rejections).toMatchObject([
      { index: 1, error: { code: 'HG_RECORD_UNSTORABLE', message: expect.stringContaining('JSON') } },
    ]);
    expect(seqsIn(path)).toEqual([1, 3]);
  });
});

describe('a batch that comes again', () => {
  for (const [format, name] of [
    ['ndjson', 'out.ndjson'],
    ['csv', 'out.csv'],
  ] as const) {
    test(`${format}: is left out where it is written, the rest is added`, async () => {
      const path = place(name);
      await writeAll(path, [[1, 50]], { format });
      await writeAll(
        path,
        [
          [30, 70],
          [71, 75],
        ],
        { format },
      );
      expect(seqsIn(path)).toEqual(range(1, 75));
    });

    test(`${format}: a torn last line is cut off and written anew`, async () => {
      const path = place(name);
      const link = await openSink(path, { format });
      await link.deliver(range(1, 9).map((seq) => outbound(seq, { text: 'a\n"b",\n' })));
      await link.close();
      const whole = readFileSync(path);
      // Every byte of the last two records is a place where the write may have been torn.
      for (let cut = whole.length - 1; cut > whole.length - 220; cut -= 3) {
        writeFileSync(path, whole.subarray(0, cut));
        const again = await openSink(path, { format });
        await again.deliver(range(4, 9).map((seq) => outbound(seq, { text: 'a\n"b",\n' })));
        await again.close();
        expect(readFileSync(path).equals(whole), `cut at ${cut}`).toBe(true);
      }
    });

    test(`${format}: what a power cut left as zeros is cut off, with all behind it`, async () => {
      const path = place(name);
      await writeAll(path, [[1, 5]], { format });
      const whole = readFileSync(path);
      await writeAll(path, [[6, 6]], { format });
      const line = readFileSync(path).subarray(whole.length);
      writeFileSync(path, Buffer.concat([whole, Buffer.alloc(4_096), line]));
      await writeAll(path, [[6, 8]], { format });
      expect(seqsIn(path)).toEqual(range(1, 8));
    });
  }

  test('is left out as well where the file was rotated right before the crash', async () => {
    const path = place();
    await writeAll(path, [[1, 5]]);
    const rotated = join(path, '..', 'out.000001.20200101T000000Z.ndjson');
    writeFileSync(rotated, readFileSync(path));
    writeFileSync(path, '');
    await writeAll(path, [[1, 6]]);
    expect(seqsIn(path)).toEqual(range(1, 6));
  });

  test('a record that comes late, a dead letter tried again, is written, and once', async () => {
    const path = place();
    await writeAll(path, [
      [1, 4],
      [6, 9],
    ]);
    await writeAll(path, [[5, 5]]);
    await writeAll(path, [
      [5, 5],
      [10, 10],
    ]);
    expect(seqsIn(path)).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 5, 10]);
  });

  test('is left out over as many files as it was written to', async () => {
    const path = place();
    const options: Options = { rotate: { bytesMax: 700 } };
    await writeAll(path, [[1, 40]], options);
    expect(filesOf(path).length).toBeGreaterThan(8);
    await writeAll(path, [[1, 45]], options);
    expect(seqsIn(path)).toEqual(range(1, 45));
  });

  test('records of another database with the same numbers are written', async () => {
    const path = place();
    await writeAll(path, [[1, 5]]);
    const link = await openSink(path);
    await link.deliver([outbound(1, 'new', 'gateway-1:another')]);
    expect(seqsIn(path)).toEqual([1, 2, 3, 4, 5, 1]);
  });
});

describe('rotation', () => {
  test('files stay below bytesMax, hold everything in order, and the newest ones are kept', async () => {
    const path = place();
    await writeAll(
      path,
      [
        [1, 3],
        [4, 40],
      ],
      { rotate: { bytesMax: 1_000 } },
    );
    const files = filesOf(path);
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(1_000);
    expect(seqsIn(path)).toEqual(range(1, 40));

    await writeAll(path, [[41, 80]], { rotate: { bytesMax: 1_000, keepFiles: 2 } });
    expect(filesOf(path)).toHaveLength(3);
    const kept = seqsIn(path);
    expect(kept).toEqual(range(kept[0] ?? 0, 80));
  });

  test('a file older than ageMsMax is renamed by the time and number of its end', async () => {
    const clock = virtualClock();
    const path = place();
    const link = await openSink(path, { rotate: { ageMsMax: 60_000 } }, sinkBench(clock));
    await link.deliver(outboundRange(1, 2));
    await clock.advance(59_999);
    await link.deliver(outboundRange(3, 3));
    expect(filesOf(path)).toHaveLength(1);
    await clock.advance(1);
    await link.deliver(outboundRange(4, 4));
    expect(filesOf(path).map((file) => basename(file))).toEqual([
      'out.000001.20200101T000100Z.ndjson',
      'out.ndjson',
    ]);
    expect(readFileSync(path, 'utf8')).toContain('"seq":4');
  });

  test('other columns begin another file', async () => {
    const path = place('out.csv');
    await writeAll(path, [[1, 2]], { format: 'csv', columns: ['seq', 'data.n'] });
    await writeAll(path, [[2, 3]], { format: 'csv', columns: ['data.n', 'seq'] });
    expect(filesOf(path)).toHaveLength(2);
    expect(seqsIn(path)).toEqual([1, 2, 3]);
    expect(readFileSync(path, 'utf8')).toMatch(/^key,data\.n,seq\n/);
  });
});

describe('a file that another program changes', () => {
  const seqsOf = (path: string) =>
    linesOf(readFileSync(path, 'utf8')).map((line) => (JSON.parse(line) as { seq: number }).seq);

  const opened = async (options: Options = {}) => {
    const path = place();
    const bench = sinkBench();
    const link = await openSink(path, options, bench);
    await link.deliver(outboundRange(1, 100));
    return { path, bench, link };
  };

  test('by removing it: what comes next is in a file of that name, and an alert says so', async () => {
    const { path, bench, link } = await opened();
    rmSync(path);
    await link.deliver(outboundRange(101, 200));
    expect(seqsOf(path)).toEqual(range(101, 200));
    expect(bench.alerts).toEqual([expect.stringContaining('SINK_FILE_CHANGED')]);
    expect(bench.alerts[0]).toContain('was removed or renamed');
  });

  test('by renaming it, or renaming it and making another (logrotate): both have their records', async () => {
    for (const makesAnother of [false, true]) {
      const { path, bench, link } = await opened();
      renameSync(path, `${path}.1`);
      if (makesAnother) writeFileSync(path, '', { mode: 0o644 });
      await link.deliver(outboundRange(101, 200));
      expect([seqsOf(`${path}.1`), seqsOf(path)]).toEqual([range(1, 100), range(101, 200)]);
      expect(bench.alerts).toHaveLength(1);
    }
  });

  test('by copying and emptying it (copytruncate), in CSV too: the new one has its header', async () => {
    const { path, bench, link } = await opened({ format: 'csv' });
    const whole = readFileSync(path, 'utf8');
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
    await link.deliver(outboundRange(101, 200));
    const rows = parse<{ seq: string }>(readFileSync(path, 'utf8'), { columns: true });
    expect(rows.map(({ seq }) => Number(seq))).toEqual(range(101, 200));
    expect(readFileSync(`${path}.1`, 'utf8')).toBe(whole);
    expect(bench.alerts).toEqual([expect.stringContaining('was cut short')]);
  });

  test('by cutting it within a line: the torn line is gone, whole ones follow', async () => {
    const { path, bench, link } = await opened();
    truncateSync(path, statSync(path).size - 10);
    await link.deliver(outboundRange(101, 110));
    expect(seqsOf(path)).toEqual([...range(1, 99), ...range(101, 110)]);
    expect(bench.alerts).toHaveLength(1);
  });

  test('by removing its folder, putting a folder or a pipe in its place: nothing counts as written', async () => {
    for (const put of [
      (path: string) => rmSync(join(path, '..'), { recursive: true }),
      (path: string) => {
        rmSync(path);
        mkdirSync(path);
      },
      (path: string) => {
        rmSync(path);
        execFileSync('mkfifo', [path]);
      },
    ]) {
      const { path, bench, link } = await opened();
      put(path);
      expect(await failureOf(link.deliver(outboundRange(101, 110)))).toMatchObject({
        ...{ code: 'HG_LINK_REFUSED', remedy: 'retry' },
      });
      expect(bench.alerts).toHaveLength(1);
      await link.close();
    }
  });

  test('by making it read-only: nothing counts as written until it may be', async () => {
    const { path, link } = await opened();
    chmodSync(path, 0o444);
    const error = await failureOf(link.deliver(outboundRange(101, 110)));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    expect(error.message).toContain('was made read-only');
    chmodSync(path, 0o644);
    await link.deliver(outboundRange(101, 110));
    expect(seqsOf(path)).toEqual(range(1, 110));
  });

  test('by writing to it, too: an alert once, and what was written stays', async () => {
    const { path, bench, link } = await opened();
    for (const seq of [101, 102, 103]) {
      appendFileSync(path, '{"key":"other"}\n');
      await link.deliver([outbound(seq)]);
    }
    expect(seqsOf(path).filter(Boolean)).toEqual(range(1, 103));
    expect(bench.alerts).toEqual([expect.stringContaining('SINK_FILE_SHARED')]);
  });

  test('while a batch is written: it is written again, where the name is', async () => {
    const path = place();
    let isArmed = false;
    const bench = sinkBench();
    // The time is asked for when a file is begun: between the look at the file and the writing.
    const clock = {
      ...bench.io.clock,
      wallMs: () => {
        if (isArmed) rmSync(path);
        isArmed = false;
        return bench.io.clock.wallMs();
      },
    };
    const spec = fileSink({ id: 'archive', path, rotate: { ageMsMax: 3_600_000 } });
    const link = await spec.logic.open({ ...bench.io, clock });
    onTestFinished(() => link.close());
    await link.deliver([outbound(1)]);
    isArmed = true;
    await link.deliver(outboundRange(2, 20));
    expect(seqsOf(path)).toEqual(range(2, 20));
    expect(bench.alerts).toHaveLength(1);
  });

  test('has permissions of its own when the sink makes it: not for everybody', async () => {
    const { path } = await opened();
    expect(statSync(path).mode & 0o007).toBe(0);
  });
});

describe('what goes wrong is said', () => {
  test('a missing folder: worth another try once it is created', async () => {
    const path = join(place('none'), 'out.ndjson');
    const error = await failureOf(openSink(path));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry', details: { reason: 'ENOENT' } });
    expect(error.message).toContain(path);
    mkdirSync(join(path, '..'));
    await writeAll(path, [[1, 1]]);
  });

  test('a folder in its place', async () => {
    const error = await failureOf(openSink(temporaryFolder()));
    expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', message: expect.stringContaining('folder') });
  });

  for (const content of ['not ours', '{"speed":5}\n{"speed":6}', '\n', 'key;value\n']) {
    test(`a file that somebody else wrote is left as it is: ${JSON.stringify(content)}`, async () => {
      const path = place();
      writeFileSync(path, content);
      const error = await failureOf(openSink(path));
      expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', message: expect.stringContaining('untouched') });
      expect(readFileSync(path, 'utf8')).toBe(content);
    });
  }

  const noDisk = whyNoSmallDisk();

  test.skipIf(noDisk !== undefined)(
    `a full disk: worth another try, and nothing is missing or doubled when there is room${skipNote(noDisk)}`,
    async () => {
      const disk = mountSmallDisk();
      const path = join(disk.folder, 'out.ndjson');
      await writeAll(path, [[1, 10]]);
      disk.fill();
      const link = await openSink(path);
      const batch = range(11, 200).map((seq) => outbound(seq, 'x'.repeat(100)));
      const error = await failureOf(link.deliver(batch));
      expect(error).toMatchObject({ code: 'HG_STORAGE_FULL', remedy: 'retry', details: { path } });
      await link.close();
      disk.free();
      const again = await openSink(path);
      await again.deliver(batch);
      await again.close();
      expect(seqsIn(path)).toEqual(range(1, 200));
    },
  );

  test('misspelled options, columns without CSV, unknown columns', () => {
    const make = (options: object) => () => fileSink({ id: 'a', path: 'a', ...options });
    expect(make({ formt: 'csv' })).toThrow('did you mean "format"?');
    expect(make({ columns: ['seq'] })).toThrow('goes with format "csv" only');
    expect(make({ escapeFormulas: true })).toThrow('goes with format "csv" only');
    expect(make({ format: 'csv', columns: ['sec'] })).toThrow('must be key, seq');
    expect(make({ rotate: { maxBytes: 1 } })).toThrow('unknown option "rotate.maxBytes"');
  });
});

describe('a process that is killed while it writes', () => {
  for (const format of ['ndjson', 'csv'] as const) {
    test(`${format}: leaves no line torn, doubled or missing once the file is opened again`, async () => {
      const path = place(`out.${format}`);
      const options: FileSinkOptions = {
        ...{ id: 'archive', path, format },
        rotate: { bytesMax: 3_000_000 },
      };
      let acknowledged = 0;
      for (let round = 0; round < 4; round++) {
        acknowledged = await writeAndKill(options, acknowledged + 1, 2 + round);
      }
      const link = await openSink(path, options);
      await link.deliver(outboundRange(acknowledged + 1, acknowledged + 400));
      await link.close();
      const seqs = seqsIn(path);
      expect(seqs).toEqual(range(1, Math.max(acknowledged + 400, seqs.at(-1) ?? 0)));
    });
  }
});

/** Writes in a process of its own from `first` on, kills it when it has printed `lines` lines.
 *  @returns the last seq it said was delivered. */
async function writeAndKill(options: FileSinkOptions, first: number, lines: number): Promise<number> {
  const script = join(import.meta.dirname, 'child-file-sink.ts');
  const child = start(process.execPath, [script, JSON.stringify(options), String(first)]);
  for (let line = 0; line < lines; line++) {
    if ((await child.lines.next()).done === true) throw new Error((await child.ended).stderr);
  }
  child.signal('SIGKILL');
  const { stdout } = await child.ended;
  return Number(linesOf(stdout).at(-1));
}
