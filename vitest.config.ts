import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Where files lie that run for ten seconds and more, mostly waiting for processes. */
const LONG = [
  'test/chaos/',
  'test/actors/sources/conformance-',
  'test/house/pack',
  'test/house/docs',
  'test/demos/',
  'test/cli/',
  'test/bench/',
];

/** Long files first, or the last one would run on alone while a processor idles. */
class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((part) => moduleId.includes(part));
      return place < 0 ? LONG.length : place;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // One a processor; vitest would leave one of them idle.
    maxWorkers: '100%',
    // Of the tests of a file that start processes and wait for them side by side.
    maxConcurrency: 3,
    sequence: { sequencer: LongFilesFirst },
    // The tests start hundreds of processes: each takes a third of the time once what it runs has been compiled.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/node-compile') },
    // What is waited for comes soon; on a loaded machine it comes late. These only end what hangs.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    // The json report (.vitest/json/output.json) is what .ci/run counts.
    reporters: ['default', 'json'],
  },
});
