// @module-tag full
/** The engine with one safeguard taken out: what the tests look for must be seen to be missing. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mosquittoMissing } from '../../support/mqtt-brokers.ts';
import { skipNote } from '../../support/skip-note.ts';
import { startField } from '../rig/field.ts';
import { holdsWithin, within } from '../rig/until.ts';

const MUTATION = new URL('./mutation.ts', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url));

function play(scene: string, control: string | null): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-control-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const preload = control === null ? [] : ['--import', MUTATION];
  const { stdout, stderr } = spawnSync(
    process.execPath,
    [...preload, CHILD, scene, join(folder, 'edge.db')],
    { encoding: 'utf8', env: { ...process.env, HEADGATE_CONTROL: control ?? '' } },
  );
  return stdout === '' ? { failed: stderr } : JSON.parse(stdout);
}

describe('a control', () => {
  test('without AUTOINCREMENT loses records to a sink once the log was empty', () => {
    expect(play('emptied-log', null)).toEqual({ seen: [1, 2, 3, 4, 5] });
    const { seen } = play('emptied-log', 'no-autoincrement') as { seen: number[] };
    expect(seen.length).toBeLessThan(5);
  });

  test('without checksums does not find a record that was changed', () => {
    expect(play('changed-record', null)).toEqual({ damaged: [2], problemCount: 1 });
    expect(play('changed-record', 'no-checksum')).toEqual({ damaged: [], problemCount: 0 });
  });

  test.skipIf(mosquittoMissing !== null)(
    `without epochs acknowledges messages of another connection${skipNote(mosquittoMissing)}`,
    async () => {
      expect(await wrongAcks([], 2)).toBe(0);
      const preload = ['env', `NODE_OPTIONS=--import=${MUTATION}`, 'HEADGATE_CONTROL=no-epoch'];
      expect(await wrongAcks(preload, 10)).toBeGreaterThan(0);
    },
    120_000,
  );
});

/** Cuts the link while messages wait for their commit, which then comes through over the next one. */
async function wrongAcks(under: readonly string[], cuts: number): Promise<number> {
  await using field = await startField();
  const engine = await field.startConnected({ under });
  field.oracle.setRate(1_000);
  for (let cut = 0; cut < cuts && field.ledger.strayAcks === 0; cut++) {
    const holder = field.start({ program: 'lock' });
    await holder.answered('started');
    const { sessions } = field.ledger;
    const next = field.proxy.nextConnection();
    field.proxy.cut();
    await within(20_000, 'the next connection', next);
    await holdsWithin(1_000, () => field.ledger.sessions > sessions);
    await holder.kill();
    await holdsWithin(2_000, () => field.ledger.strayAcks > 0);
  }
  await engine.kill();
  return field.ledger.strayAcks;
}
