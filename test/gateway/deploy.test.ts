/** What docs/deploy offers works: as far as it can be shown without a service manager and without a
 *  container. */

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { headgate } from '../support/command-line.ts';
import { gatewayRig } from '../support/gateway-rig.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';

const read = (path: string) => readFileSync(join(PROJECT_ROOT, path), 'utf8');
const MANIFEST = JSON.parse(read('package.json')) as { bin: { headgate: string }; scripts: object };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-deploy-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a build leaves of the command; the script that package.json names as `headgate` runs it. */
const BUILT = 'dist/src/cli/headgate.js';

describe('the unit', () => {
  const unit = read('docs/deploy/headgate.service');
  const valuesOf = (key: string) =>
    unit.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
  const analyze = '/usr/bin/systemd-analyze';

  test.skipIf(!existsSync(analyze))('is understood by systemd, every key of it', () => {
    const check = (text: string) => {
      const file = join(folder, 'headgate.service');
      // Its programs are not installed here.
      writeFileSync(file, text.replace(/^ExecStart=\S+/m, `ExecStart=${process.execPath}`));
      const { status, stderr } = spawnSync(analyze, ['verify', '--man=no', file], { encoding: 'utf8' });
      return { status, complaints: stderr.split('\n').filter((line) => line.includes('headgate.service')) };
    };
    expect(check(unit)).toEqual({ status: 0, complaints: [] });
    const planted = check(unit.replace('WatchdogSec=', 'WatchDogSecs='));
    expect(planted.complaints.join()).toContain('WatchDogSecs');
  });

  test('starts the command as it is, with a configuration that runs', async () => {
    const [node, script, ...args] = valuesOf('ExecStart')[0]?.split(' ') ?? [];
    expect(node).toBe('/opt/headgate/node_modules/.bin/node');
    expect(script).toBe(`/opt/headgate/node_modules/headgate/${BUILT}`);
    expect(read(MANIFEST.bin.headgate)).toContain(BUILT);
    expect(args).toEqual(['run', '/etc/headgate/headgate.yaml']);
    const config = join(folder, 'headgate.yaml');
    const text = read('docs/deploy/headgate.yaml').replace('/var/lib/headgate', folder);
    writeFileSync(config, text.replace('port: 8484', 'port: 0'));
    const { exitCode, stderr } = await headgate(['run', config, '--duration', '0']);
    expect([exitCode, stderr]).toEqual([0, expect.stringContaining('the gateway runs')]);
    expect(existsSync(join(folder, 'edge.db'))).toBe(true);
  });

  test('forbids core files, which would hold every secret', () => {
    expect([valuesOf('LimitCORE'), valuesOf('CoredumpFilter')]).toEqual([['0'], ['0']]);
  });

  test('waits for longer than a drain may take, and does not repeat what cannot be mended', () => {
    expect(valuesOf('Type')).toEqual(['notify']);
    expect(valuesOf('NotifyAccess')).toEqual(['all']);
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(10);
    expect(valuesOf('RestartPreventExitStatus')).toEqual(['2 78']);
    // What else keeps it from starting passes: a full disk, a port that is taken.
    expect([valuesOf('Restart'), valuesOf('StartLimitIntervalSec')]).toEqual([['always'], ['0']]);
    expect(valuesOf('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
  });
});

describe('the image', () => {
  const dockerfile = read('docs/deploy/Dockerfile');
  /** The lists in the JSON form of an instruction. */
  const listsOf = (instruction: string) =>
    dockerfile.split('\n').flatMap((line) => {
      const [, list] = line.split(`${instruction} [`);
      return list === undefined ? [] : [JSON.parse(`[${list}`) as string[]];
    });

  test('runs what a build leaves, as a user without rights', () => {
    expect(listsOf('ENTRYPOINT')).toEqual([['node', `/app/${BUILT}`]]);
    expect(dockerfile.split('\n').filter((line) => line.startsWith('USER'))).toEqual(['USER node']);
    expect(dockerfile).toMatch(/^RUN npm run -s build/m);
    expect(MANIFEST.scripts).toHaveProperty('build');
    for (const name of ['package.json', 'package-lock.json'])
      expect(existsSync(join(PROJECT_ROOT, name))).toBe(true);
  });

  test('has a health check that tells a gateway that answers from one that does not', async () => {
    const [[, ...check] = []] = listsOf('CMD');
    const rig = await gatewayRig({});
    const ask = (url: string) =>
      new Promise<number>((resolve) => {
        const env = { ...process.env, HEADGATE_HEALTH_URL: url };
        execFile(process.execPath, check, { env }, (error) => resolve(Number(error?.code ?? 0)));
      });
    try {
      await rig.gateway.start();
      const url = `${rig.gateway.url}/healthz`;
      expect(await ask(url)).toBe(0);
      await rig.gateway.stop();
      expect(await ask(url)).toBe(1);
    } finally {
      await rig.dispose();
    }
  });
});
