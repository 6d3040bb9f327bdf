/** The documentation is true: its code runs, and its tables are those of the code. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { PROJECT_ROOT, projectFiles } from '../support/project-files.ts';
import { blocksOf, nameOf, runBlock, typeErrors, type Block } from './doc-blocks.ts';
import { errorsPage } from './errors-page.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(PROJECT_ROOT, 'test', '.tmp-docs-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const pages = [...projectFiles()].filter(([path]) => /^(?:[A-Z]+|docs\/[^/]+)\.md$/.test(path));
const blocks = pages.flatMap(([path, text]) => blocksOf(path, text));
const runnable = blocks.filter((block) => block.notRun === null);

describe('the code of the documentation', () => {
  test('is there', () => {
    expect(pages.map(([path]) => path)).toEqual(
      expect.arrayContaining(['README.md', 'docs/command-line.md']),
    );
    expect(runnable.length).toBeGreaterThan(0);
  });

  for (const block of runnable) {
    test.concurrent(
      `runs: ${block.path}:${block.line}`,
      { tags: 'full', timeout: 120_000 },
      async ({ expect: expectHere }) => {
        const { report } = await runBlock(block, folder);
        expectHere(report).toBe('');
      },
    );
  }

  test('has the right types', { tags: 'full' }, async () => {
    expect(await typeErrors(runnable, folder)).toBe('');
  });
});

/** A page with one block. */
function planted(language: string, code: string, before = ''): Block {
  const [block] = blocksOf('planted.md', `# Title\n${before}\n\`\`\`${language}\n${code}\n\`\`\`\n`);
  if (block === undefined) throw new Error('no block was found');
  return { ...block, line: (plantedLine += 1) };
}
let plantedLine = 0;

describe('a planted block is caught:', { tags: 'full' }, () => {
  const failing: [title: string, language: string, code: string][] = [
    ['one that throws', 'ts', "throw new Error('planted');"],
    ['one whose promise is rejected', 'js', "await Promise.reject(new Error('planted'));"],
    ['one that is no TypeScript', 'ts', 'const = planted;'],
    ['one that imports what does not exist', 'ts', "import { planted } from 'headgate';\nplanted();"],
    ['a command that fails', 'sh', 'npm run -s headgate -- sources planted.db'],
    ['a wrong option', 'sh', 'headgate --planted'],
    ['a failure in the middle', 'sh', 'false\ntrue'],
    ['an installation', 'sh', 'npm install planted'],
  ];
  for (const [title, language, code] of failing) {
    test(title, async () => {
      const block = planted(language, code);
      const { ok, report } = await runBlock(block, folder);
      expect(ok).toBe(false);
      expect(report).toContain(`planted.md:${block.line}: the ${block.language} block ended with`);
    });
  }

  test('one that never ends', async () => {
    const block = planted('ts', 'setInterval(() => {}, 1_000);');
    expect((await runBlock(block, folder, 1_000)).report).toContain('did not end in time');
  });

  test('one with a wrong type that would run', async () => {
    const block = planted('ts', "const planted: number = JSON.parse('1') as string;\nexport { planted };");
    expect((await runBlock(block, folder)).ok).toBe(true);
    expect(await typeErrors([block], join(folder, 'planted'))).toContain(nameOf(block));
  });

  test('one that is never closed', () => {
    expect(() => blocksOf('planted.md', '```ts\nx')).toThrow('planted.md:1: the block is never closed');
  });
});

describe('a block is left out', () => {
  test('where a comment right before it says why', () => {
    expect(planted('sh', 'reboot', '<!-- not run: it would end the test -->\n').notRun).toBe(
      'it would end the test',
    );
  });

  test('only with a reason, and only the next block', () => {
    expect(planted('sh', 'reboot', '<!-- not run: -->').notRun).toBeNull();
    expect(planted('sh', 'reboot', '<!-- not run: far away -->\n\nText between.\n').notRun).toBeNull();
  });

  test('where it is of another language', () => {
    expect(blocksOf('planted.md', '```json\n{}\n```\n```\ntext\n```\n````md\n```ts\nx\n```\n````\n')).toEqual(
      [],
    );
  });
});

test('every error code stands in docs/errors.md, as the code has it', () => {
  expect(readFileSync(join(PROJECT_ROOT, 'docs/errors.md'), 'utf8')).toBe(errorsPage());
});

test('every exit code stands in docs/command-line.md, as the code has it', () => {
  const page = readFileSync(join(PROJECT_ROOT, 'docs/command-line.md'), 'utf8');
  const rows = Object.values(EXIT_CODES).map(({ code, meaning }) => `| ${code} | ${meaning} |`);
  expect(page.endsWith(`${rows.join('\n')}\n`)).toBe(true);
});

test('every page of docs/ is reached from the README or another page', () => {
  const texts = pages.map(([, text]) => text).join('\n');
  const missing = readdirSync(join(PROJECT_ROOT, 'docs')).filter((name) => !texts.includes(name));
  expect(missing).toEqual([]);
});
