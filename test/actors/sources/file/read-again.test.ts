import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fileSource } from '../../../../actors/sources/file/file-source.ts';
import { recordingIo } from '../../../support/recording-io.ts';
import { steppedClock } from '../../../support/stepped-clock.ts';

let folder: string;
let path: string;
const stops: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-again-'));
  path = join(folder, 'log');
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(cursor?: string) {
  const clock = steppedClock(0);
  const spec = fileSource({ id: 'file', path, format: 'text', pollMs: 100 });
  const io = recordingIo(spec, clock, cursor === undefined ? {} : { cursor });
  const run = spec.logic.stream(io) as Promise<void>;
  const stop = async () => {
    io.abort();
    await run;
    return io.metas.at(-1)?.cursor;
  };
  stops.push(stop);
  await clock.asleep();
  return { io, polls: (count = 3) => clock.wake(count), stop };
}

const named = (day: string) => join(folder, `app-2026-11-${day}.log`);
function turn(day: string): void {
  symlinkSync(named(day), join(folder, 'new'));
  renameSync(join(folder, 'new'), path);
}
/** Makes a file whose time of birth is another one than that of `earlier`: file systems count in some
 *  milliseconds. */
function writeLater(name: string, text: string, earlier: string): void {
  do {
    rmSync(name, { force: true });
    writeFileSync(name, text);
  } while (statSync(name).birthtimeMs === statSync(earlier).birthtimeMs);
}
const events = (io: { alerts: { event: string }[] }) => io.alerts.map(({ event }) => event);

describe('a link that is turned back', () => {
  test('to the file before gives what came to it since, and so on to and fro', async () => {
    writeFileSync(named('01'), 'a\n');
    writeFileSync(named('02'), 'b\n');
    turn('01');
    const { io, polls } = await start();
    turn('02');
    await polls();
    turn('01');
    await polls();
    expect(io.values).toEqual(['a', 'b']);
    appendFileSync(named('01'), 'c\n');
    await polls();
    turn('02');
    appendFileSync(named('02'), 'd\n');
    await polls();
    turn('01');
    await polls();
    expect(io.values).toEqual(['a', 'b', 'c', 'd']);
    expect(io.alerts).toEqual([]);
  });
  test('over several files, and forward again, gives no line twice', async () => {
    for (const day of ['01', '02', '03']) writeFileSync(named(day), `${day}\n`);
    turn('01');
    const { io, polls } = await start();
    turn('03');
    await polls();
    expect(io.values).toEqual(['01', '02', '03']);
    turn('01');
    await polls();
    appendFileSync(named('02'), 'more\n');
    turn('03');
    await polls();
    expect(io.values).toEqual(['01', '02', '03', 'more']);
  });
  test('while the process is down gives what is new', async () => {
    writeFileSync(named('01'), 'a\n');
    writeFileSync(named('02'), 'b\n');
    turn('01');
    const first = await start();
    turn('02');
    await first.polls();
    const cursor = await first.stop();
    turn('01');
    appendFileSync(named('01'), 'c\n');
    const { io, polls } = await start(cursor);
    await polls();
    expect(io.values).toEqual(['c']);
    expect(io.alerts).toEqual([]);
  });
  test('to a file that was written over gives its new lines', async () => {
    writeFileSync(named('01'), 'a\n');
    writeFileSync(named('02'), 'b\n');
    turn('01');
    const { io, polls } = await start();
    turn('02');
    await polls();
    writeFileSync(named('01'), 'c\nd\n');
    await polls();
    turn('01');
    await polls();
    expect(io.values).toEqual(['a', 'b', 'c', 'd']);
  });
  test('to a file that is known no more is an alert', async () => {
    writeFileSync(named('01'), '01\n');
    utimesSync(named('01'), 1, 1);
    for (const day of ['02', '03']) writeLater(named(day), `${day}\n`, named('01'));
    turn('01');
    const first = await start();
    turn('03');
    await first.polls();
    const cursor = await first.stop();
    turn('01');
    const { io, polls } = await start(cursor);
    await polls();
    expect(io.values).toEqual(['01']);
    expect(io.alerts).toMatchObject([{ event: 'FILE_REPEATED', details: { path, offset: 0 } }]);
  });
});

describe('a file that was read and comes back under the name', () => {
  test('by renaming is read on', async () => {
    writeFileSync(path, 'a\n');
    const { io, polls } = await start();
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'b\n');
    await polls();
    renameSync(path, `${path}.2`);
    renameSync(`${path}.1`, path);
    appendFileSync(path, 'c\n');
    await polls();
    expect(io.values).toEqual(['a', 'b', 'c']);
    expect(io.alerts).toEqual([]);
  });
  test('as a copy is an alert', async () => {
    writeFileSync(path, `${'a'.repeat(300)}\n`);
    const { io, polls } = await start();
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'b\n');
    await polls();
    renameSync(path, `${path}.2`);
    copyFileSync(`${path}.1`, path);
    await polls();
    expect(io.values).toHaveLength(3);
    expect(events(io)).toEqual(['FILE_REPEATED']);
  });
});
