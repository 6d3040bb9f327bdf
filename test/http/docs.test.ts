/** docs/api.md is true: its commands work against a server, in their order, and its table is that of the
 *  routes. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { blocksOf } from '../repo/doc-blocks.ts';
import { run } from '../support/command-line.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { pageWith } from './api-page.ts';
import { httpRig, stored } from './http-rig.ts';

const page = readFileSync(join(PROJECT_ROOT, 'docs/api.md'), 'utf8');

test('its commands work, one after the other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-api-docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const rig = await httpRig({ tokens: [stored('a-token')] });
  const blocks = blocksOf('docs/api.md', page).filter(({ notRun }) => notRun !== 'it fetches large tools');
  expect(blocks.length).toBeGreaterThanOrEqual(5);
  for (const { line, code, language, notRun } of blocks) {
    expect([language, notRun]).toEqual(['sh', 'it needs a gateway; test/http/docs.test.ts gives it one']);
    const env = { URL: rig.url, TOKEN: 'a-token' };
    const ended = await run('bash', ['-euo', 'pipefail', '-c', code], { cwd: folder, env });
    expect(ended, `docs/api.md:${line}`).toMatchObject({ exitCode: 0, stderr: '' });
    expect(ended.stdout.length).toBeGreaterThan(0);
    // What the first block did is asked about by the next.
    await expect
      .poll(async () => (await rig.ask('/api/explain/line3', { token: 'a-token' })).status)
      .toBe(200);
  }
  expect(rig.engine.health('line4').type).toBe('push');
});

test('its table is that of the routes', async () => {
  const rig = await httpRig();
  expect(page).toBe(pageWith((await rig.ask('/openapi.json')).json, page));
  expect(page).toContain('| `GET /api/timeline` |');
});
