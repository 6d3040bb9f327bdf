import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openEventStore } from '../../storage/open-event-store.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { startChild } from './child-process.ts';
import {
  writeBatch,
  headgateError,
  openOptions,
  openStore,
  START_MS,
  temporaryFile,
  timelineRow,
} from './fixture.ts';

const refused = (path: string) => headgateError(() => openEventStore(openOptions(path)), 'HG_STORAGE_LOCKED');

describe('one engine per file', () => {
  test('refuses a second engine in the same process, naming the file', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const error = await refused(file);
    expect(error.message).toContain(file);
    expect(error.remedy).toBe('stop');
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
    await refused(file);
  });

  test.each([
    ['a symbolic link', (file: string) => linkTo(file, `${file}-link`)],
    ['a link in another folder to a linked folder', linkThroughFolders],
    ['a relative path', (file: string) => relative(process.cwd(), file)],
    ['a path with detours', (file: string) => join(dirname(file), '..', basename(dirname(file)), 'edge.db')],
    ['blanks around the path', (file: string) => ` ${file} `],
  ])('knows the file by %s', async (_, otherName) => {
    const file = temporaryFile();
    const store = await openStore(file);
    const other = otherName(file);
    await refused(other);
    await store.close({ atMs: START_MS });
    const second = await openStore(other);
    expect(second.run).toBe(2);
    await refused(file);
  });

  test('knows a file that is still to be made by a link that points to it', async () => {
    const file = temporaryFile();
    const link = linkTo(basename(file), `${file}-link`);
    await openStore(link);
    expect(readdirSync(dirname(file))).toContain('edge.db');
    await refused(file);
  });

  test('frees the file when the engine closes, and when its opening fails', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.close(null);
    const broken = openOptions(file, { version: Symbol('no version') as never });
    await headgateError(() => openEventStore(broken), 'HG_STORAGE_FAILED');
    expect((await openStore(file)).run).toBe(2);
  });

  test('refuses a file that another process holds, and takes it over once that one was killed', async () => {
    const file = temporaryFile();
    const child = startChild('hold', file);
    await child.printed(1);
    await refused(file);
    await child.kill();
    const store = await openStore(file);
    expect(store.previousRun).toMatchObject({ run: 1, end: 'crash' });
  });

  test('refuses another process while this one holds the file', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const child = startChild('hold', file);
    await child.printed(1);
    expect(child.lines).toEqual(['HG_STORAGE_LOCKED']);
    await store.commit(writeBatch({ timeline: [timelineRow({ seq: 1 })] }));
  });

  test('lets readers in, and keeps the lock when they leave', async () => {
    const file = temporaryFile();
    await openStore(file);
    const reader = openTimelineReader(file);
    expect(reader.timeline()).toEqual([]);
    reader.close();
    await refused(file);
  });

  test('keeps engines of different files apart', async () => {
    const file = temporaryFile();
    await openStore(file);
    expect((await openStore(`${file}2`)).run).toBe(1);
  });

  test('leaves nothing but the database, its lock and its mark behind', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    await store.close({ atMs: START_MS });
    expect(readdirSync(dirname(file)).sort()).toEqual(['edge.db', 'edge.db-lock', 'edge.db-mark']);
  });

  test('names a file of somebody else that stands where the lock belongs', async () => {
    const file = temporaryFile();
    writeFileSync(`${file}-lock`, 'my own notes\n'.repeat(100));
    const error = await headgateError(() => openEventStore(openOptions(file)), 'HG_STORAGE_NOT_A_DATABASE');
    expect(error.message).toContain(`${file}-lock`);
  });
});

function linkTo(target: string, link: string): string {
  symlinkSync(target, link);
  return link;
}

function linkThroughFolders(file: string): string {
  const folder = join(dirname(file), 'elsewhere');
  mkdirSync(folder);
  symlinkSync(dirname(file), join(folder, 'data'));
  return linkTo(join(folder, 'data', 'edge.db'), join(folder, 'log.db'));
}
