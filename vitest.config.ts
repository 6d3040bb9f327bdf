import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders of tests that run within one process: pure logic, machines, whole engines under the virtual clock.
 *  */
const UNIT_FOLDERS = ['domain', 'config', 'pipeline', 'machines', 'testing', 'engine', 'gateway/config'];

/** Files in those folders that start processes or wait in real time. */
const NO_UNIT = /^test\/engine\/(backup|hung-disk|process|storage-worker)\.test/;

/** Files that take ten seconds and more begin first, or the last one would run on alone while a processor
 *  idles. */
const LONG = [
  'test/chaos/',
  'test/actors/sources/conformance-',
  'test/repo/',
  'test/demos/',
  'test/cli/',
  'test/security/',
  'test/http/',
];

class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((part) => moduleId.includes(part));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

interface TestFile {
  readonly path: string;
  readonly text: string;
}

const root = import.meta.dirname;
const files: TestFile[] = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.test.ts'))
  .map((file) => ({ path: `test/${file}`, text: readFileSync(join(root, 'test', file), 'utf8') }));

/** Files of one project run one after the other in the same processes, so that modules are loaded once; a
 *  module that a file replaces would stay replaced, and a long test is to see its own memory and handles
 *  alone. */
const isIsolated = ({ text }: TestFile) => text.includes('vi.mock(') || text.includes('@module-tag full');
const isUnit = ({ path }: TestFile) =>
  UNIT_FOLDERS.some((folder) => path.startsWith(`test/${folder}/`)) && !NO_UNIT.test(path);

export default defineConfig({
  test: {
    tags: [{ name: 'full', description: 'long tests, which `npm run test:full` runs' }],
    pool: 'forks',
    // Many tests wait for a peer; a processor is busy when three files share two.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    sequence: { sequencer: LongFilesFirst },
    // The json report (.vitest/json/output.json) is what .ci/run counts.
    reporters: ['default', 'json'],
    projects: [
      project('unit', (file) => !isIsolated(file) && isUnit(file), { isolate: false }),
      project('integration', (file) => !isIsolated(file) && !isUnit(file), { isolate: false }),
      project('isolated', isIsolated),
    ],
  },
});

function project(name: string, holds: (file: TestFile) => boolean, options: { isolate?: boolean } = {}) {
  return {
    test: {
      name,
      include: files.filter(holds).map(({ path }) => path),
      // Of the tests of a file that start processes and wait for them side by side.
      maxConcurrency: 3,
      // The tests start hundreds of processes: each takes a third of the time once what it runs has been compiled.
      env: { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile') },
      // What is waited for comes soon; on a loaded machine it comes late. These only end what hangs.
      testTimeout: 60_000,
      hookTimeout: 60_000,
      expect: { poll: { timeout: 30_000 } },
      ...options,
    },
  };
}
