/** Files that the configuration refers to are read again when they change: under the virtual clock over real
 *  files, and by a whole gateway. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { watchReferences } from '../../src/gateway/reference-watch.ts';
import { virtualClock } from '../../src/testing.ts';
import { fileVersion } from '../../storage/file/bounded-file.ts';
import { gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A secret behind two links, as Kubernetes mounts it: `secret` → `..data/secret`, `..data` → a folder. */
function mounted() {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-secrets-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const put = (version: string, text: string) => {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, 'secret'), text, { mode: 0o440 });
    symlinkSync(version, join(folder, '..data-new'));
    renameSync(join(folder, '..data-new'), join(folder, '..data'));
  };
  put('one', 'old');
  symlinkSync('..data/secret', join(folder, 'secret'));
  return { path: join(folder, 'secret'), put };
}

/** A watch over a file; `looks` lets so many seconds pass. */
function watched(path: string) {
  const clock = virtualClock();
  let files = new Map([[path, fileVersion(statSync(path))]]);
  let changes = 0;
  const read = () => {
    files = new Map([[path, fileVersion(statSync(path))]]);
  };
  const watch = watchReferences({
    ...{ clock, files: () => files, onChange: () => (changes += 1) },
    versionOf: async (one) => (existsSync(one) ? fileVersion(statSync(one)) : null),
  });
  cleanups.push(() => watch.close());
  return {
    read,
    changes: () => changes,
    looks: async (count: number) => {
      for (let n = 0; n < count; n++) await clock.advance(1_000);
    },
  };
}

describe('a file that is referred to', () => {
  test('tells once that it was replaced, and again after it was read', async () => {
    const { path } = mounted();
    const plain = `${path}-plain`;
    writeFileSync(plain, 'old');
    const { looks, changes, read } = watched(plain);
    await looks(3);
    expect(changes()).toBe(0);
    writeFileSync(`${plain}-new`, 'new');
    renameSync(`${plain}-new`, plain);
    await looks(5);
    expect(changes()).toBe(1);
    read();
    await looks(3);
    expect(changes()).toBe(1);
    writeFileSync(plain, 'newer still');
    await looks(3);
    expect(changes()).toBe(2);
  });

  test('behind links that are turned elsewhere tells so', async () => {
    const { path, put } = mounted();
    const { looks, changes } = watched(path);
    put('two', 'new');
    await looks(3);
    expect(changes()).toBe(1);
  });

  test('says nothing while it is away or still being written', async () => {
    const { path } = mounted();
    const plain = `${path}-plain`;
    writeFileSync(plain, 'old');
    const { looks, changes } = watched(plain);
    rmSync(plain);
    await looks(3);
    expect(changes()).toBe(0);
    for (let n = 0; n < 5; n++) {
      writeFileSync(plain, 'x'.repeat(n + 5));
      utimesSync(plain, n + 1, n + 1);
      await looks(1);
    }
    expect(changes()).toBe(0);
    await looks(2);
    expect(changes()).toBe(1);
  });
});

test(
  'a gateway runs with the new secret without anybody changing the configuration',
  { tags: 'full' },
  async () => {
    const { path, put } = mounted();
    const source = { type: 'http', url: 'http://127.0.0.1:9/', intervalMs: 60_000 };
    const config = {
      sources: {
        meter: { ...source, headers: { authorization: `file:${path}` } },
        other: { type: 'push' },
      },
    };
    const rig: GatewayRig = await gatewayRig(config);
    cleanups.push(() => rig.dispose());
    await rig.gateway.start();
    const incarnations = () =>
      rig.gateway.engine.health().map(({ sourceId, incarnation }) => [sourceId, incarnation]);
    const [[, before] = []] = incarnations();
    put('two', 'new');
    await expect.poll(() => rig.gateway.configuration().version, { timeout: 15_000 }).toBe(2);
    expect(rig.gateway.configuration().lastReload).toMatchObject({
      origin: 'file',
      outcome: 'applied',
      changes: [{ path: 'sources.meter', action: 'changed', fields: ['headers.authorization'] }],
    });
    const after = Object.fromEntries(incarnations());
    expect(after['meter']).toBeGreaterThan(Number(before));
  },
);
