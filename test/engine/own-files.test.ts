import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { readConfig } from '../../src/gateway/config/read-config.ts';
import { createEngine, fileSink, fileSource, type Engine } from '../../src/index.ts';

let folder: string;
let engine: Engine;
const at = (name: string) => join(folder, name);
const OUTPUT = 'out.ndjson';
const ROTATED = 'out.000001.20261130T101112Z.ndjson';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-own-'));
  engine = createEngine({
    timeline: { path: at('edge.db') },
    storage: { retention: { timeline: { ageMsMax: 86_400_000, archiveFolder: at('archive') } } },
    logger: SILENT_LOGGER,
  });
  await engine.start();
  writeFileSync(at(OUTPUT), '');
  symlinkSync(at(OUTPUT), at('link'));
  await engine.registerSink(fileSink({ id: 'out', path: at(OUTPUT) }));
});
afterAll(async () => {
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

const read = (name: string) => engine.register(fileSource({ id: 'in', path: at(name), format: 'text' }));
const refused = { code: 'HG_OPTION_INVALID', message: expect.stringContaining('of this engine') };

describe('a source never reads what the engine writes:', () => {
  test('the database and what stands beside it, also by a link', async () => {
    symlinkSync(at('edge.db-wal'), at('a-link'));
    linkSync(at('edge.db'), at('b-link'));
    for (const name of ['edge.db', 'edge.db-wal', 'edge.db-mark', 'edge.db-lock', 'a-link', 'b-link']) {
      await expect(read(name), name).rejects.toMatchObject(refused);
    }
  });
  test('the folder of the archive', async () => {
    mkdirSync(at('archive'));
    await expect(read('archive/timeline.ndjson')).rejects.toMatchObject(refused);
  });
  test('the output of a file sink, its rotated files, and a link to it', async () => {
    for (const name of [OUTPUT, ROTATED, 'link'])
      await expect(read(name), name).rejects.toMatchObject(refused);
  });
  test('nor what a sink would write that comes later', async () => {
    await engine.register(fileSource({ id: 'other', path: at('other.ndjson') }));
    await expect(
      engine.registerSink(fileSink({ id: 'late', path: at('other.ndjson') })),
    ).rejects.toMatchObject({ message: expect.stringContaining('which this sink would write') });
  });
  test('nor what a link leads to that is turned onto it while the source reads', async () => {
    writeFileSync(at('plain.txt'), 'one\n');
    symlinkSync(at('plain.txt'), at('turned'));
    const source = { id: 'turning', path: at('turned'), format: 'text', pollMs: 5 } as const;
    await engine.register(fileSource({ ...source, restart: { backoff: { initialMs: 5, maxMs: 5 } } }));
    const health = () => engine.health('turning');
    await expect.poll(() => health().recordsProduced).toBe(1);
    const before = health().recordsProduced;
    rmSync(at('turned'));
    symlinkSync(at(OUTPUT), at('turned'));
    await expect.poll(() => health().lastError?.message).toContain('is the output of sink "out"');
    expect(health().recordsProduced).toBe(before);
    rmSync(at('turned'));
    symlinkSync(at('plain.txt'), at('turned'));
    writeFileSync(at('plain.txt'), 'one\ntwo\n');
    await engine.resume('turning').catch(() => {});
    await expect.poll(() => health().recordsProduced, { timeout: 10_000 }).toBe(2);
    await engine.deregister('turning');
  });
  test('and may read any other file beside it', async () => {
    await engine.register(fileSource({ id: 'beside', path: at('out.1.ndjson') }));
    await engine.deregister('beside');
  });
});

test('a sink never writes into the database, what stands beside it, or the archive', async () => {
  symlinkSync(at('edge.db'), at('s-link'));
  const own = ['edge.db', 'edge.db-wal', 'edge.db-shm', 'edge.db-mark', 'edge.db-lock', 's-link'];
  for (const name of [...own, 'archive/timeline.ndjson']) {
    const registered = engine.registerSink(fileSink({ id: 'own', path: at(name) }));
    await expect(registered, name).rejects.toMatchObject(refused);
  }
  await engine.registerSink(fileSink({ id: 'own', path: at('edge.db.ndjson') }));
  await engine.deregisterSink('own');
});

test.each(['edge.db-wal', OUTPUT, ROTATED, `./${OUTPUT}`])('validate finds %s as a source', (path) => {
  const text =
    `storage: { path: edge.db }\nsources: { in: { type: file, path: "${path}" } }\n` +
    `sinks: { out: { type: file, path: ${OUTPUT} } }\n`;
  const result = readConfig(text, { format: 'yaml', file: at('g.yaml'), env: {} });
  const problems = result.ok ? [] : result.problems;
  expect(problems.map(({ message }) => message).join()).toContain('is written by this gateway itself');
});

test('validate finds a sink that would write beside the database', () => {
  const text = 'storage: { path: edge.db }\nsinks: { out: { type: file, path: edge.db-wal } }\n';
  const result = readConfig(text, { format: 'yaml', file: at('g.yaml'), env: {} });
  const problems = result.ok ? [] : result.problems;
  expect(problems.map(({ message }) => message).join()).toContain('is written by this gateway itself');
});

test.each([
  ['sinks: { out: { type: file, path: ./g.yaml } }', 'sinks.out.path'],
  ['sources: { in: { type: file, path: g.yaml } }', 'sources.in.path'],
  ['storage: { path: g.yaml }', 'storage.path'],
])('validate finds a part that has the configuration file for its own: %s', (text, path) => {
  writeFileSync(at('g.yaml'), text);
  const result = readConfig(text, { format: 'yaml', file: at('g.yaml'), env: {} });
  const problems = result.ok ? [] : result.problems;
  expect(problems).toMatchObject([{ path, message: expect.stringContaining('is the configuration file') }]);
});
