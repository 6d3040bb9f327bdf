/** `headgate run` as a user starts it: a process, its signals, its log and its exit code. */

import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { stringify } from 'yaml';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { headgate, startHeadgate, type Ended, type Running } from '../support/command-line.ts';
import { fakeSystemdNotify } from '../support/fake-systemd-notify.ts';
import { mosquittoMissing, startMosquitto } from '../support/mqtt-brokers.ts';
import { startPublisher } from '../support/mqtt-publisher.ts';

let folder: string;
let file: string;
const running: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-run-'));
  file = join(folder, 'gateway.yaml');
});
afterEach(async () => {
  for (const one of running.splice(0)) {
    one.signal('SIGKILL');
    await one.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

function write(config: object): void {
  writeFileSync(file, stringify({ storage: { path: 'edge.db' }, http: { port: 0 }, ...config }));
}

type Line = Readonly<Record<string, unknown>>;

interface Started {
  readonly child: Running;
  readonly url: string;
  /** Lines of its log so far. */
  readonly log: () => Line[];
}

/** Starts a gateway; resolves once its log says that it runs. */
async function start(config: object, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  write(config);
  const child = startHeadgate(['run', file], { env });
  running.push(child);
  const log = () => linesOf(child.stderrSoFar());
  let end: Ended | null = null;
  void child.ended.then((ended) => (end = ended));
  const up = () => log().find(({ msg }) => msg === 'the gateway runs');
  await expect.poll(() => end ?? up()).toBeDefined();
  expect(end).toBeNull();
  return { child, log, url: up()?.['url'] as string };
}

function linesOf(text: string): Line[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return whole.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
}

function numbersStored(): number[] {
  const db = new Database(join(folder, 'edge.db'), { readonly: true });
  try {
    return db.prepare("select data ->> 'n' as n from records order by n").pluck().all() as number[];
  } finally {
    db.close();
  }
}

const PUSH = { line3: { type: 'push' } };

/** Uploads numbers, one request after the other, until the gateway takes no more. Gives those that were
 *  acknowledged. */
async function upload(url: string, onAccepted: (count: number) => void): Promise<number[]> {
  const accepted: number[] = [];
  for (let n = 1; ; n += 10) {
    const numbers = Array.from({ length: 10 }, (_, index) => n + index);
    const answer = await fetch(`${url}/api/ingest/line3`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: numbers.map((one) => `{"n":${one}}\n`).join(''),
    }).catch(() => null);
    const body = answer?.status === 200 ? ((await answer.json()) as { accepted: number }) : null;
    if (body === null) return accepted;
    accepted.push(...numbers.slice(0, body.accepted));
    onAccepted(accepted.length);
  }
}

describe('SIGTERM under load', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal}: what was accepted is stored, and it exits with 0`, async () => {
      const { child, url } = await start({ sources: PUSH });
      let count = 0;
      const uploads = upload(url, (accepted) => (count = accepted));
      await expect.poll(() => count).toBeGreaterThan(100);
      child.signal(signal);
      const { exitCode, stderr } = await child.ended;
      const accepted = await uploads;
      expect([exitCode, accepted.length > 100]).toEqual([0, true]);
      const stored = new Set(numbersStored());
      expect(accepted.filter((n) => !stored.has(n))).toEqual([]);
      // A request whose answer was cut off may be stored, too; the client sends it again.
      expect(stored.size - accepted.length).toBeLessThanOrEqual(10);
      expect(linesOf(stderr).at(-1)).toMatchObject({ msg: 'the engine has drained', lost: 0 });
    });
  }

  test('it exits with 74 and says why where the database was replaced meanwhile', async () => {
    const { child, url } = await start({ sources: PUSH });
    await fetch(`${url}/api/ingest/line3`, { method: 'POST', body: '[1]', headers: JSON_TYPE });
    const database = join(folder, 'edge.db');
    renameSync(database, `${database}.old`);
    writeFileSync(database, 'not ours');
    child.signal('SIGTERM');
    const { exitCode, stderr } = await child.ended;
    expect(exitCode).toBe(74);
    expect(stderr).toMatch(
      /headgate: \d+ rows of this run could not be written and are lost: .+HG_ROWS_LOST/,
    );
  });

  test('a second signal ends it at once', { tags: 'full' }, async () => {
    const code = 'export const stuck = () => new Promise(() => {});';
    writeFileSync(join(folder, 'stuck.mjs'), code);
    const { child, url, log } = await start({
      engine: { stopDeadlineMs: 60_000 },
      sources: PUSH,
      stages: [{ module: './stuck.mjs#stuck', concurrency: 1 }],
    });
    void fetch(`${url}/api/ingest/line3`, { method: 'POST', body: '[1]', headers: JSON_TYPE }).catch(
      () => {},
    );
    await expect.poll(async () => metric(url, 'headgate_source_records_total')).toBeGreaterThan(0);
    child.signal('SIGTERM');
    await expect.poll(() => log().some(({ msg }) => msg === 'the gateway drains and ends')).toBe(true);
    let exitCode: number | null = null;
    void child.ended.then((ended) => (exitCode = ended.exitCode));
    // Sent until one comes late enough to be another.
    await expect
      .poll(() => {
        child.signal('SIGTERM');
        return exitCode;
      })
      .toBe(143);
  });
});

const JSON_TYPE = { 'content-type': 'application/json' };

/** The sum of a metric's series. */
async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const values = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('SIGHUP', () => {
  test('applies what the file says now', async () => {
    const { child, url, log } = await start({ sources: PUSH });
    write({ sources: { ...PUSH, more: { type: 'push' } } });
    child.signal('SIGHUP');
    await expect.poll(() => log().some(({ msg }) => msg === 'the new configuration runs')).toBe(true);
    const answer = await fetch(`${url}/api/ingest/more`, { method: 'POST', body: '[1]', headers: JSON_TYPE });
    expect(answer.status).toBe(200);
    child.signal('SIGTERM');
    expect((await child.ended).exitCode).toBe(0);
  });
});

describe('what nobody caught', () => {
  for (const [title, code] of [
    ['an exception', "setTimeout(() => { throw new Error('planted\\n{}'); }, 1)"],
    ['a rejection', "void Promise.reject(new Error('planted\\n{}'))"],
  ] as const) {
    test(`${title}: is told, what was accepted is stored, and it exits with 1`, async () => {
      writeFileSync(
        join(folder, 'bomb.mjs'),
        `export const bomb = (record) => { ${code}; return record.data; };`,
      );
      const { child, url } = await start({ sources: PUSH, stages: [{ module: './bomb.mjs#bomb' }] });
      await fetch(`${url}/api/ingest/line3`, { method: 'POST', body: '[{"n":1}]', headers: JSON_TYPE });
      const { exitCode, stderr } = await child.ended;
      expect(exitCode).toBe(1);
      expect(linesOf(stderr)).toContainEqual(
        expect.objectContaining({ level: 'fatal', message: 'planted\n{}' }),
      );
      expect(numbersStored()).toEqual([1]);
    });
  }
});

describe('exit codes', () => {
  test('78 where the configuration is wrong, with every problem and its place', async () => {
    writeFileSync(file, 'sources:\n  a:\n    type: psuh\nsinkz: {}\n');
    const { exitCode, stderr } = await headgate(['run', file]);
    expect(exitCode).toBe(78);
    expect(stderr).toContain(`${file}:3:11 sources.a.type:`);
    expect(stderr).toContain(`${file}:4:1 sinkz:`);
    expect(stderr).toContain('"sinks"');
  });

  test('78 where there is no file', async () => {
    const { exitCode, stderr } = await headgate(['run', join(folder, 'none.yaml')]);
    expect([exitCode, stderr]).toEqual([78, expect.stringContaining('headgate init')]);
  });

  test('69 where the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    write({ http: { port: (taken.address() as AddressInfo).port } });
    const { exitCode, stderr } = await headgate(['run', file]);
    taken.close();
    expect([exitCode, stderr]).toEqual([69, expect.stringContaining('EADDRINUSE')]);
  });

  test(
    '0 after the time it was given, and for a good configuration that is only looked at',
    { tags: 'full' },
    async () => {
      write({ sources: PUSH });
      expect((await headgate(['run', file, '--check'])).stdout).toBe(`${file}: the configuration is valid\n`);
      expect((await headgate(['run', file, '--duration', '0.2'])).exitCode).toBe(0);
    },
  );

  test('2 for an option that is none', async () => {
    expect((await headgate(['run', file, '--log-level', 'loud'])).exitCode).toBe(2);
  });
});

describe('the log', () => {
  test('is for people where the file or the command line says so', { tags: 'full' }, async () => {
    write({ logging: { format: 'pretty' } });
    const { stderr } = await headgate(['run', file, '--duration', '0']);
    expect(stderr).toMatch(/INFO  the gateway runs/);
    write({});
    expect((await headgate(['run', file, '--duration', '0', '--pretty'])).stderr).toMatch(/INFO  /);
    expect((await headgate(['run', file, '--duration', '0'])).stderr).toMatch(/^\{"level":"info"/);
  });

  test('holds its level against the file', async () => {
    write({ logging: { level: 'debug' } });
    expect((await headgate(['run', file, '--duration', '0', '--log-level', 'error'])).stderr).toBe('');
  });
});

describe('the service manager', () => {
  test('hears of ready, reload and stop, and is fed while all is well', async () => {
    const fake = fakeSystemdNotify(folder);
    const { child, log } = await start({ sources: PUSH }, { ...fake.env, WATCHDOG_USEC: '300000' });
    await expect.poll(() => fake.timesOf('WATCHDOG=1').length).toBeGreaterThan(5);
    child.signal('SIGHUP');
    await expect.poll(() => fake.calls()).toContain('RELOADING=1');
    await expect.poll(() => log().some(({ msg }) => String(msg).includes('what runs already'))).toBe(true);
    child.signal('SIGTERM');
    expect((await child.ended).exitCode).toBe(0);
    const said = fake.calls().filter((one) => one !== 'WATCHDOG=1' && !one.startsWith('STATUS='));
    expect(said).toEqual(['READY=1', 'RELOADING=1', 'READY=1', 'STOPPING=1']);
    expect(fake.calls()).toContain('STATUS=ready');
  });

  test.skipIf(mosquittoMissing !== null)(
    'does not hear from an event loop that stands still for five seconds; nothing is lost',
    { tags: 'full' },
    async () => {
      const code = `export const block = (record) => {
        if (record.data.n === 50) for (const end = Date.now() + 5_000; Date.now() < end; );
        return record.data;
      };`;
      writeFileSync(join(folder, 'block.mjs'), code);
      const fake = fakeSystemdNotify(folder);
      const broker = await startMosquitto();
      try {
        const url = broker.url;
        const link = { url, clientId: 'blocked', keepaliveSeconds: 2 };
        const plant = { type: 'mqtt', ...link, topics: 'plant', qos: 1, required: true };
        const config = { sources: { plant }, stages: [{ module: './block.mjs#block' }] };
        const env = { ...fake.env, WATCHDOG_USEC: '3000000' };
        const { child, log, url: gateway } = await start(config, env);
        await expect.poll(async () => (await fetch(`${gateway}/readyz`)).status).toBe(200);
        await expect.poll(() => fake.timesOf('WATCHDOG=1').length).toBeGreaterThan(1);
        const publisher = await startPublisher(url);
        for (let n = 1; n <= 200; n++) await publisher.publish('plant', `{"n":${n}}`);
        await expect.poll(() => log().some(({ msg }) => msg === 'the event loop stood still')).toBe(true);
        const before = fake.timesOf('WATCHDOG=1').length;
        await expect.poll(() => fake.timesOf('WATCHDOG=1').length).toBeGreaterThan(before + 1);
        await expect.poll(() => new Set(numbersStored()).size).toBe(200);
        await publisher.close();
        child.signal('SIGTERM');
        expect((await child.ended).exitCode).toBe(0);
        const times = fake.timesOf('WATCHDOG=1');
        const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        expect(Math.max(...gaps)).toBeGreaterThan(4_000);
      } finally {
        await broker.dispose();
      }
    },
  );
});
