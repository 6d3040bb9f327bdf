/** The command that says whether a database still holds what was written to it. */

import { verifyDatabase } from '../../storage/verify/verify-database.ts';
import type { ChecksumReport, Problem, VerifyReport } from '../../storage/verify/verify-report.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import type { ReadOptions } from './read-commands.ts';

/** @throws HeadgateError HG_STORAGE_CORRUPT where something is wrong, once the report is written. */
export async function verifyCommand(path: string, options: ReadOptions, output: Output): Promise<void> {
  const report = await verifyDatabase(path);
  await output.write(options.json === true ? `${JSON.stringify(report)}\n` : readableReport(report, output));
  if (report.ok) return;
  const count = report.problemCount === 1 ? 'one problem' : `${report.problemCount} problems`;
  throw new HeadgateError('HG_STORAGE_CORRUPT', `${path}: ${count} found`);
}

function readableReport(report: VerifyReport, output: Output): string {
  const { timeline, records, spill, problems, problemCount } = report;
  const range = timeline.firstSeq === null ? '' : ` (seq ${timeline.firstSeq} to ${timeline.lastSeq})`;
  const lines = [
    `timeline  ${counted(timeline.rows, 'row')}${range}, ${counted(timeline.links, 'link')}`,
    `records   ${checksums(records)}`,
    ...(spill.rows === 0 ? [] : [`spill     ${checksums(spill)}`]),
    ...problems.map((problem) => output.style('red', printable(problemLine(problem)))),
    ...(problemCount > problems.length ? [`… and ${problemCount - problems.length} more`] : []),
    ...(report.ok ? [output.style('green', 'sound')] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function checksums({ rows, unchecked, damagedCount }: ChecksumReport): string {
  const parts = [counted(rows, 'row')];
  if (unchecked > 0) parts.push(`${unchecked} without a checksum`);
  if (damagedCount > 0) parts.push(`${damagedCount} damaged`);
  return parts.join(', ');
}

function problemLine({ where, firstSeq, lastSeq, what }: Problem): string {
  if (firstSeq === null) return `${where}: ${what}`;
  const seqs = firstSeq === lastSeq ? `seq ${firstSeq}` : `seq ${firstSeq} to ${lastSeq}`;
  return `${where}, ${seqs}: ${what}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
