/** The command that looks whether everything is there and well, and says what to do where it is not. */

import { extname } from 'node:path';
import { isInMemory } from '../../storage/file/database-path.ts';
import { problem, ok, type Check, type Finding, type Level, type Verdict } from '../doctor/check.ts';
import { runDoctorChecks, type Examined } from '../doctor/run-checks.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import type { GatewayConfig } from '../gateway/config/gateway-config.ts';
import { peerProblems } from '../gateway/peer-problems.ts';
import type { ReadConfigResult } from '../gateway/config/read-config.ts';
import type { ConfigProblem } from '../gateway/gateway-control.ts';
import { realClock } from '../platform/real-clock.ts';
import { configOf } from './config-input.ts';
import { linksOf } from './doctor-links.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import type { ReadOptions } from './read-commands.ts';

const CONFIG_NAMES: readonly string[] = ['.yaml', '.yml', '.json'];

/** @throws HeadgateError once everything was told: HG_DOCTOR_PROBLEMS, or HG_LINK_REFUSED where only services
 *  have problems. */
export async function doctorCommand(
  file: string | undefined,
  options: ReadOptions,
  output: Output,
): Promise<void> {
  const findings = await runDoctorChecks(await examinedOf(file), realClock);
  const problems = findings.filter(({ level }) => level === 'problem');
  const text =
    options.json === true
      ? `${JSON.stringify({ ok: problems.length === 0, findings }, null, 2)}\n`
      : readable(findings, output);
  await output.write(text);
  if (problems.length === 0) return;
  const isServicesOnly = problems.every(({ isService }) => isService);
  throw new HeadgateError(
    isServicesOnly ? 'HG_LINK_REFUSED' : 'HG_DOCTOR_PROBLEMS',
    `${counted(problems.length, isServicesOnly ? 'service' : 'problem')} to look after`,
  );
}

async function examinedOf(file: string | undefined): Promise<Examined> {
  if (file === undefined) return { database: null, links: [] };
  const isConfig = CONFIG_NAMES.includes(extname(file).toLowerCase());
  return isConfig ? configured(file) : { database: file, links: [] };
}

/** What is wrong with the configuration is found first, each problem on its own. */
async function configured(file: string): Promise<Examined> {
  const is = (verdict: Verdict): Check => ({
    subject: 'configuration',
    isService: false,
    run: () => verdict,
  });
  let reading: ReadConfigResult;
  try {
    reading = configOf(file);
  } catch (error) {
    return { database: null, links: [], first: [is(problem(messageOf(error), 'name a file that is there'))] };
  }
  if (reading.ok) {
    const { config } = reading;
    const lacking = (await peerProblems(config, file)).map(({ path, message }) =>
      is(problem(`${file}: ${path}: ${message}`, 'install the package that is named')),
    );
    const first = lacking.length > 0 ? lacking : [is(ok(`${file} is valid`))];
    return { database: databaseOf(config), links: linksOf(config), first };
  }
  const remedy = `correct the file; \`headgate validate ${file}\` checks it alone`;
  const found = reading.problems.map((one) => is(problem(problemLine(file, one), remedy)));
  return { database: null, links: [], first: found };
}

function databaseOf({ storage: { path } }: GatewayConfig): string | null {
  return isInMemory(path) ? null : path;
}

function problemLine(file: string, { line, column, path, message }: ConfigProblem): string {
  const place = line === null ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}: ${path === '' ? '' : `${path}: `}${message}`;
}

const MARKS: Readonly<Record<Level, { readonly word: string; readonly colour: 'green' | 'yellow' | 'red' }>> =
  {
    ok: { word: 'ok', colour: 'green' },
    warning: { word: 'warning', colour: 'yellow' },
    problem: { word: 'problem', colour: 'red' },
  };

function readable(findings: readonly Finding[], output: Output): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const lines = findings.flatMap(({ level, subject, message, remedy }) => {
    const { word, colour } = MARKS[level];
    const mark = output.style(colour, word.padEnd(8));
    const said = `${mark} ${printable(subject).padEnd(width)}  ${printable(message)}`;
    return remedy === null ? [said] : [said, `${' '.repeat(width + 9)}  → ${printable(remedy)}`];
  });
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const sums = [counted(count('problem'), 'problem'), counted(count('warning'), 'warning')];
  return `${lines.join('\n')}\n\n${counted(findings.length, 'check')}: ${sums.join(', ')}\n`;
}

function counted(count: number, noun: string): string {
  return `${count === 0 ? 'no' : count} ${noun}${count === 1 ? '' : 's'}`;
}
