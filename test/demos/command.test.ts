// @module-tag full
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Row } from '../../storage/reading/timeline-reader.ts';
import { headgate, startHeadgate } from '../support/command-line.ts';
import { expectCleanEnd, REPORT_SCHEMAS, type DemoName } from './demo-runs.ts';
import { childrenOf, commandLine, isPublisher } from './processes.ts';

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-test-command-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('--json prints one document on stdout, and the story on stderr', async () => {
  const db = join(temporaryFolder(), 'edge.db');
  const { exitCode, stdout, stderr } = await headgate(['demo', 'burst', '--virtual', '--json', '--db', db]);
  expect(exitCode).toBe(0);
  const document = JSON.parse(stdout) as { db: string };
  expect(REPORT_SCHEMAS.burst.safeParse(document).error).toBeUndefined();
  expect(document.db).toBe(db);
  expect(stderr).toContain('BURST of bursty');
  expect(stderr).toContain(db);
});

test('all runs every demo into one database, a run each', async () => {
  const db = join(temporaryFolder(), 'edge.db');
  const { exitCode, stdout } = await headgate(['demo', 'all', '--virtual', '--json', '--db', db]);
  expect(exitCode).toBe(0);
  const { demos } = JSON.parse(stdout) as { demos: { demo: DemoName; db: string }[] };
  expect(demos.map(({ demo }) => demo)).toEqual(['health', 'backpressure', 'registry', 'burst']);
  for (const report of demos) expect(REPORT_SCHEMAS[report.demo].safeParse(report).error).toBeUndefined();
  const rows = await timelineRows(db);
  expect([...new Set(rows.map(({ run }) => run))]).toEqual([1, 2, 3, 4]);
});

test('without --db the database lies under the temporary folder, is kept, and its path is told', async () => {
  const folder = temporaryFolder();
  const { stdout } = await headgate(['demo', 'registry', '--virtual'], { env: { TMPDIR: folder } });
  const path = /database\s+(\S+)/.exec(stdout)?.[1] ?? '';
  expect(path.startsWith(folder)).toBe(true);
  expect(existsSync(path)).toBe(true);
  const again = await headgate(['demo', 'registry', '--virtual', '--json'], { env: { TMPDIR: folder } });
  expect((JSON.parse(again.stdout) as { db: string }).db).not.toBe(path);
  expect(readdirSync(folder)).toHaveLength(2);
});

test('the same seed gives the same stored timeline to the byte', async () => {
  const folder = temporaryFolder();
  const timeline = async (file: string) => {
    const db = join(folder, file);
    await headgate(['demo', 'health', '--virtual', '--seed', '7', '--db', db]);
    return (await headgate(['timeline', db, '--json'])).stdout;
  };
  const [first, again] = await Promise.all([timeline('a.db'), timeline('b.db')]);
  expect(first.length).toBeGreaterThan(1_000);
  expect(again).toBe(first);
});

test('what is written for people bears no control sequences where there is no terminal', async () => {
  const db = join(temporaryFolder(), 'edge.db');
  const { stdout, stderr } = await headgate(['demo', 'registry', '--virtual', '--db', db]);
  expect(stdout).toMatch(/a {2}\+─+×/);
  expect(stdout + stderr).not.toContain('\u001b');
});

test('an unknown demo is a usage error that names the nearest one', async () => {
  const { exitCode, stdout, stderr } = await headgate(['demo', 'helth']);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toContain('unknown demo "helth"; did you mean "health"?');
});

test('a name like no demo at all lists them', async () => {
  const { exitCode, stderr } = await headgate(['demo', 'zzzzzzzzzz']);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('there are health, backpressure, registry, burst, all');
});

test.for(['SIGINT', 'SIGTERM'] as const)(
  '%s ends a demo early: drained, reported, exit code 0',
  async (signal) => {
    const db = join(temporaryFolder(), 'edge.db');
    const running = startHeadgate(['demo', 'health', '--db', db]);
    for (;;) {
      const { done, value } = await running.lines.next();
      expect(done, 'the demo tells its first summary').not.toBe(true);
      if ((value as string).includes('http-1')) break;
    }
    running.signal(signal);
    const { exitCode, stdout } = await running.ended;
    expect(exitCode).toBe(0);
    expect(stdout).toContain('all that was produced');
    const rows = await timelineRows(db);
    expectCleanEnd(rows);
  },
);

test('a reader that goes away ends the demo, not with an error', async () => {
  const running = startHeadgate(['demo', 'registry', '--db', join(temporaryFolder(), 'edge.db')]);
  await running.lines.next();
  running.hangUp();
  const { exitCode, stderr } = await running.ended;
  expect([exitCode, stderr]).toEqual([0, '']);
});

test(
  'where the broker is not installed, real demos say what to install and virtual ones run',
  { tags: 'full' },
  async () => {
    const hook = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(specifier, context, next) {
      if (specifier !== 'aedes') return next(specifier, context);
      const error = new Error("Cannot find package 'aedes' imported from " + context.parentURL);
      throw Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' });
    } });`;
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` };
    const db = join(temporaryFolder(), 'edge.db');
    const real = await headgate(['demo', 'registry', '--db', db], { env });
    expect(real.exitCode).toBe(69);
    expect(real.stderr).toContain('npm install aedes');
    const start = await headgate(['start', '--folder', temporaryFolder(), '--port', '0'], { env });
    expect([start.exitCode, start.stderr]).toEqual([69, expect.stringContaining('npm install aedes')]);
    const simulated = await headgate(['demo', 'registry', '--virtual', '--db', db], { env });
    expect(simulated.exitCode).toBe(0);
  },
);

test('a database that cannot be used ends the demo with its reason, and everything it had started', async () => {
  const { exitCode, stderr } = await headgate([
    'demo',
    'burst',
    '--db',
    join(temporaryFolder(), 'no', 'x.db'),
  ]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain('does not exist; create it or choose another path');
});

test.runIf(process.platform === 'linux')('a demo that is killed takes its publisher with it', async () => {
  const db = join(temporaryFolder(), 'edge.db');
  const running = startHeadgate(['demo', 'registry', '--db', db]);
  for (;;) {
    const { done, value } = await running.lines.next();
    expect(done, 'the demo registers its first source').not.toBe(true);
    if ((value as string).includes('registered a')) break;
  }
  const demo = childrenOf(process.pid).find((pid) => commandLine(pid).includes(db)) ?? '';
  const publisher = childrenOf(demo).find(isPublisher) ?? '';
  expect(publisher).not.toBe('');
  running.signal('SIGKILL');
  await running.ended;
  await expect.poll(() => isPublisher(publisher)).toBe(false);
});

async function timelineRows(db: string): Promise<(Row & { run: number })[]> {
  const { stdout } = await headgate(['timeline', db, '--json']);
  return (JSON.parse(stdout) as { rows: (Row & { run: number })[] }).rows;
}
