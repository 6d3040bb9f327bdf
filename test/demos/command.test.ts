import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Row } from '../../storage/timeline-reader.ts';
import { headgate, startHeadgate } from '../support/command-line.ts';
import { expectCleanEnd, REPORT_SCHEMAS, type DemoName } from './demo-runs.ts';

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
  const { stdout, stderr } = await headgate(['demo', 'registry', '--virtual']);
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
  const running = startHeadgate(['demo', 'registry']);
  await running.lines.next();
  running.hangUp();
  const { exitCode, stderr } = await running.ended;
  expect([exitCode, stderr]).toEqual([0, '']);
});

async function timelineRows(db: string): Promise<(Row & { run: number })[]> {
  const { stdout } = await headgate(['timeline', db, '--json']);
  return (JSON.parse(stdout) as { rows: (Row & { run: number })[] }).rows;
}
