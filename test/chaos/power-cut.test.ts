// @module-tag full
/** Power cuts, simulated: what a disk keeps of a recorded run is opened and held against what the run had
 *  promised. */

import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/domain/random.ts';
import { powerCutProblems, powerCuts } from './power-cut-command.ts';
import type { DiskOperation } from './power-cut/disk-operation.ts';
import { whyNoRecording } from './power-cut/record-run.ts';
import { createSimulatedDisk, type CutMode } from './power-cut/simulated-disk.ts';
import { skipNote } from '../support/skip-note.ts';

const POINTS = 100;
const SEED = 5;
const refusal = whyNoRecording();
const note = skipNote(refusal);

describe.skipIf(refusal !== undefined)(`a power cut at any of ${POINTS} points${note}`, () => {
  test('takes nothing that was acknowledged, and much of what a connection at NORMAL acknowledged', async () => {
    const report = await powerCuts({ seed: SEED, points: POINTS }, () => {});
    expect(powerCutProblems(report)).toEqual([]);
    expect([report.direct.points, report.worker.points]).toEqual([POINTS, POINTS]);
    for (const outcome of Object.values(report)) {
      expect(outcome.acknowledged).toBeGreaterThan(1_000);
      for (const points of Object.values(outcome.modes)) expect(points).toBeGreaterThan(0);
    }
  }, 180_000);
});

describe('the simulated disk', () => {
  const A = '/disk/a';
  const write = (at: number, text: string): DiskOperation => ({
    kind: 'write',
    path: A,
    at,
    bytes: Buffer.from(text),
  });
  const SYNC: DiskOperation = { kind: 'sync', path: A };
  const NAMED: DiskOperation[] = [
    { kind: 'create', path: A },
    { kind: 'sync', path: '/disk' },
  ];

  /** The file after a cut that follows these operations; null where it has no name. */
  function after(operations: readonly DiskOperation[], mode: CutMode, path = A): string | null {
    const disk = createSimulatedDisk();
    for (const operation of operations) disk.apply(operation);
    return disk.afterCut(mode, seededRandom(1)).get(path)?.toString('latin1') ?? null;
  }

  const cases: [title: string, operations: DiskOperation[], mode: CutMode, found: string | null][] = [
    ['keeps what was synced', [...NAMED, write(0, 'one'), SYNC], 'drop', 'one'],
    ['drops what was not', [...NAMED, write(0, 'one'), SYNC, write(3, 'two')], 'drop', 'one'],
    ['may keep it all the same', [...NAMED, write(0, 'one'), SYNC, write(3, 'two')], 'keep', 'onetwo'],
    ['fills holes with zeros', [...NAMED, write(2, 'x'), SYNC], 'drop', '\0\0x'],
    [
      'drops a truncation',
      [...NAMED, write(0, 'one'), SYNC, { kind: 'truncate', path: A, size: 0 }],
      'drop',
      'one',
    ],
    [
      'keeps a truncation that was synced',
      [...NAMED, write(0, 'one'), { kind: 'truncate', path: A, size: 1 }, write(2, 'x'), SYNC],
      'drop',
      'o\0x',
    ],
    [
      'forgets a name whose folder was not synced',
      [{ kind: 'create', path: A }, write(0, 'one'), SYNC],
      'drop',
      null,
    ],
    ['keeps a deleted file until the folder is synced', [...NAMED, { kind: 'unlink', path: A }], 'drop', ''],
  ];
  for (const [title, operations, mode, found] of cases) {
    test(title, () => expect(after(operations, mode)).toBe(found));
  }

  test('renames as one: the old file or the new one is there', () => {
    const B = '/disk/b';
    const operations: DiskOperation[] = [
      ...NAMED,
      { kind: 'create', path: B },
      { kind: 'sync', path: '/disk' },
      { ...write(0, 'new'), path: B } as DiskOperation,
      { kind: 'sync', path: B },
      { kind: 'rename', path: B, to: A },
    ];
    expect([after(operations, 'drop'), after(operations, 'drop', B)]).toEqual(['', 'new']);
    expect([after(operations, 'keep'), after(operations, 'keep', B)]).toEqual(['new', null]);
  });

  test('tears a write at sectors, some there and some not', () => {
    const torn =
      after([...NAMED, write(0, '\0'.repeat(8_192)), SYNC, write(0, 'x'.repeat(8_192))], 'torn') ?? '';
    const sectors = torn.match(/.{512}/gs) ?? [];
    expect(new Set(sectors)).toEqual(new Set(['x'.repeat(512), '\0'.repeat(512)]));
  });
});
