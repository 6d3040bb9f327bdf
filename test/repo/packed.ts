/** The package as users get it: packed, then installed into an empty folder; and Nodes of other versions to
 *  run it. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { run, type Ended } from '../support/command-line.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';

export interface Packed {
  /** The tarball. */
  readonly tarball: string;
  /** Paths in it. */
  readonly files: readonly string[];
  readonly unpackedBytes: number;
  /** A project that depends on the package and nothing else. */
  readonly consumer: string;
}

/** What `npm run` tells its scripts about this project, which another npm must not take for its own. */
const NPM_CONTEXT =
  /^(?:npm_(?:package|lifecycle|command|execpath|node_execpath|config_local_prefix)|INIT_CWD)/;

function foreignEnv(): Record<string, string | undefined> {
  const names = Object.keys(process.env).filter((name) => NPM_CONTEXT.test(name));
  return {
    ...Object.fromEntries(names.map((name) => [name, undefined])),
    // npm and npx are run by the Node that runs the tests, not by an older one of the system.
    PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
  };
}

/** Runs a program in a folder that has nothing to do with this project. */
export function runIn(folder: string, command: string, args: readonly string[]): Promise<Ended> {
  return run(command, args, { cwd: folder, env: foreignEnv() });
}

async function succeed(folder: string, command: string, args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runIn(folder, command, args);
  if (exitCode !== 0) throw new Error(`${command} ${args.join(' ')}: ${exitCode}\n${stdout}${stderr}`);
  return stdout;
}

export async function packAndInstall(folder: string): Promise<Packed> {
  await succeed(PROJECT_ROOT, 'npm', ['run', '-s', 'build']);
  const packArgs = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const report: unknown = JSON.parse(await succeed(PROJECT_ROOT, 'npm', packArgs));
  const { filename, files, unpackedSize } = onlyPack(report);
  const tarball = join(folder, filename);
  const consumer = newProject(folder, 'consumer', { type: 'module' });
  await succeed(consumer, 'npm', ['install', '--no-audit', '--no-fund', tarball]);
  return { tarball, files: files.map(({ path }) => path), unpackedBytes: unpackedSize, consumer };
}

interface PackReport {
  filename: string;
  unpackedSize: number;
  files: { path: string }[];
}

/** npm 11 reports an array, later ones an object by name. */
function onlyPack(report: unknown): PackReport {
  const [pack] = Object.values(report as Record<string, PackReport>);
  if (pack === undefined) throw new Error('npm pack reported nothing');
  return pack;
}

function newProject(folder: string, name: string, fields: object): string {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name, private: true, ...fields }));
  return home;
}

/** A Node of this version, from its npm package. */
export async function installNode(folder: string, version: string): Promise<string> {
  const home = newProject(folder, `node-${version}`, { allowScripts: { node: true } });
  await succeed(home, 'npm', ['install', '--no-audit', '--no-fund', `node@${version}`]);
  return join(home, 'node_modules/node/bin/node');
}

/** A Node that is too old: one that this machine has, else Node 20 from npm. */
export async function oldNode(folder: string): Promise<string> {
  for (const part of (process.env.PATH ?? '').split(delimiter)) {
    const node = join(part, 'node');
    const version = await run(node, ['--version']).catch(() => null);
    const major = Number(/^v(\d+)\./.exec(version?.stdout ?? '')?.[1]);
    if (major >= 18 && major < 22) return node;
  }
  return installNode(folder, '20.20.2');
}
