/** `headgate doctor` as a process: what it looks at, and its exit code. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../src/doctor/check.ts';
import { headgate } from '../support/command-line.ts';
import { freePort } from '../support/mqtt-brokers.ts';
import { brokenLinkLog, type Log } from './log-fixture.ts';

let folder: string;
let log: Log;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-doctor-'));
  log = await brokenLinkLog();
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await log[Symbol.asyncDispose]();
});

function newConfig(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Report {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

async function report(file: string): Promise<{ exitCode: number | null; stderr: string } & Report> {
  const { exitCode, stdout, stderr } = await headgate(['doctor', file, '--json']);
  return { exitCode, stderr, ...(JSON.parse(stdout) as Report) };
}

test('without a file it looks at the machine', async () => {
  const { exitCode, stdout, stderr } = await headgate(['doctor']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^ok +node +Headgate \S+ on Node\.js \d+/m);
  expect(stdout).toMatch(/\n\d+ checks: no problems, (?:no|\d+) warnings?\n$/);
});

test('of a database it looks at disk, file, lock and clock, also while an engine writes it', async () => {
  const { exitCode, ok, findings } = await report(log.path);
  expect({ exitCode, ok }).toEqual({ exitCode: 0, ok: true });
  const subjects = findings.map(({ subject }) => subject);
  expect(subjects).toEqual(
    expect.arrayContaining(['disk space', 'disk writes', 'file system', 'database', 'database lock']),
  );
  const lock = findings.find(({ subject }) => subject === 'database lock');
  expect(lock?.message).toContain('an engine holds it');
});

test('a file that is no database is a problem, and the exit code is 1', async () => {
  const { exitCode, stderr, ok } = await report(newConfig('text.db', 'no database '.repeat(100)));
  expect({ exitCode, ok }).toEqual({ exitCode: 1, ok: false });
  expect(stderr).toMatch(/^headgate: \d problems? to look after \(HG_DOCTOR_PROBLEMS\)\n$/);
});

test('where only services are away, the exit code is 69, and no secret is shown', async () => {
  const port = await freePort();
  const file = newConfig(
    'away.yaml',
    `storage: { path: away.db }
sources:
  plc-7: { type: mqtt, url: 'mqtt://127.0.0.1:${port}', topics: ['plant/#'], username: gw, password: c4nary }
  line3: { type: push, decode: json }
`,
  );
  const { exitCode, findings } = await report(file);
  expect(exitCode).toBe(69);
  const problems = findings.filter(({ level }) => level === 'problem');
  expect(problems).toMatchObject([{ subject: 'source plc-7', isService: true }]);
  const { stdout, stderr } = await headgate(['doctor', file]);
  expect(stdout).toContain('→ start the server, or correct the port');
  expect(stdout + stderr + JSON.stringify(findings)).not.toContain('c4nary');
});

test('credentials that are refused are no matter of the service: the exit code is 1', async () => {
  const server = createServer((request, response) => {
    response.writeHead(request.headers.authorization === 'Bearer right' ? 200 : 401).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const config = (token: string) => `storage: { path: refused.db }
sources:
  meter: { type: http, url: 'http://127.0.0.1:${(server.address() as AddressInfo).port}/', intervalMs: 1000, headers: { authorization: 'Bearer ${token}' } }
sinks:
  archive: { type: file, path: out.ndjson }
`;
    const refused = await report(newConfig('refused.yaml', config('wrong')));
    expect(refused.exitCode).toBe(1);
    expect(refused.findings).toContainEqual(
      expect.objectContaining({ subject: 'source meter', level: 'problem', isService: false }),
    );
    const accepted = await report(newConfig('accepted.yaml', config('right')));
    expect(accepted).toMatchObject({ exitCode: 0, ok: true });
    const skew = accepted.findings.find(({ subject }) => subject === 'clock skew');
    expect(skew?.message).toMatch(/^agrees with that of 127\.0\.0\.1:\d+$/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('what is wrong with a configuration is told with its place', async () => {
  const file = newConfig('wrong.yaml', 'sources:\n  a: { type: mqtt, url: mqtt://h, topiks: [x] }\n');
  const { exitCode, findings } = await report(file);
  expect(exitCode).toBe(1);
  const found = findings.filter(({ subject }) => subject === 'configuration');
  expect(found[0]?.message).toMatch(/wrong\.yaml:2:\d+: sources\.a\.topiks: .*did you mean "topics"/);
  const none = await report(join(folder, 'none.yaml'));
  expect(none).toMatchObject({ exitCode: 1, ok: false });
});

test('an option it does not know is a matter of usage', async () => {
  expect((await headgate(['doctor', '--jsn'])).exitCode).toBe(2);
});
