/** The tree keeps the rules of the house, and each rule catches an offence that is planted for it. */

import { describe, expect, test } from 'vitest';
import { projectFiles } from '../support/project-files.ts';
import { codeOnly } from './code-only.ts';
import { describeOffence, importsOf, RULES } from './rules.ts';

type RuleName = keyof typeof RULES;

describe('the tree keeps the rule of', () => {
  const files = projectFiles();

  test('having files at all', () => {
    expect(files.size).toBeGreaterThan(30);
    expect([...files.keys()]).toEqual(
      expect.arrayContaining(['package.json', 'src/domain/errors.ts', '.ci/run']),
    );
  });

  for (const [name, rule] of Object.entries(RULES)) {
    test(name, () => {
      expect(rule(files).map(describeOffence)).toEqual([]);
    });
  }
});

/** The paths at which the rule finds something in these planted files. */
function caught(rule: RuleName, planted: Record<string, string>): string[] {
  return RULES[rule](new Map(Object.entries(planted))).map((offence) => offence.path);
}

describe('a planted offence is caught:', () => {
  const offences: [rule: RuleName, title: string, planted: Record<string, string>][] = [
    ['retired', 'an identifier', { 'src/a.ts': 'const courier = 1;' }],
    ['retired', 'a part of one', { 'src/a.ts': 'const openBays = () => {};' }],
    ['retired', 'a file', { 'actors/sinks/consignment.ts': '' }],
    ['layers', 'the vocabulary imports a package', { 'src/domain/a.ts': "import { z } from 'zod';" }],
    ['layers', 'the vocabulary imports Node', { 'src/domain/a.ts': "import fs from 'node:fs';" }],
    ['layers', 'a machine imports an actor', { 'machines/a.ts': "import { b } from '../actors/flow/b.ts';" }],
    ['layers', 'a machine imports Node', { 'machines/a.ts': "import { hash } from 'node:crypto';" }],
    [
      'layers',
      'a machine takes a type from storage',
      { 'machines/a.ts': "import type { B } from '../storage/b.ts';" },
    ],
    ['layers', 'the pipeline imports XState', { 'src/pipeline/a.ts': "export { setup } from 'xstate';" }],
    ['layers', 'storage imports MQTT late', { 'storage/a.ts': "const m = await import('mqtt');" }],
    ['layers', 'storage imports a side effect', { 'storage/a.ts': "import 'rxjs';" }],
    [
      'layers',
      'an actor opens the database itself',
      { 'actors/a.ts': "import { o } from '../storage/open.ts';" },
    ],
    [
      'layers',
      'an actor imports the engine',
      { 'actors/a.ts': "import { e } from '../src/engine/engine.ts';" },
    ],
    [
      'layers',
      'the engine imports a demo',
      { 'src/engine/engine.ts': "import { d } from '../../demos/d.ts';" },
    ],
    [
      'layers',
      'the engine imports a test',
      { 'src/engine/engine.ts': "import { d } from '../../test/support/d.ts';" },
    ],
    [
      'layers',
      'the engine imports the command line',
      { 'src/engine/engine.ts': "import { d } from '../cli/d.ts';" },
    ],
    [
      'layers',
      'the engine imports the virtual clock',
      { 'src/engine/engine.ts': "import { d } from '../testing/d.ts';" },
    ],
    [
      'layers',
      'a demo reaches inside',
      { 'demos/a.ts': "import {\n  e,\n} from '../src/engine/engine.ts';" },
    ],
    ['layers', 'a type is taken by name', { 'machines/a.ts': "let b: import('../storage/b.ts').B;" }],
    ['clocks', 'a machine reads the clock', { 'machines/a.ts': 'const now = Date.now();' }],
    ['clocks', 'a stage makes a date of now', { 'src/pipeline/a.ts': 'const now = new Date();' }],
    ['clocks', 'an actor sets a timer', { 'actors/a.ts': 'setTimeout(() => {}, 5);' }],
    ['clocks', 'an actor sets an interval', { 'actors/a.ts': 'globalThis; setInterval(f, 5);' }],
    ['clocks', 'storage measures', { 'storage/a.ts': 'const t = performance.now();' }],
    [
      'clocks',
      'a timeout hides in a signal',
      { 'actors/a.ts': 'fetch(u, { signal: AbortSignal.timeout(5) });' },
    ],
    ['clocks', 'a timer in a template', { 'actors/a.ts': 'const a = `${setTimeout(f, 1)}`;' }],
    ['chance', 'an actor rolls dice', { 'actors/a.ts': 'const x = Math.random();' }],
    ['chance', 'an unseeded identifier', { 'storage/a.ts': 'const id = crypto.randomUUID();' }],
    ['console', 'the engine prints', { 'src/engine/engine.ts': "console.log('x');" }],
    [
      'environment',
      'the engine reads the environment',
      { 'src/engine/engine.ts': 'const x = process.env.HOME;' },
    ],
    ['names', 'camel case', { 'src/rateLimiter.ts': '' }],
    ['names', 'a file of odds and ends', { 'src/utils.ts': '' }],
    ['names', 'a helper of something', { 'actors/flow/queue-helpers.ts': '' }],
    ['names', 'a manager', { 'actors/source-manager.ts': '' }],
    ['sizes', 'a long line', { 'src/a.ts': `// ${'x'.repeat(108)}\n` }],
    ['sizes', 'a long file', { 'storage/a.ts': 'x;\n'.repeat(351) }],
    ['tests', 'a test that shuts out the others', { 'test/a.test.ts': "test.only('x', () => {});" }],
    ['tests', 'a test that is left out', { 'test/a.test.ts': "test.skip('x', () => {});" }],
    ['tests', 'a test to be written', { 'test/a.test.ts': "describe.concurrent.todo('x');" }],
    ['tests', 'a title that hopes', { 'test/a.test.ts': `test('it ${'should'} work', () => {});` }],
    ['workplace', 'a path of a machine', { 'docs/a.md': ['see ', 'wor' + 'k', 'main'].join('/') }],
    ['workplace', 'a home folder', { 'src/a.ts': ['// ', 'hom' + 'e', 'anna'].join('/') }],
    [
      'workplace',
      'a private registry',
      { 'docs/a.md': ['https:', '', 'npm-registry.example.org'].join('/') },
    ],
    ['workplace', 'the number of a ticket', { 'src/a.ts': `// see issue ${'#'}12` }],
    ['workplace', 'the number of a requirement', { 'test/a.test.ts': `// R${'000'}-12` }],
    ['dependencies', 'a range', { 'package.json': '{"dependencies":{"zod":"^4.0.0"}}' }],
    [
      'lockfile',
      'a platform is missing',
      {
        'package-lock.json': '{"packages":{"node_modules/a":{"optionalDependencies":{"@a/linux":"1.0.0"}}}}',
      },
    ],
    ['dependencies', 'a tag', { 'package.json': '{"devDependencies":{"zod":"latest"}}' }],
  ];
  for (const [rule, title, planted] of offences) {
    test(`${rule}: ${title}`, () => {
      expect(caught(rule, planted)).toEqual(Object.keys(planted));
    });
  }

  test('circles: two files that import each other', () => {
    const planted = {
      'src/a.ts': "import { b } from './b.ts';",
      'src/b.ts': "import type { A } from './a.ts';",
    };
    expect(RULES.circles(new Map(Object.entries(planted)))).toEqual([
      { path: 'src/a.ts', line: 1, what: 'import circle: src/a.ts → src/b.ts' },
    ]);
  });

  test('circles: a long way round, told once', () => {
    const planted = {
      'src/a.ts': "import './b.ts';",
      'src/b.ts': "import './c.ts';",
      'src/c.ts': "export * from './a.ts';",
      'src/d.ts': "import './a.ts';",
    };
    expect(caught('circles', planted)).toEqual(['src/a.ts']);
  });

  test('every rule has one', () => {
    const planted = new Set([...offences.map(([rule]) => rule), 'circles']);
    expect([...planted].sort()).toEqual(Object.keys(RULES).sort());
  });
});

describe('what is allowed is let pass:', () => {
  const allowed: [rule: RuleName, title: string, files: Record<string, string>][] = [
    [
      'layers',
      'a machine imports the vocabulary and XState',
      {
        'machines/a.ts': "import { setup } from 'xstate';\nimport type { C } from '../src/domain/c.ts';",
      },
    ],
    [
      'layers',
      'an actor imports the interface of storage',
      {
        'actors/a.ts': "import type { EventStore } from '../storage/event-store.ts';",
      },
    ],
    ['layers', 'an import in a comment', { 'machines/a.ts': "// import fs from 'node:fs';" }],
    [
      'layers',
      'an import in a template',
      { 'src/domain/a.ts': "const a = `\nimport fs from 'node:fs';\n`;" },
    ],
    ['clocks', 'a clock that was handed in', { 'actors/a.ts': 'clock.setTimeout(f, 5); clock.wallMs();' }],
    [
      'clocks',
      'a clock that is talked about',
      { 'actors/a.ts': "// Date.now()\nconst a = 'setTimeout(f)';" },
    ],
    [
      'clocks',
      'a clock that is declared',
      { 'src/domain/a.ts': 'setTimeout(callback: () => void): Handle;' },
    ],
    ['clocks', 'the real clock', { 'src/platform/real-clock.ts': 'Date.now();' }],
    ['clocks', 'a date of a given time', { 'src/engine/engine.ts': 'new Date(atMs);' }],
    [
      'tests',
      'a test that depends on the machine',
      { 'test/a.test.ts': "test.skipIf(!root)('x', () => {});" },
    ],
    ['tests', 'a test about what should be', { 'test/a.test.ts': "const x = 'should'; test('works', f);" }],
    [
      'circles',
      'a diamond',
      {
        'src/a.ts': "import './b.ts';\nimport './c.ts';",
        'src/b.ts': "import './d.ts';",
        'src/c.ts': "import './d.ts';",
        'src/d.ts': '',
      },
    ],
  ];
  for (const [rule, title, files] of allowed) {
    test(`${rule}: ${title}`, () => {
      expect(RULES[rule](new Map(Object.entries(files))).map(describeOffence)).toEqual([]);
    });
  }
});

describe('code is told from what is merely said:', () => {
  const cases: [text: string, code: string][] = [
    ['a // b', 'a     '],
    ['a /* b\nc */ d', 'a     \n     d'],
    ["a('b')", "a(' ')"],
    [String.raw`a("\"b") c`, 'a("   ") c'],
    ['`a${b}c${d}`', '` ${b} ${d}`'],
    ['`a${`b${c}`}d` e', '` ${` ${c}`} ` e'],
    ['`a${{ b: 1 }}c`', '` ${{ b: 1 }} `'],
    ["x = /'/; y('z')", "x = / /; y(' ')"],
    ["x = a / b; y('z')", "x = a / b; y(' ')"],
    ['x = /[/"]/.test(y)', 'x = /    /.test(y)'],
  ];
  for (const [text, code] of cases) {
    test(JSON.stringify(text), () => {
      expect(codeOnly(text)).toBe(code);
    });
  }

  test('every way to import is found', () => {
    const text = [
      "import a from 'a';",
      "import 'b';",
      "import {\n  c,\n} from 'c';",
      "export * from 'd';",
      "export type { E } from 'e';",
      "const f = await import('f');",
      "type G = import('g').G;",
      "import h, { type i } from './h.ts';",
    ].join('\n');
    expect(importsOf(text).map(({ specifier }) => specifier)).toEqual([
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
      'g',
      './h.ts',
    ]);
  });
});
