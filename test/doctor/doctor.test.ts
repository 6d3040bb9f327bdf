/** Each check alone: at a machine, a disk and a clock that are made up, and at databases that are real. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChecks, type Check, type Finding } from '../../src/doctor/check.ts';
import { clockChecks } from '../../src/doctor/clock-checks.ts';
import { databaseChecks } from '../../src/doctor/database-checks.ts';
import { diskChecks } from '../../src/doctor/disk-checks.ts';
import type { ForeignTime } from '../../src/doctor/link-checks.ts';
import { runtimeChecks, type MachineFacts } from '../../src/doctor/runtime-checks.ts';
import { createEngine } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { edit } from '../storage/damage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What the checks find, by subject. */
async function look(checks: readonly Check[], timeoutMs?: number): Promise<Record<string, Finding>> {
  const findings = await runChecks(checks, realClock, timeoutMs);
  return Object.fromEntries(findings.map((finding) => [finding.subject, finding]));
}

describe('a check', () => {
  const check = (run: Check['run']): Check => ({ subject: 'it', isService: true, run });

  test('that does not come to an end is a problem', async () => {
    let wasAborted = false;
    const run = (signal: AbortSignal) => {
      signal.addEventListener('abort', () => {
        wasAborted = true;
      });
      return new Promise<never>(() => {});
    };
    const { it } = await look([check(run)], 20);
    expect(it).toMatchObject({ level: 'problem', message: 'did not come to an end within 20 ms' });
    expect(wasAborted).toBe(true);
  });

  test('that throws is a problem, and the others are looked at', async () => {
    const fine = { ...check(() => ({ level: 'ok', message: 'fine', remedy: null })), subject: 'other' };
    const broken = check(() => Promise.reject(new Error('broken')));
    const { it, other } = await look([broken, fine]);
    expect(it).toMatchObject({ level: 'problem', message: 'broken', isService: true });
    expect(other).toMatchObject({ level: 'ok' });
  });

  test('tells what it found in the place where it was asked, however long it takes', async () => {
    const slow = check(async () => {
      await realClock.sleep(20);
      return { level: 'ok', message: 'slow', remedy: null };
    });
    const quick = check(() => ({ level: 'ok', message: 'quick', remedy: null }));
    const findings = await runChecks([slow, ...Array.from({ length: 30 }, () => quick)], realClock);
    expect(findings.map(({ message }) => message)).toEqual(['slow', ...Array(30).fill('quick')]);
  });
});

describe('the machine:', () => {
  const GIB = 1024 ** 3;
  const sound: MachineFacts = {
    nodeVersion: '24.21.0',
    memoryBytes: 8 * GIB,
    groupMemoryBytes: null,
    heapLimitBytes: 4 * GIB,
    openFilesMax: 1_024,
  };
  const cases: [what: string, facts: Partial<MachineFacts>, links: number, subject: string, level: string][] =
    [
      ['all is well', {}, 0, 'memory', 'ok'],
      ['SQLite loads', {}, 0, 'sqlite', 'ok'],
      ['an old Node', { nodeVersion: '22.1.0' }, 0, 'node', 'problem'],
      ['little memory', { memoryBytes: 200 * 1024 ** 2, heapLimitBytes: 1 }, 0, 'memory', 'warning'],
      ['a group with less than the heap may take', { groupMemoryBytes: GIB }, 0, 'memory', 'warning'],
      ['a group with more', { groupMemoryBytes: 6 * GIB }, 0, 'memory', 'ok'],
      ['enough open files', {}, 100, 'open files', 'ok'],
      ['too few for so many sources', {}, 1_000, 'open files', 'warning'],
      ['a system that does not tell', { openFilesMax: null }, 1_000, 'open files', 'ok'],
    ];
  test.each(cases)('%s', async (_what, facts, links, subject, level) => {
    const found = await look(runtimeChecks({ ...sound, ...facts }, links));
    expect(found[subject]).toMatchObject({ level, isService: false });
    expect(found[subject]?.remedy === null).toBe(level === 'ok');
  });
});

describe('the disk:', () => {
  test('a folder that can be written says how fast, and nothing is left in it', async () => {
    const found = await look(diskChecks(folder, realClock));
    expect(found['disk writes']?.message).toMatch(/^can be written; .* after \d+\.\d ms \(median of 15\)$/);
    expect(found['disk space']?.message).toMatch(/ [KMGT]iB of .* are free in /);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a folder that is not there, or is a file, is a problem', async () => {
    const missing = await look(diskChecks(join(folder, 'none'), realClock));
    expect(missing['disk space']).toMatchObject({ level: 'problem' });
    expect(missing['disk writes']).toMatchObject({ level: 'problem' });
    writeFileSync(join(folder, 'file'), '');
    const file = await look(diskChecks(join(folder, 'file'), realClock));
    expect(file['disk space']?.message).toContain('is no folder');
  });

  test('a disk that takes its time is told of', async () => {
    let nowMs = 0;
    // Every look at the clock finds it 60 ms later: each write and sync takes that long.
    const clock = { ...realClock, monotonicMs: () => (nowMs += 60) };
    expect((await look(diskChecks(folder, clock)))['disk writes']).toMatchObject({ level: 'warning' });
  });

  const mount = (point: string, kind: string) => `22 1 0:20 / ${point} rw,relatime shared:1 - ${kind} dev rw`;
  const kinds: [kind: string, level: string][] = [
    ['ext4', 'ok'],
    ['nfs4', 'problem'],
    ['cifs', 'problem'],
    ['fuse.sshfs', 'problem'],
    ['tmpfs', 'warning'],
    ['overlay', 'warning'],
  ];
  test.each(kinds)('on %s: %s', async (kind, level) => {
    const mounts = [mount('/', 'xfs'), mount(folder, kind), mount('/other', 'nfs')].join('\n');
    expect((await look(diskChecks(folder, realClock, mounts)))['file system']).toMatchObject({ level });
  });

  test('the kind is that of where a link leads, and of the longest mount that holds it', async () => {
    symlinkSync(folder, `${folder}-link`);
    try {
      const mounts = [mount(`${folder}-li`, 'nfs'), mount(folder, 'btrfs'), mount('/', 'nfs')].join('\n');
      const { 'file system': kind } = await look(diskChecks(`${folder}-link`, realClock, mounts));
      expect(kind?.message).toBe('btrfs');
    } finally {
      rmSync(`${folder}-link`);
    }
  });

  test('a mount point with blanks', async () => {
    const mounts = [mount('/a\\040b', 'nfs'), mount('/', 'xfs')].join('\n');
    expect((await look(diskChecks('/a b/c', realClock, mounts)))['file system']?.level).toBe('problem');
  });
});

describe('the database:', () => {
  /** A real one, closed. */
  async function newDatabase(): Promise<string> {
    const path = join(folder, 'edge.db');
    const engine = createEngine({ timeline: { path } });
    await engine.start();
    await engine.stop();
    return path;
  }

  test('one that is not there yet is made by the first start', async () => {
    const found = await look(databaseChecks(join(folder, 'new.db'), realClock));
    expect(Object.keys(found)).toEqual(['database']);
    expect(found['database']).toMatchObject({ level: 'ok' });
  });

  test('a sound one is read page by page', async () => {
    const found = await look(databaseChecks(await newDatabase(), realClock));
    expect(found['database']?.message).toContain('every page is sound');
    expect(Object.values(found).map(({ level }) => level)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    expect(found['database lock']?.message).toBe('no engine holds it');
  });

  test('one that an engine holds, by which process', async () => {
    const path = join(folder, 'edge.db');
    const engine = createEngine({ timeline: { path } });
    await engine.start();
    try {
      const { 'database lock': lock, database } = await look(databaseChecks(path, realClock));
      const pattern = process.platform === 'linux' ? `process ${process.pid} ` : 'an engine holds it';
      expect(lock).toMatchObject({ level: 'ok', message: expect.stringContaining(pattern) as string });
      expect(database?.level).toBe('ok');
    } finally {
      await engine.stop();
    }
    const { 'database lock': free } = await look(databaseChecks(path, realClock));
    expect(free?.message).toBe('no engine holds it');
  });

  test('a damaged one, one of another program, and what is none', async () => {
    const path = await newDatabase();
    const bytes = readFileSync(path);
    // The first byte of a page says what kind of page it is.
    for (let page = 1; page * 4_096 < bytes.length; page++) bytes[page * 4_096] = 0x7f;
    writeFileSync(path, bytes);
    edit(join(folder, 'foreign.db'), 'CREATE TABLE theirs (x)');
    writeFileSync(join(folder, 'text.db'), 'this is no database, and it is long enough to be one'.repeat(20));
    const levels = await Promise.all(
      [path, join(folder, 'foreign.db'), join(folder, 'text.db')].map(
        async (file) => (await look(databaseChecks(file, realClock)))['database'],
      ),
    );
    for (const found of levels) expect(found).toMatchObject({ level: 'problem' });
    expect(levels[1]?.message).toContain('another program');
    expect(levels[2]?.message).toContain('no SQLite database');
  });

  test('one of a newer Headgate names the remedy', async () => {
    const path = await newDatabase();
    edit(path, 'PRAGMA user_version = 9999');
    const { database } = await look(databaseChecks(path, realClock));
    expect(database).toMatchObject({
      level: 'problem',
      remedy: 'run the Headgate that wrote it, or a newer one',
    });
  });

  test('a clock that has gone back behind the last row', async () => {
    const path = await newDatabase();
    const early = { ...realClock, wallMs: () => realClock.wallMs() - 3_600_000 };
    const { 'database clock': found } = await look(databaseChecks(path, early));
    expect(found).toMatchObject({ level: 'warning' });
    expect(found?.message).toMatch(/^the clock is 3\d{3} s behind the last row/);
  });
});

describe('the clock:', () => {
  const NOW_MS = Date.UTC(2027, 0, 1);
  const clock = { ...realClock, wallMs: () => NOW_MS, monotonicMs: () => 10_000 };
  const since = { wallMs: NOW_MS - 2_000, monotonicMs: 8_000 };
  const time = (skewMs: number, tookMs = 50): ForeignTime => ({
    host: 'meter',
    theirWallMs: Math.floor((NOW_MS - skewMs) / 1_000) * 1_000,
    ourWallMs: NOW_MS,
    tookMs,
  });

  test('is steady, set and agrees', async () => {
    const found = await look(clockChecks(clock, since, [time(0)], 'Europe/Vienna'));
    expect(Object.values(found).map(({ level }) => level)).toEqual(['ok', 'ok', 'ok']);
    expect(found['clock']?.message).toBe('it is 2027-01-01T00:00:00.000Z, time zone Europe/Vienna');
    expect(found['clock jumps']?.message).toBe('steady over 2.0 s');
  });

  test('was never set', async () => {
    const unset = { ...clock, wallMs: () => 86_400_000 };
    expect((await look(clockChecks(unset, since, [])))['clock']).toMatchObject({ level: 'problem' });
  });

  test('jumped while the doctor looked', async () => {
    const { 'clock jumps': found } = await look(clockChecks(clock, { ...since, wallMs: NOW_MS - 5_000 }, []));
    expect(found).toMatchObject({ level: 'warning', message: 'it jumped by 3000 ms within 2.0 s' });
  });

  const skews: [what: string, times: readonly ForeignTime[], level: string, message: string][] = [
    ['nobody to ask', [], 'ok', 'no server was there'],
    ['a slow answer proves nothing', [time(2_900, 3_000)], 'ok', 'agrees'],
    ['the header’s seconds prove nothing', [time(900)], 'ok', 'agrees'],
    ['ahead', [time(10_000)], 'warning', 'ahead of that of meter'],
    ['behind', [time(-10_000)], 'warning', '10.0 s behind that of meter'],
    ['far ahead', [time(3_600_000)], 'problem', 'ahead of'],
    ['one server is wrong', [time(3_600_000), time(0)], 'ok', 'agrees'],
  ];
  test.each(skews)('skew: %s', async (_what, times, level, message) => {
    const { 'clock skew': found } = await look(clockChecks(clock, since, times));
    expect(found).toMatchObject({ level, message: expect.stringContaining(message) as string });
  });
});
