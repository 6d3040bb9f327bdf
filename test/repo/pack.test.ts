// @module-tag full
/** The package works where it is installed: compiled, without the repository around it, on the Nodes it says
 *  it needs, and says so on those it does not. */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkNodeVersion, NODE_MAJOR_MIN } from '../../src/node-version.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { installNode, oldNode, packAndInstall, runIn, type Packed } from './packed.ts';

const LATEST_NODE = '26.10.0';

let folder: string;
let packed: Packed;
let latest: string;
let old: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-pack-'));
  packed = await packAndInstall(folder);
  latest = await installNode(folder, LATEST_NODE);
  old = await oldNode(folder);
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true }));

const manifest = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8')) as {
  version: string;
  engines: { node: string };
  exports: Record<string, string | Record<string, string>>;
  bin: Record<string, string>;
};

describe('the tarball', () => {
  test('holds what package.json points to', () => {
    const targets = [...Object.values(manifest.exports), manifest.bin].flatMap((entry) =>
      typeof entry === 'string' ? [entry] : Object.values(entry),
    );
    expect(targets.length).toBeGreaterThan(4);
    expect(packed.files).toEqual(expect.arrayContaining(targets.map((target) => target.replace('./', ''))));
  });

  test('holds the sources its maps point to, and no tests, databases or benchmarks', () => {
    expect(packed.files).toContain('src/index.ts');
    expect(
      packed.files.filter((path) => /^(?:dist\/)?(?:test|bench)\/|\.db|\.tgz$|\/\.tmp-/.test(path)),
    ).toEqual([]);
  });

  test('is small', () => {
    expect(packed.unpackedBytes).toBeLessThan(9_500_000);
  });

  test('is found well-made by publint', async () => {
    const tarball = new Uint8Array(readFileSync(packed.tarball)).buffer;
    const { messages } = await publint({ pack: { tarball }, strict: true, level: 'suggestion' });
    expect(messages).toEqual([]);
  });
});

describe('the installed command', () => {
  test('prints its versions', async () => {
    const { exitCode, stdout } = await runIn(packed.consumer, 'npx', [
      '--no-install',
      'headgate',
      '--version',
    ]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`headgate ${manifest.version}\nnode ${process.versions.node}\n`);
  });

  test('runs a demo under virtual time, and reads its log', async () => {
    const demo = ['--no-install', 'headgate', 'demo', 'burst', '--virtual', '--json', '--db', 'burst.db'];
    const { exitCode, stdout, stderr } = await runIn(packed.consumer, 'npx', demo);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const report = JSON.parse(stdout) as { demo: string; ingested: number; alerts: unknown[] };
    expect(report.demo).toBe('burst');
    expect(report.ingested).toBeGreaterThan(0);
    const read = ['--no-install', 'headgate', 'alerts', 'burst.db', '--json'];
    const { rows } = JSON.parse((await runIn(packed.consumer, 'npx', read)).stdout) as { rows: unknown[] };
    expect(rows.length).toBeGreaterThanOrEqual(report.alerts.length);
  });

  test('names the package that a real demo lacks', async () => {
    const args = ['--no-install', 'headgate', 'demo', 'health', '--json', '--db', 'health.db'];
    const { exitCode, stdout, stderr } = await runIn(packed.consumer, 'npx', args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 69, stdout: '' });
    expect(stderr).toContain('npm install aedes');
  });
});

/** What the compiler says of a program of the consumer's; nothing where all is well. */
async function compile(
  name: string,
  program: string,
  types: readonly string[],
  skipLibCheck = true,
): Promise<string> {
  writeFileSync(join(packed.consumer, `${name}.ts`), program);
  const lib = ['es2024', 'esnext.disposable', 'dom'];
  const options = {
    module: 'nodenext',
    target: 'es2024',
    strict: true,
    noEmit: true,
    types,
    lib,
    skipLibCheck,
  };
  const config = { compilerOptions: options, files: [`${name}.ts`] };
  writeFileSync(join(packed.consumer, `${name}.json`), JSON.stringify(config));
  const tsc = join(PROJECT_ROOT, 'node_modules/typescript/bin/tsc');
  return (await runIn(packed.consumer, process.execPath, [tsc, '-p', `${name}.json`])).stdout;
}

/** A whole engine run of a user's, under virtual time: what was kept, and what the timeline says of it. */
const SMOKE = `
import { createEngine, filter, simulatedSource } from 'headgate';
import { virtualClock } from 'headgate/testing';

const clock = virtualClock();
const engine = createEngine({
  timeline: { path: process.argv[2] ?? ':memory:' },
  stages: [filter((record) => record.seq % 2 === 0)],
  clock,
  seed: 1,
});
let kept = 0;
engine.records$.subscribe(() => { kept += 1; });
await clock.runUntil(engine.start());
await clock.runUntil(engine.register(simulatedSource({ id: 'smoke-1', intervalMs: 100 })));
await clock.advance(1_050);
const active = engine.activeSources();
await clock.runUntil(engine.stop());
console.log(JSON.stringify({ kept, active }));
`;

/** An engine with a file on the real clock. */
const WITH_FILE = `
import { createEngine, pushSource } from 'headgate';

const threads = [];
process.on('worker', (thread) => threads.push(thread));
const engine = createEngine({ timeline: { path: process.argv[2] } });
await engine.start();
const source = pushSource({ id: 'smoke-2' });
await engine.register(source);
await source.push(7);
const running = threads.map(({ threadId }) => threadId > 0);
const { delivered } = await engine.stop();
const ended = threads.map(({ threadId }) => threadId === -1);
console.log(JSON.stringify({ running, ended, delivered }));
`;

describe('a program that imports the package', () => {
  const nodes: [title: string, path: () => string][] = [
    [`Node ${process.versions.node}`, () => process.execPath],
    [`Node ${LATEST_NODE}`, () => latest],
  ];
  for (const [title, path] of nodes) {
    test(`runs an engine on ${title}`, async () => {
      const smoke = join(packed.consumer, 'smoke.mjs');
      writeFileSync(smoke, SMOKE);
      const { exitCode, stdout, stderr } = await runIn(packed.consumer, path(), [
        smoke,
        join(folder, `${title}.db`),
      ]);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      const { kept, active } = JSON.parse(stdout) as { kept: number; active: string[] };
      expect(active).toEqual(['smoke-1']);
      expect(kept).toBe(5);
    });
  }

  test('has its database written by a thread of its own', async () => {
    const program = join(packed.consumer, 'with-file.mjs');
    writeFileSync(program, WITH_FILE);
    const ended = await runIn(packed.consumer, process.execPath, [program, join(folder, 'thread.db')]);
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(ended.stdout)).toEqual({ running: [true], ended: [true], delivered: 1 });
  });

  test('can require it', async () => {
    const script = "console.log(typeof require('headgate').createEngine)";
    const { stdout, stderr } = await runIn(packed.consumer, process.execPath, ['-e', script]);
    expect({ stdout, stderr }).toEqual({ stdout: 'function\n', stderr: '' });
  });

  test('finds the types of everything it imports', async () => {
    expect(await compile('smoke', SMOKE.replaceAll('process.argv[2] ?? ', ''), [])).toBe('');
  });

  test('has types that are sound without those of better-sqlite3', async () => {
    // The consumer has the types of Node, as any project has, and installs no others.
    const types = join(packed.consumer, 'node_modules/@types');
    mkdirSync(types, { recursive: true });
    rmSync(join(types, 'node'), { recursive: true, force: true });
    symlinkSync(join(PROJECT_ROOT, 'node_modules/@types/node'), join(types, 'node'));
    const program =
      "import * as all from 'headgate';\nimport * as testing from 'headgate/testing';\nvoid [all, testing];\n";
    expect(await compile('strict', program, ['node'], false)).toBe('');
  });
});

describe('a Node that is too old', () => {
  const needed = `Headgate needs Node.js ${NODE_MAJOR_MIN} or newer`;

  test('is told so by the command, without a stack', async () => {
    const bin = join(packed.consumer, 'node_modules/headgate', manifest.bin.headgate ?? '');
    const { exitCode, signal, stdout, stderr } = await runIn(packed.consumer, old, [bin, '--version']);
    expect({ exitCode, signal, stdout }).toEqual({ exitCode: 1, signal: null, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^headgate: ${needed}; this is \\d+\\.\\d+\\.\\d+\\. .*\\n$`));
  });

  for (const entry of ['headgate', 'headgate/testing']) {
    test(`is told so by importing ${entry}, before anything can crash`, async () => {
      const script = `import('${entry}').then(() => process.exit(0), (e) => { console.log(e.code, e.message); process.exit(1); })`;
      const { exitCode, signal, stdout } = await runIn(packed.consumer, old, ['-e', script]);
      expect({ exitCode, signal }).toEqual({ exitCode: 1, signal: null });
      expect(stdout).toContain(`HG_NODE_VERSION ${needed}`);
    });
  }

  test('is told apart by its major version', () => {
    for (const version of ['18.20.0', '20.20.2', '22.22.0', '23.11.1']) {
      expect(() => checkNodeVersion(version)).toThrow(needed);
    }
    for (const version of ['24.0.0', '24.21.0', '26.10.0', '100.0.0']) {
      expect(() => checkNodeVersion(version)).not.toThrow();
    }
  });

  test('is named the same by package.json', () => {
    expect(manifest.engines.node).toBe(`>=${NODE_MAJOR_MIN}`);
  });
});
