/** Cuts the power of a recorded run at random points, opens what the disk kept, and compares with what the
 *  run had promised by then. */

import Database from 'better-sqlite3';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { messageOf } from '../../../src/domain/errors.ts';
import { seededRandom } from '../../../src/domain/random.ts';
import { openEventStore } from '../../../storage/open-event-store.ts';
import { integrityOf } from '../rig/verdict.ts';
import type { RecordedRun } from './record-run.ts';
import { createSimulatedDisk, CUT_MODES, type CutMode } from './simulated-disk.ts';

export interface CutOutcome {
  readonly points: number;
  /** Points by what became of unsynced writes. */
  readonly modes: Readonly<Record<CutMode, number>>;
  /** Records the run had promised by its end. */
  readonly acknowledged: number;
  /** Promised records that were missing, over all points. */
  readonly lost: number;
  readonly pointsWithLoss: number;
  /** Records in a unit of which others are missing, over all points. */
  readonly halfUnits: number;
  /** What was wrong with the file at a point, the first of each kind. */
  readonly complaints: readonly string[];
}

interface Found {
  readonly ids: readonly number[];
  readonly complaint: string | null;
}

/** `scratch`: a folder for the copies. */
export async function cutPower(
  run: RecordedRun,
  { points, seed, scratch }: { readonly points: number; readonly seed: number; readonly scratch: string },
): Promise<CutOutcome> {
  const random = seededRandom(`cuts:${seed}`);
  const disk = createSimulatedDisk();
  const at = Array.from({ length: points }, () => random.integer(0, run.operations.length)).sort(
    (a, b) => a - b,
  );
  const modes = { drop: 0, keep: 0, some: 0, torn: 0 };
  const complaints = new Map<string, string>();
  let [promised, lost, pointsWithLoss, halfUnits, done] = [0, 0, 0, 0, 0];
  const unitEnds = new Set([
    0,
    ...run.operations.flatMap((one) => (one.kind === 'note' ? [Number(one.text)] : [])),
  ]);
  for (const point of at) {
    for (const operation of run.operations.slice(done, point)) {
      disk.apply(operation);
      if (operation.kind === 'note') promised = Number(operation.text);
    }
    done = point;
    const mode = CUT_MODES[random.integer(0, CUT_MODES.length - 1)] as CutMode;
    modes[mode]++;
    const { ids, complaint } = await readAfterCut(run, disk.afterCut(mode, random), scratch);
    const missing = promised - ids.filter((id) => id <= promised).length;
    lost += missing;
    if (missing > 0) pointsWithLoss++;
    const last = ids.at(-1) ?? 0;
    if (ids.length !== last || !unitEnds.has(last)) halfUnits++;
    if (complaint !== null && !complaints.has(kindOf(complaint))) {
      complaints.set(kindOf(complaint), `at operation ${point} (${mode}): ${complaint}`);
    }
  }
  const acknowledged = Math.max(...unitEnds);
  return {
    points,
    modes,
    acknowledged,
    lost,
    pointsWithLoss,
    halfUnits,
    complaints: [...complaints.values()],
  };
}

async function readAfterCut(
  run: RecordedRun,
  files: ReadonlyMap<string, Buffer>,
  scratch: string,
): Promise<Found> {
  const folder = join(scratch, 'after-cut');
  mkdirSync(folder);
  try {
    for (const [path, content] of files) writeFileSync(join(folder, basename(path)), content);
    return await openAfterCut(join(folder, basename(run.file)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function openAfterCut(file: string): Promise<Found> {
  try {
    const uuid = () => 'uuid-after-the-cut';
    const store = await openEventStore({
      path: file,
      nowMs: 5_000,
      version: '0.1.0',
      uuid,
      configDigest: 'digest',
    });
    await store.close({ atMs: 6_000 });
    return { ids: storedIds(file), complaint: complaintOf(file, store) };
  } catch (error) {
    return { ids: [], complaint: `it could not be opened: ${messageOf(error)}` };
  }
}

function complaintOf(
  file: string,
  store: { movedAside: string | null; truncated: object | null },
): string | null {
  if (store.movedAside !== null) return 'it was taken for damaged and moved aside';
  if (store.truncated !== null) return `it was taken for truncated: ${JSON.stringify(store.truncated)}`;
  const integrity = integrityOf(file);
  return integrity === 'ok' ? null : `integrity_check: ${integrity}`;
}

function storedIds(file: string): number[] {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare('SELECT source_seq FROM records ORDER BY source_seq').pluck().all() as number[];
  } finally {
    db.close();
  }
}

function kindOf(complaint: string): string {
  return complaint.split(':')[0] ?? complaint;
}
