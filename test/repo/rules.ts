/** The rules of the house: pure functions over the files of the tree, so that each can be shown a planted
 *  offence. */

import { posix } from 'node:path';
import { codeOnly } from './code-only.ts';
import { mayImportFile, mayImportPackage, within } from './layers.ts';

/** Text by path, relative to the root of the project, with forward slashes. */
export type Files = ReadonlyMap<string, string>;

export interface Offence {
  readonly path: string;
  readonly line: number;
  readonly what: string;
}

export type Rule = (files: Files) => Offence[];

/** Words that identifiers and file names had before the field's own terms took their place. */
const RETIRED = [
  ...['boundedLog', 'commitUnit', 'firstAnswers', 'knownState', 'letterFile', 'lifeWatch', 'markKeeper'],
  ...['openWire', 'retentionMarks', 'turnstile', 'watchLife'],
  ...['arrivingRecords', 'basket', 'bay', 'buryPayload', 'chanceOf', 'commitMark', 'consignment', 'courier'],
  ...['forsakeBody', 'inviteBody', 'letterReturn', 'mqttTap', 'noteThePast', 'payloadIntake'],
  ...['refusalsOf', 'seating', 'sinkWing', 'sparingly', 'standIn', 'understoodCommand', 'vouchFor'],
];
const RETIRED_IDENTIFIER = new RegExp(
  `(?<![A-Za-z])(?:${RETIRED.map((word) => `[${word[0]}${word[0]?.toUpperCase()}]${word.slice(1)}`).join('|')})s?(?![a-z])` +
    `|(?<=[a-z])(?:${RETIRED.map((word) => `${word[0]?.toUpperCase()}${word.slice(1)}`).join('|')})s?(?![a-z])`,
  'g',
);
const RETIRED_FILE = new RegExp(`(?:^|[/-])(?:${RETIRED.map(kebab).join('|')})(?=[-./])`);

function kebab(word: string): string {
  return word.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

const LINES_MAX = 350;
const LINE_LENGTH_MAX = 110;
const SOURCE_FOLDERS = ['src', 'machines', 'actors', 'storage'];
/** Where clocks, chance, the console and the environment may be read. */
const RIM = [
  'src/platform/real-clock.ts',
  'src/testing',
  'src/cli',
  'demos',
  'test',
  'bench',
  'vitest.config.ts',
];

export const RULES = {
  layers: eachImport((path, { specifier, line }, files) => {
    const target = resolveImport(path, specifier, files);
    const allowed =
      target === undefined ? mayImportPackage(path, packageOf(specifier)) : mayImportFile(path, target);
    return allowed ? [] : [{ path, line, what: `must not import ${target ?? specifier}` }];
  }),
  circles,
  clocks: outsideRim([
    /\bDate\.now\b/,
    /\bnew Date\(\s*\)/,
    /\bperformance\b/,
    // Called, not declared: a declared parameter has its type behind it.
    /(?<![.\w])(?:setTimeout|setInterval|setImmediate)\s*\((?!\w+: )/,
    /\bnode:timers\b/,
    /\bAbortSignal\.timeout\b/,
  ]),
  // The composition root draws the seed, where the user gives none; a restored database gets a name.
  chance: outsideRim(
    [/\bMath\.random\b/, /\brandomUUID\b/, /\brandomBytes\b/],
    [...RIM, 'src/engine/engine.ts', 'src/engine/backup.ts'],
  ),
  console: outsideRim([/\bconsole\./]),
  environment: outsideRim([/\bprocess\.env\b/]),
  names: (files) => each(files, () => true, offencesOfName),
  sizes: (files) => each(files, isSource, offencesOfSize),
  retired: (files) => each(files, isTypeScript, offencesOfRetiredWords),
  tests: (files) => each(files, (path) => path.endsWith('.test.ts'), offencesOfTest),
  workplace: (files) => each(files, () => true, offencesOfWorkplace),
  dependencies: (files) => each(files, (path) => path === 'package.json', offencesOfManifest),
  lockfile: (files) => each(files, (path) => path === 'package-lock.json', offencesOfLockfile),
} satisfies Record<string, Rule>;

export function describeOffence({ path, line, what }: Offence): string {
  return `${path}:${line}: ${what}`;
}

function each(
  files: Files,
  applies: (path: string) => boolean,
  check: (path: string, text: string) => Offence[],
): Offence[] {
  return [...files].flatMap(([path, text]) => (applies(path) ? check(path, text) : []));
}

function isTypeScript(path: string): boolean {
  return path.endsWith('.ts');
}

function isSource(path: string): boolean {
  return isTypeScript(path) && SOURCE_FOLDERS.some((folder) => within(path, folder));
}

function offencesOfRetiredWords(path: string, text: string): Offence[] {
  // This list names them.
  if (path === 'test/repo/rules.ts' || path === 'test/repo/tidy.test.ts') return [];
  const offences = [...codeOnly(text).matchAll(RETIRED_IDENTIFIER)].map(({ 0: word, index }) => ({
    path,
    line: lineAt(text, index),
    what: `"${word}" is a retired word; use the term of the field`,
  }));
  if (!RETIRED_FILE.test(path)) return offences;
  return [{ path, line: 1, what: 'has a retired word in its name' }, ...offences];
}

interface Import {
  readonly specifier: string;
  readonly line: number;
}

const IMPORT =
  /^[ \t]*(?:import|export)\b(?:[^;'"`()]*?\bfrom)?\s*(['"])([^'"\n]+)\1|\bimport\(\s*(['"`])([^'"`\n]+)\3/gm;

/** Static imports, `export … from`, `import()` with a literal, and types taken by `import('…')`. */
export function importsOf(text: string): Import[] {
  const code = codeOnly(text);
  return [...text.matchAll(IMPORT)]
    .filter((match) => code.slice(match.index, match.index + match[0].length).trim() !== '')
    .map((match) => ({ specifier: match[2] ?? match[4] ?? '', line: lineAt(text, match.index) }));
}

function eachImport(check: (path: string, imported: Import, files: Files) => Offence[]): Rule {
  return (files) =>
    each(files, isTypeScript, (path, text) =>
      importsOf(text).flatMap((imported) => check(path, imported, files)),
    );
}

/** The path an import leads to; undefined for a package. */
function resolveImport(from: string, specifier: string, files: Files): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const path = posix.join(posix.dirname(from), specifier);
  return files.has(path) ? path : posix.normalize(path);
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  const parts = specifier.split('/');
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

/** One offence per circle, told at its alphabetically first file. */
function circles(files: Files): Offence[] {
  const targets = new Map<string, string[]>();
  for (const [path, text] of files) {
    if (!isTypeScript(path)) continue;
    const reached = importsOf(text).map(({ specifier }) => resolveImport(path, specifier, files));
    targets.set(
      path,
      reached.filter((target) => target !== undefined),
    );
  }
  const finished = new Set<string>();
  const found = new Map<string, Offence>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      const circle = trail.slice(start);
      const first = [...circle].sort()[0] ?? path;
      found.set([...circle].sort().join(), {
        path: first,
        line: 1,
        what: `import circle: ${circle.join(' → ')}`,
      });
      return;
    }
    if (finished.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    finished.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return [...found.values()];
}

/** No code outside the rim matches any of the patterns. */
function outsideRim(patterns: readonly RegExp[], rim: readonly string[] = RIM): Rule {
  const applies = (path: string) => isTypeScript(path) && !rim.some((folder) => within(path, folder));
  return (files) => each(files, applies, (path, text) => matches(path, codeOnly(text), patterns, 'uses'));
}

function matches(path: string, text: string, patterns: readonly RegExp[], verb: string): Offence[] {
  return text.split('\n').flatMap((content, index) =>
    patterns.flatMap((pattern) => {
      const match = pattern.exec(content);
      return match === null ? [] : [{ path, line: index + 1, what: `${verb} ${match[0].trim()}` }];
    }),
  );
}

function offencesOfName(path: string): Offence[] {
  const name = posix.basename(path);
  const stem = name.replace(/\..*$/, '');
  const offences: Offence[] = [];
  if (isTypeScript(path) && !/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z]+)*\.ts$/.test(name)) {
    offences.push({ path, line: 1, what: 'is not named in kebab-case' });
  }
  if (/(?:^|-)(?:utils?|helpers?|manager|misc|common)$/.test(stem)) {
    offences.push({ path, line: 1, what: 'has a name that says nothing' });
  }
  return offences;
}

function offencesOfSize(path: string, text: string): Offence[] {
  const lines = text.split('\n');
  const offences = lines.flatMap((content, index) =>
    content.length > LINE_LENGTH_MAX
      ? [{ path, line: index + 1, what: `is longer than ${LINE_LENGTH_MAX} characters` }]
      : [],
  );
  if (lines.length - 1 > LINES_MAX) {
    offences.push({ path, line: LINES_MAX, what: `has more than ${LINES_MAX} lines` });
  }
  return offences;
}

function offencesOfTest(path: string, text: string): Offence[] {
  return [
    ...matches(path, codeOnly(text), [/\b(?:it|test|describe)(?:\.\w+)*\.(?:only|todo|skip)\b/], 'uses'),
    ...matches(path, text, [/\b(?:it|test|describe)(?:\.\w+)*\(\s*['"`](?:it )?should\b/], 'titles a test'),
  ];
}

/** What ties the project to the place where it was written: machine paths, private hosts, numbers of
 *  tickets. */
const WORKPLACE = [
  /(?<![\w.])\/(?:wor[k]|far[m]|hom[e]|User[s])\/\w/,
  /\/tm[p]\/bash/,
  /https?:\/\/(?!registry\.npmjs\.org)[\w.-]*(?:registry|artifactory|verdaccio)[\w.-]*/i,
  /\bissue[s]? #?\d+/i,
  /\bR0\d\d-\d+/,
];

function offencesOfWorkplace(path: string, text: string): Offence[] {
  return matches(path, text, WORKPLACE, 'mentions');
}

/** Exact versions only: an unpinned name gets another version on another machine. */
function offencesOfManifest(path: string, text: string): Offence[] {
  const manifest = JSON.parse(text) as Record<string, Record<string, string> | undefined>;
  return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
    Object.entries(manifest[kind] ?? {})
      .filter(([, version]) => !/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version))
      .map(([name, version]) => ({
        path,
        line: 1,
        what: `${kind}: ${name} "${version}" is not an exact version`,
      })),
  );
}

/** Every optional package of every platform is locked, or `npm ci` refuses the lockfile on all of them. npm
 *  leaves out those that its registry does not have. */
function offencesOfLockfile(path: string, text: string): Offence[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, { optionalDependencies?: object }> };
  return Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${parent}/node_modules/${name}` in packages),
      )
      .map((name) => ({ path, line: 1, what: `lacks ${name}, which ${parent} may need` })),
  );
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
