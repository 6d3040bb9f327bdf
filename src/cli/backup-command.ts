/** The commands that copy a database out and back: backup and restore. */

import type { VerifyReport } from '../../storage/verify/verify-report.ts';
import { backupDatabase, restoreDatabase } from '../engine/backup.ts';
import type { Output } from './output.ts';
import type { ReadOptions } from './read-commands.ts';

/** @throws HeadgateError as {@link backupDatabase}. */
export async function backupCommand(
  path: string,
  target: string,
  options: ReadOptions,
  output: Output,
): Promise<void> {
  const { file, bytes, verified } = await backupDatabase(path, target);
  const { timeline, records } = verified;
  if (options.json === true) {
    await output.write(`${JSON.stringify({ file, bytes, timeline, records })}\n`);
    return;
  }
  const size = `${(bytes / 1_000_000).toFixed(1)} MB`;
  await output.write(`${file}: ${contentsOf(verified)}, ${size}; ${output.style('green', 'sound')}\n`);
}

/** @throws HeadgateError as {@link restoreDatabase}. */
export async function restoreCommand(
  backup: string,
  path: string,
  options: ReadOptions,
  output: Output,
): Promise<void> {
  const { file, movedAside, from, verified } = await restoreDatabase(backup, path);
  if (options.json === true) {
    const { timeline, records } = verified;
    await output.write(`${JSON.stringify({ file, movedAside, from, timeline, records })}\n`);
    return;
  }
  const lost = [missing('timeline row', from.timeline), missing('record', from.records)].filter(Boolean);
  const lines = [
    `${file}: ${contentsOf(verified)}; ${output.style('green', 'sound')}`,
    ...(movedAside === null ? [] : [`what stood there is kept as ${movedAside}`]),
    ...(lost.length === 0 ? [] : [`after the backup came, and is not in it: ${lost.join(', ')}`]),
  ];
  await output.write(`${lines.join('\n')}\n`);
}

function contentsOf({ timeline, records }: VerifyReport): string {
  return `${counted(records.rows, 'record')}, ${counted(timeline.rows, 'timeline row')}`;
}

function missing(noun: string, { found, known }: { found: number; known: number }): string {
  if (known <= found) return '';
  return known === found + 1 ? `${noun} ${known}` : `${noun}s ${found + 1} to ${known}`;
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}
