/** The option `rotated` of file sources, as `validate` checks it. */

import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { formatProblem } from '../../../src/gateway/config/problems.ts';
import { configFolder, configOf, problemsOf, valid } from './config-rig.ts';

const folder = configFolder({ 'logs/old.log.1': '' });
mkdirSync(join(folder, 'data'));
symlinkSync(join(folder, 'data'), join(folder, 'link'));

/** A gateway with two file sources, a file sink and an archive, whose first source has these entries. */
const gateway = (...rotated: readonly string[]) => `
storage: { path: data/edge.db, retention: { timeline: { ageMsMax: 86400000, archiveFolder: data/archive } } }
sources:
  app: { type: file, path: logs/app.log, rotated: ${JSON.stringify(rotated)} }
  other: { type: file, path: logs/other.log }
sinks: { out: { type: file, path: data/app.ndjson } }
`;
const reading = { folder };
const warningsOf = (text: string) => valid(text, reading).warnings.map((one) => formatProblem(one));

describe('a glob that is broken is an error:', () => {
  test.each([
    ['logs/app.[0-9', '"[" without its "]"'],
    ['logs/app.[]', '"[" without its "]"'],
    ['logs/app.[^]', '"[" without its "]"'],
    ['logs/app.{1,2', '"{" without its "}"'],
    ['logs/{app.{1,2}', '"{" without its "}"'],
    ['logs/app.*\\', 'ends with "\\"'],
    ['logs/app\0.*', 'contains NUL'],
    ['', ''],
  ])('%j', (place, problem) => {
    expect(problemsOf(gateway('logs', place), reading)).toEqual([
      expect.stringMatching(/^4:\d+ sources\.app\.rotated\[1\]: /),
    ]);
    expect(problemsOf(gateway('logs', place), reading)[0]).toContain(problem);
  });

  test.each([
    'logs/app.[0-9]',
    'logs/app.[]]',
    'logs/app.{1,{2,3}}',
    'logs/app.\\[1*',
    'logs/app}*',
    'logs/]*',
  ])('but not %j', (place) => expect(problemsOf(gateway(place), reading)).toEqual([]));
});

describe('a glob or folder that names what the gateway writes is an error:', () => {
  test.each([
    ['data/*', 'rotated files'],
    ['data/edge.d?', 'edge.db'],
    ['data/edge.db-{wal,shm}', 'edge.db-shm'],
    ['**/*.db', 'edge.db'],
    ['data/../data/*.db', 'edge.db'],
    ['link/*.db', 'edge.db'],
    ['data/*p.ndjson', 'app.ndjson'],
    ['data/app.0*.ndjson', 'app.000001'],
    ['data/archive/*', 'timeline-'],
    ['*.yaml', 'edge.yaml'],
  ])('%s', (place, file) => {
    expect(problemsOf(gateway(place), reading)).toEqual([
      expect.stringMatching(/^4:\d+ sources\.app\.rotated\[0\]: ".*" matches ".*", .*; narrow the glob/),
    ]);
    expect(problemsOf(gateway(place), reading)[0]).toContain(file);
  });

  test('a folder with the output of a sink that is called as the file', () => {
    const text = gateway('data').replace('data/app.ndjson', 'data/app.log');
    expect(problemsOf(text, reading)).toEqual([expect.stringContaining('sink "out"')]);
  });

  test.each(['logs', 'data', 'logs/app.log.*', 'data/app.log-*', 'logs/*.gz'])('but not %s', (place) =>
    expect(problemsOf(gateway(place), reading)).toEqual([]),
  );
});

describe('a glob that names the file of another source is a warning:', () => {
  test.each(['logs/*', 'logs/*.log', '**/other.log', 'logs/{app,other}.log*'])('%s', (place) => {
    expect(warningsOf(gateway(place))).toEqual([
      expect.stringMatching(
        /4:\d+ sources\.app\.rotated\[0\]: .*other\.log": source "other" reads it.*narrow/,
      ),
    ]);
  });

  test('but not one that names its own file', () => {
    expect(warningsOf(gateway('logs/app*'))).toEqual([]);
  });

  test('nor a folder in which the other file has another name', () => {
    expect(warningsOf(gateway('logs'))).toEqual([]);
  });
});

test('an entry that is a file without wildcards is a warning', () => {
  expect(warningsOf(gateway('logs/old.log.1'))).toEqual([
    expect.stringMatching(/is a file.*name the folder/),
  ]);
});

test('entries are seen from the folder of the configuration, as the path is', () => {
  const { sources } = configOf(gateway('logs', '/var/log/app.*', '*.1'), reading);
  expect(sources['app']).toMatchObject({
    rotated: [join(folder, 'logs'), '/var/log/app.*', join(folder, '*.1')],
  });
});

test('the work of comparing is bounded, and that the rest is not compared is a warning', () => {
  const sources = Array.from(
    { length: 2_000 },
    (_, n) => `  s${n}: { type: file, path: logs/${n}.log, rotated: ['logs/*.${n}'] }`,
  );
  const warnings = warningsOf(`sources:\n${sources.join('\n')}`);
  expect(warnings).toEqual([expect.stringMatching(/sources: there are too many to compare/)]);
});
