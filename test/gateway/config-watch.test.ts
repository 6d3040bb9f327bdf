import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { watchConfig, type ConfigWatch } from '../../src/gateway/config-watch.ts';

let folder: string;
let watching: ConfigWatch;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-watch-'));
});
afterEach(async () => {
  await watching.close();
  rmSync(folder, { recursive: true });
});

/** Watches the file; returns how often it was told of. */
async function watched(file: string) {
  const told = { changes: 0, errors: [] as unknown[] };
  watching = await watchConfig(file, {
    onChange: () => (told.changes += 1),
    onError: (error) => told.errors.push(error),
    intervalMs: 50,
  });
  return told;
}

const ways: [title: string, change: (file: string) => void][] = [
  ['written in place', (file) => writeFileSync(file, 'b')],
  [
    'replaced by a rename',
    (file) => {
      writeFileSync(`${file}.new`, 'b');
      renameSync(`${file}.new`, file);
    },
  ],
];
for (const [title, change] of ways) {
  test(`a file is told of that was ${title}`, async () => {
    const file = join(folder, 'edge.yaml');
    writeFileSync(file, 'a');
    const told = await watched(file);
    change(file);
    await expect.poll(() => told.changes).toBeGreaterThan(0);
    expect(told.errors).toEqual([]);
  });
}

test('a file is told of that was deleted, once it is there again', async () => {
  const file = join(folder, 'edge.yaml');
  writeFileSync(file, 'a');
  const told = await watched(file);
  unlinkSync(file);
  writeFileSync(file, 'b');
  await expect.poll(() => told.changes).toBeGreaterThan(0);
});

test('a folder behind a symlink is turned to another, as Kubernetes does, and the old one stays', async () => {
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'edge.yaml'), version);
  }
  symlinkSync('v1', join(folder, '..data'));
  symlinkSync(join('..data', 'edge.yaml'), join(folder, 'edge.yaml'));
  const told = await watched(join(folder, 'edge.yaml'));
  symlinkSync('v2', join(folder, 'turned'));
  renameSync(join(folder, 'turned'), join(folder, '..data'));
  await expect.poll(() => told.changes).toBeGreaterThan(0);
});
