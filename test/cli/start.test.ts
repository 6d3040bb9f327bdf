import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import { HEADGATE, start, type Running } from '../support/command-line.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'headgate-start-'));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

function startIn(folder: string, ...args: string[]): Running {
  return start(process.execPath, [HEADGATE, 'start', '--folder', folder, '--port', '0', ...args]);
}

/** Reads until a line holds `wanted`. */
async function lineWith({ lines }: Running, wanted: string): Promise<string> {
  for (;;) {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`it ended without a line that holds "${wanted}"`);
    if (value.includes(wanted)) return value;
  }
}

async function ask(url: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, init);
  expect(response.ok, `${url}: ${response.status}`).toBe(true);
  return (await response.json()) as Record<string, unknown>;
}

test('a gateway with nothing configured takes records in, follows its file, and drains at SIGTERM', async () => {
  const folder = join(FOLDER, 'signal');
  const gateway = startIn(folder);
  const api = /http:\/\/[\d.]+:\d+/.exec(await lineWith(gateway, '/api/sources'))?.[0] ?? '';
  await lineWith(gateway, 'Ctrl-C');
  await expect.poll(() => fetch(`${api}/readyz`).then(({ status }) => status)).toBe(200);

  const answer = await ask(`${api}/api/ingest/inbox`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"door":"open"}',
  });
  expect(answer).toMatchObject({ accepted: 1, rejected: 0 });
  const recordsOf = async (id: string) => Number((await ask(`${api}/api/sources/${id}`))['recordsProduced']);
  for (const id of ['harbour', 'airport', 'boiler', 'meter']) {
    await expect.poll(() => recordsOf(id), { message: id }).toBeGreaterThan(0);
  }

  const file = join(folder, 'headgate.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('intervalMs: 2000', 'intervalMs: 500'));
  await expect.poll(async () => (await ask(`${api}/api/config`))['version']).toBe(2);

  gateway.signal('SIGTERM');
  await lineWith(gateway, 'lost 0');
  expect(await gateway.ended).toMatchObject({ exitCode: 0, signal: null, stderr: '' });
  const reader = openTimelineReader(join(folder, 'edge.db'));
  const states = reader.sources().map((row) => [row['source_id'], row['state']]);
  expect(states).toContainEqual(['inbox', 'stopped']);
  expect(reader.timeline({ kind: 'config' }).map(({ event }) => event)).toContain('config.applied');
  reader.close();
});

test('it ends by itself after --duration, with a summary', { tags: 'full' }, async () => {
  const { exitCode, stdout, stderr } = await startIn(join(FOLDER, 'duration'), '--duration', '1').ended;
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  expect(stdout).toContain('The gateway has drained and ended.');
  expect(stdout).toMatch(/stored \d+, lost 0/);
});

test('a signal to npm reaches it', async () => {
  const npm = start('npm', ['start', '--', '--folder', join(FOLDER, 'npm'), '--port', '0']);
  await lineWith(npm, 'Ctrl-C');
  npm.signal('SIGTERM');
  await lineWith(npm, 'lost 0');
  expect((await npm.ended).exitCode).toBe(0);
});

test('a signal to all of its processes, as `timeout` sends it, drains and ends it well', async () => {
  const command = 'echo group $$; exec setsid npm start -- --folder "$0" --port 0';
  const npm = start('sh', ['-c', command, join(FOLDER, 'all')]);
  const [, group] = (await lineWith(npm, 'group ')).split(' ');
  await lineWith(npm, 'Ctrl-C');
  process.kill(-Number(group), 'SIGTERM');
  await lineWith(npm, 'lost 0');
  expect(await npm.ended).toMatchObject({ exitCode: 0, stderr: '' });
});

test('where another one runs already it is said how to start it elsewhere', { tags: 'full' }, async () => {
  const folder = join(FOLDER, 'taken');
  const first = startIn(folder);
  onTestFinished(() => first.signal('SIGKILL'));
  const api = /http:\/\/[\d.]+:(\d+)/.exec(await lineWith(first, '/api/sources'));
  const second = await startIn(folder).ended;
  expect([second.exitCode, second.stderr]).toEqual([1, expect.stringContaining('--folder FOLDER --port 0')]);
  const third = await startIn(join(FOLDER, 'free'), '--port', api?.[1] ?? '').ended;
  expect([third.exitCode, third.stderr]).toEqual([69, expect.stringContaining('start --port 0')]);
  first.signal('SIGTERM');
  await lineWith(first, 'lost 0');
  expect((await first.ended).exitCode).toBe(0);
});

test('a configuration that is wrong is told with its places, and nothing is left running', async () => {
  const folder = mkdtempSync(join(FOLDER, 'wrong-'));
  writeFileSync(join(folder, 'headgate.yaml'), 'sources:\n  press: { typ: push }\n');
  const { exitCode, stderr } = await startIn(folder).ended;
  expect(exitCode).toBe(78);
  expect(stderr).toContain('headgate.yaml:2:');
});
