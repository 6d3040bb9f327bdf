// @module-tag full
/** What a gateway that comes to a bad end leaves behind, its log, its files, Node's reports: none holds a
 *  secret. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../chaos/rig/until.ts';
import { bytesUnder, startGateway, type GatewayProcess } from './gateway-process.ts';

const WAIT_MS_MAX = 30_000;
/** Every secret has it in it. */
const MARK = 'cnry';
const REPORTS = '--report-on-fatalerror --report-uncaught-exception --report-on-signal';

const CODE = `
  export const act = ({ data }) => {
    if (data === 'throw') setTimeout(() => { throw new Error('refused: ' + process.env.PLC_PASSWORD); });
    if (data === 'abort') process.abort();
    if (data === 'fill') for (const all = []; ; ) all.push(new Array(1_000).fill({}).map(() => ({})));
    return data;
  };`;

async function start(nodeOptions: string): Promise<GatewayProcess> {
  const restart = { backoff: { kind: 'constant', initialMs: 50, maxMs: 50, jitter: 'none' } };
  const link = { type: 'mqtt', topics: 'a', restart };
  const gateway = await startGateway({
    config: {
      sources: {
        line: { type: 'push', decode: 'json' },
        plc: { ...link, url: 'mqtt://127.0.0.1:1', username: 'gw', password: '${PLC_PASSWORD}' },
        press: { ...link, url: 'mqtt://gw:cnryUrl@127.0.0.1:1' },
        meter: { ...link, url: 'mqtt://127.0.0.1:1', username: 'gw', password: 'file:meter-password' },
      },
      stages: [{ module: './act.mjs#act' }],
      logging: { level: 'debug' },
    },
    files: { 'meter-password': 'cnryFile', 'act.mjs': CODE },
    env: { PLC_PASSWORD: 'cnryEnvironment', OTHER_PASSWORD: 'cnryUnused', NODE_OPTIONS: nodeOptions },
  });
  onTestFinished(() => gateway[Symbol.asyncDispose]());
  await until('a source has failed', WAIT_MS_MAX, () => gateway.log().includes('HG_LINK_REFUSED'));
  return gateway;
}

/** Makes it crash; resolves when it has ended. */
async function crash(gateway: GatewayProcess, how: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify([how]);
  gateway.ask({ method: 'POST', path: '/api/ingest/line', headers, body }).catch(() => {});
  await until('it has ended', WAIT_MS_MAX, () => !existsSync(`/proc/${gateway.pid}`));
}

/** The reports it has left. No secret is in them, nor in anything else that it wrote. */
function reportsOf(gateway: GatewayProcess): string[] {
  expect(gateway.log()).not.toContain(MARK);
  const given = ['headgate.json', 'meter-password'].map((name) => join(gateway.folder, name));
  const files = [...bytesUnder(gateway.folder)].filter(([path]) => !given.includes(path));
  expect(files.map(([path]) => path)).toContain(gateway.file);
  expect(files.filter(([, bytes]) => bytes.includes(MARK)).map(([path]) => path)).toEqual([]);
  return files.map(([path]) => path).filter((path) => /\/report\.[^/]+\.json$/.test(path));
}

describe('no secret is left by a gateway', () => {
  test('that is asked for a report while it runs', async () => {
    const gateway = await start(REPORTS);
    process.kill(gateway.pid, 'SIGUSR2');
    await until('a report', WAIT_MS_MAX, () => gateway.log().includes('report completed'));
    const [report = ''] = reportsOf(gateway);
    const { workers, ...rest } = JSON.parse(readFileSync(report, 'utf8')) as { workers: object[] };
    expect(workers.length).toBeGreaterThan(0);
    for (const part of [rest, ...workers]) expect(part).not.toHaveProperty('environmentVariables');
    expect(await gateway.stop()).toBe(0);
  });

  test('that ends by an exception with one in its message', async () => {
    const gateway = await start(REPORTS);
    await crash(gateway, 'throw');
    expect(gateway.log()).toContain('refused: ***');
    expect(reportsOf(gateway)).toEqual([]);
  });

  test('that is aborted, under the limit that the unit sets', async () => {
    const gateway = await start(REPORTS);
    execFileSync('prlimit', [`--pid=${gateway.pid}`, '--core=0']);
    await crash(gateway, 'abort');
    expect(reportsOf(gateway)).toEqual([]);
  });

  const memory = '--max-old-space-size=64';
  test('that runs out of memory: there is no report, and the log has said how to have one', async () => {
    const gateway = await start(`${REPORTS} ${memory}`);
    expect(gateway.log()).toContain('--report-exclude-env');
    await crash(gateway, 'fill');
    expect(gateway.log()).toContain('heap out of memory');
    expect(reportsOf(gateway)).toEqual([]);
  });

  test('that runs out of memory, where Node was told to leave the environment out: there is a report', async () => {
    const gateway = await start(`${REPORTS} --report-exclude-env ${memory}`);
    expect(gateway.log()).not.toContain('--report-exclude-env');
    await crash(gateway, 'fill');
    expect(reportsOf(gateway)).toHaveLength(1);
  });
});

test('SIGUSR1 opens no debugger, which would show all memory to every user of the machine', async () => {
  const gateway = await start('');
  process.kill(gateway.pid, 'SIGUSR1');
  await until('it is told', WAIT_MS_MAX, () => gateway.log().includes('"signal":"SIGUSR1"'));
  expect(gateway.log()).not.toContain('Debugger listening');
  expect(await gateway.stop()).toBe(0);
});

test('the search finds a secret in a report where there is one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-report-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const env = { ...process.env, OTHER_PASSWORD: 'cnryUnused' };
  execFileSync(process.execPath, ['-e', 'process.report.writeReport()'], {
    cwd: folder,
    env,
    stdio: 'ignore',
  });
  expect([...bytesUnder(folder).values()].map((bytes) => bytes.includes(MARK))).toEqual([true]);
});
