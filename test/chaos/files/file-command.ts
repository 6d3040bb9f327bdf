/** `chaos files`: scripts of writes, rotations, rewrites, restarts and kills for the file source, by the
 *  thousand, and the control. Kills are simulated in process; with `--kills` they are real. */

import type { Output } from '../../../src/cli/output.ts';
import type { AlterCursor } from './file-reader.ts';
import { fileKills, type FileKillsReport } from './file-kills.ts';
import { runScript } from './file-script.ts';

export interface FileScriptsOptions {
  readonly seed: number;
  readonly scripts: number;
  readonly json?: boolean;
}

/** What scripts come to. `missing`: lines that were destroyed before they could be read. */
export interface FileScriptsReport {
  readonly scripts: number;
  readonly lines: number;
  readonly missing: number;
  readonly alerts: number;
  readonly failed: number;
  readonly problems: readonly string[];
}

/** The control need only fail: a part of the scripts is enough. */
const CONTROL_SHARE = 0.25;
const CONTROL_KILLS_MAX = 5;
const PROBLEMS_TOLD_MAX = 10;

export async function fileScripts(
  { seed, scripts }: FileScriptsOptions,
  alterCursor?: AlterCursor,
): Promise<FileScriptsReport> {
  const sum = { scripts, lines: 0, missing: 0, alerts: 0, failed: 0 };
  const problems: string[] = [];
  for (let number = 0; number < scripts; number++) {
    const outcome = await runScript(seed + number, alterCursor);
    sum.lines += outcome.lines;
    sum.missing += outcome.missing;
    sum.alerts += outcome.alerts;
    if (outcome.problems.length === 0) continue;
    sum.failed++;
    const [first] = outcome.problems;
    problems.push(`script ${outcome.seed}: ${first} (${outcome.steps.join(' ')})`);
  }
  return { ...sum, problems: problems.slice(0, PROBLEMS_TOLD_MAX) };
}

/** A reader of an earlier version: it knows a file again by its inode and first bytes, and nothing else. */
export function withoutTail(cursor: string): string {
  const { inode, offset, line, headCrc } = JSON.parse(cursor) as Readonly<Record<string, unknown>>;
  return JSON.stringify({ inode, offset, line, headCrc });
}

/** Returns why it failed; empty where all is well. */
export async function runFileScripts(options: FileScriptsOptions, output: Output): Promise<string[]> {
  output.note(`seed ${options.seed}`);
  const report = await fileScripts(options);
  const scripts = Math.ceil(options.scripts * CONTROL_SHARE);
  const { problems: _, ...control } = await fileScripts({ ...options, scripts }, withoutTail);
  const document = { seed: options.seed, ...report, control };
  if (options.json === true) await output.write(`${JSON.stringify(document, null, 2)}\n`);
  else {
    const { lines, missing, alerts, failed } = report;
    const counts = `${lines} lines, ${missing} destroyed unread, ${alerts} alerts, ${failed} failed`;
    await output.write(`${options.scripts} scripts, ${counts}\n`);
    await output.write(`control: ${control.failed} of ${scripts} failed\n`);
  }
  const blind = control.failed === 0 ? ['the control found nothing missing: a loss would not be seen'] : [];
  return [...report.problems, ...blind];
}

export interface FileKillsCommandOptions {
  readonly seed: number;
  readonly kills: number;
  readonly json?: boolean;
}

/** Returns why it failed; empty where all is well. */
export async function runFileKills(options: FileKillsCommandOptions, output: Output): Promise<string[]> {
  const { seed, kills, json } = options;
  output.note(`seed ${seed}`);
  const run = (reader: 'engine' | 'forgetful', count: number) =>
    fileKills({
      ...{ seed, kills: count, reader },
      onKill: (kill, moment) => output.note(`${reader} ${kill}/${count}: killed ${moment}`),
    });
  const { problems, ...report } = await run('engine', kills);
  const controlRun = await run('forgetful', Math.min(kills, CONTROL_KILLS_MAX));
  const control = { ...controlRun, problems: controlRun.problems.length };
  if (json === true) {
    await output.write(`${JSON.stringify({ seed, ...report, problems, control }, null, 2)}\n`);
  } else {
    await output.write(`${killsLine(report)}, ${problems.length} problems\n`);
    await output.write(`control: ${killsLine(control)}\n`);
  }
  return killProblems({ ...report, problems }, controlRun);
}

function killsLine({
  kills,
  atWork,
  lines,
  stored,
  missing,
  alerts,
}: Omit<FileKillsReport, 'problems'>): string {
  const counts = `${lines} lines, ${stored} stored, ${missing} missing, ${alerts} alerts`;
  return `${kills} kills, ${atWork} of them at work, ${counts}`;
}

/** What is wrong: lines without an explanation, kills that hit no source at work, a control that lost
 *  nothing. */
export function killProblems(engine: FileKillsReport, control: FileKillsReport): string[] {
  const idle = engine.atWork === 0 ? ['no kill hit a source at work'] : [];
  const blind = control.problems.length === 0 ? ['the control lost nothing: a loss would not be seen'] : [];
  return [...engine.problems, ...idle, ...blind];
}
