/** `dead-letters` as a process: what it prints, what it changes, and with which exit code it ends. */

import { beforeEach, describe, expect, test } from 'vitest';
import type { DeadLetter } from '../../src/domain/timeline.ts';
import { headgate } from '../support/command-line.ts';
import { writeBatch, openStore, query, START_MS, temporaryFile, writeDatabase } from '../storage/fixture.ts';

function letter(parts: Partial<DeadLetter>): DeadLetter {
  return {
    tenant: 'default',
    sourceId: 'plc-7',
    stage: 'decode',
    code: 'HG_DECODE_FAILED',
    message: 'no JSON',
    payload: '{"n":',
    attempts: 1,
    firstAtMs: START_MS,
    lastAtMs: START_MS + 1,
    origin: null,
    isTruncated: false,
    ...parts,
  };
}

const ORIGIN = { incarnation: 1, sourceSeq: 3, atMs: START_MS, dedupKey: null, contentType: null };

let file: string;
beforeEach(async () => {
  file = temporaryFile();
  await writeDatabase(file, {
    deadLetters: [
      letter({}),
      letter({ sourceId: 'plc-8', stage: 'scale', code: 'HG_STAGE_THREW', payload: '7', origin: ORIGIN }),
      letter({ tenant: 'acme', stage: 'record', payload: 'a\u001b[2Jb', isTruncated: true }),
    ],
  });
});

const letters = (...args: string[]) => headgate(['dead-letters', ...args]);
async function rows(...args: string[]): Promise<Record<string, unknown>[]> {
  const { exitCode, stdout, stderr } = await letters(...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return (JSON.parse(stdout) as { rows: Record<string, unknown>[] }).rows;
}
const statuses = () => query(file, 'SELECT status FROM dead_letters ORDER BY id').map(({ status }) => status);

describe('dead-letters', () => {
  test('lists with the columns of the table, filtered', async () => {
    const all = await rows('list', file);
    expect(Object.keys(all[0] ?? {}).join(' ')).toBe(
      'id tenant source_id stage code message payload attempts first_at_ms last_at_ms status origin truncated',
    );
    expect(all.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(all[1]).toMatchObject({ source_id: 'plc-8', stage: 'scale', origin: ORIGIN, truncated: 0 });
    const ids = async (...args: string[]) => (await rows('list', file, ...args)).map(({ id }) => id);
    expect(await ids('--source', 'plc-7')).toEqual([1]);
    expect(await ids('--source', 'acme/plc-7')).toEqual([3]);
    expect(await ids('--stage', 'scale', '--status', 'new')).toEqual([2]);
    expect(await ids('--status', 'parked')).toEqual([]);
  });

  test('prints for a person what cannot harm the terminal', async () => {
    for (const args of [
      ['list', file],
      ['show', file, '3'],
    ]) {
      const { exitCode, stdout } = await letters(...args);
      expect(exitCode).toBe(0);
      expect(stdout).toContain('a\\x1b[2Jb');
    }
    expect((await letters('list', file, '--source', 'none')).stderr).toBe('no dead letters\n');
  });

  test('shows one, and says where there is none', async () => {
    expect(await rows('show', file, '2')).toMatchObject([{ id: 2, payload: '7' }]);
    const { exitCode, stderr } = await letters('show', file, '9');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr:
        'headgate: there is no dead letter 9; list names those that are there (HG_DEAD_LETTER_UNKNOWN)\n',
    });
  });

  test('queues for another try: by number, or all that were kept whole', async () => {
    expect(await rows('retry', file, '2')).toEqual([{ queued: 1 }]);
    expect(statuses()).toEqual(['new', 'queued', 'new']);
    expect((await letters('retry', file, '1', '3')).exitCode).toBe(1);
    expect(statuses()).toEqual(['new', 'queued', 'new']);
    expect(await rows('retry', file, '--all', '--source', 'plc-8')).toEqual([{ queued: 0 }]);
    expect(await rows('retry', file, '--all')).toEqual([{ queued: 1 }]);
    expect(statuses()).toEqual(['queued', 'queued', 'new']);
  });

  test('purges: by number, or what is selected', async () => {
    expect((await letters('purge', file, '1')).stdout).toBe('1 purged\n');
    expect(await rows('purge', file, '--all', '--stage', 'record')).toEqual([{ purged: 1 }]);
    expect((await rows('list', file)).map(({ id }) => id)).toEqual([2]);
  });

  test('takes numbers or --all, one of them', async () => {
    for (const args of [[], ['1', '--all'], ['--source', 'plc-7'], ['x'], ['0']]) {
      for (const action of ['retry', 'purge']) {
        expect((await letters(action, file, ...args)).exitCode).toBe(2);
      }
    }
    expect(statuses()).toEqual(['new', 'new', 'new']);
  });

  test('reads a file in use, and changes none', async () => {
    const store = await openStore(file);
    await store.commit(writeBatch({ deadLetters: [letter({})] }));
    expect(await rows('list', file)).toHaveLength(4);
    for (const action of ['retry', 'purge']) {
      const { exitCode, stderr } = await letters(action, file, '1');
      expect(exitCode).toBe(1);
      expect(stderr).toContain('another engine uses this database');
    }
    expect(statuses()).toEqual(['new', 'new', 'new', 'new']);
  });

  test('leaves a file alone that is not a database of ours, or is not there', async () => {
    expect((await letters('retry', `${file}-none`, '1')).exitCode).toBe(1);
    expect((await letters('purge', new URL(import.meta.url).pathname, '1')).exitCode).toBe(65);
  });
});
