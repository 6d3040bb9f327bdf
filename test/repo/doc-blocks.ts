/** Runs the code of the documentation: every fenced ts, js and sh block is a program that must end well. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { HEADGATE, run, type Ended } from '../support/command-line.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';

export interface Block {
  readonly path: string;
  /** Of its opening fence. */
  readonly line: number;
  readonly language: 'ts' | 'js' | 'sh';
  readonly code: string;
  /** Why it is not run: the text of `<!-- not run: … -->` right before it. */
  readonly notRun: string | null;
}

const LANGUAGES: Readonly<Record<string, Block['language']>> = {
  ...{ ts: 'ts', typescript: 'ts', js: 'js', javascript: 'js', mjs: 'js' },
  ...{ sh: 'sh', bash: 'sh', shell: 'sh', console: 'sh' },
};

/** The runnable blocks of a page. @throws Error for a fence that is never closed. */
export function blocksOf(path: string, markdown: string): Block[] {
  const lines = markdown.split('\n');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index++) {
    const fence = /^( *)(`{3,}|~{3,})[ \t]*(\w*)/.exec(lines[index] ?? '');
    if (fence === null) continue;
    const [, indent = '', ticks = '', name = ''] = fence;
    const end = lines.findIndex((line, at) => at > index && line.trim() === ticks);
    if (end < 0) throw new Error(`${path}:${index + 1}: the block is never closed`);
    const language = LANGUAGES[name.toLowerCase()];
    if (language !== undefined) {
      const code = lines.slice(index + 1, end).map((line) => line.slice(indent.length));
      blocks.push({
        path,
        line: index + 1,
        language,
        code: code.join('\n'),
        notRun: reasonBefore(lines, index),
      });
    }
    index = end;
  }
  return blocks;
}

function reasonBefore(lines: readonly string[], index: number): string | null {
  const before = lines.slice(0, index).findLast((line) => line.trim() !== '');
  return /^<!-- not run: (\S.*?) -->$/.exec(before?.trim() ?? '')?.[1] ?? null;
}

export interface Outcome {
  readonly ok: boolean;
  /** What it printed, and how it ended, where it went wrong. */
  readonly report: string;
}

/** Longer than any example takes, on a loaded machine too. */
const BLOCK_MS_MAX = 90_000;

/** Runs one block in a new folder under `folder`, which must lie in the project for its packages to be
 *  found. */
export async function runBlock(block: Block, folder: string, msMax = BLOCK_MS_MAX): Promise<Outcome> {
  const home = join(folder, nameOf(block));
  mkdirSync(home, { recursive: true });
  // A demo without --db writes into the temporary folder: here that is the block's own.
  const options = { cwd: home, env: { TMPDIR: home } };
  const [command, args] = block.language === 'sh' ? shellCommand(block, home) : nodeCommand(block, home);
  const ended = await run('timeout', ['--signal=KILL', String(msMax / 1_000), command, ...args], options);
  const ok = ended.exitCode === 0;
  return { ok, report: ok ? '' : reportOf(block, ended) };
}

export function nameOf(block: Block): string {
  return `${block.path.replaceAll(/[^\w-]/g, '-')}-${block.line}`;
}

function nodeCommand(block: Block, home: string): [string, string[]] {
  const file = join(home, `example.${block.language}`);
  writeFileSync(file, block.code);
  const hooks = pathToFileURL(join(PROJECT_ROOT, 'test/repo/resolve-headgate.ts')).href;
  return [process.execPath, ['--import', hooks, file]];
}

/** `npm run -s headgate --` and `headgate` both become the command as it lies in the tree, so that files
 *  named without a folder stay in the block's own. Any other use of npm would install or test: such a block
 *  is not for running. */
const SHELL_PRELUDE = `set -euo pipefail
headgate() { "$NODE" "$HEADGATE" "$@"; }
npm() {
  if [ "\${1-} \${2-} \${3-} \${4-}" = 'run -s headgate --' ]; then shift 4; headgate "$@"; return; fi
  echo "npm \${*} is not run in a test: mark the block with <!-- not run: reason -->" >&2
  return 1
}
npx() { npm npx "$@"; }
`;

function shellCommand(block: Block, home: string): [string, string[]] {
  const file = join(home, 'example.sh');
  const names = `NODE='${process.execPath}'\nHEADGATE='${HEADGATE}'\n`;
  writeFileSync(file, `${names}${SHELL_PRELUDE}${block.code}\n`);
  return ['bash', [file]];
}

function reportOf(block: Block, { exitCode, signal, stdout, stderr }: Ended): string {
  const how = signal === 'SIGKILL' ? 'did not end in time' : `ended with ${exitCode ?? signal}`;
  return `${block.path}:${block.line}: the ${block.language} block ${how}\n${stdout}${stderr}`;
}

/** Type-checks all ts blocks together. Returns the compiler's complaints, empty where there are none. */
export async function typeErrors(blocks: readonly Block[], folder: string): Promise<string> {
  const home = join(folder, 'types');
  mkdirSync(home, { recursive: true });
  const checked = blocks.filter((block) => block.language === 'ts');
  if (checked.length === 0) return '';
  for (const block of checked) writeFileSync(join(home, `${nameOf(block)}.ts`), block.code);
  const compilerOptions = {
    moduleDetection: 'force',
    noUnusedLocals: false,
    paths: {
      headgate: [join(PROJECT_ROOT, 'src/index.ts')],
      'headgate/testing': [join(PROJECT_ROOT, 'src/testing.ts')],
    },
  };
  const config = { extends: join(PROJECT_ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
  writeFileSync(join(home, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(PROJECT_ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout, exitCode } = await run(process.execPath, [tsc, '-p', home]);
  return exitCode === 0 ? '' : stdout;
}
