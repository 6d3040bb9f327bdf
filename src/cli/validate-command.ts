/** The command that says what is wrong with a configuration. */

import type { ConfigProblem } from '../gateway/gateway-control.ts';
import { codeProblems } from '../gateway/config/code-problems.ts';
import type { GatewayConfig } from '../gateway/config/gateway-config.ts';
import { peerProblems } from '../gateway/peer-problems.ts';
import { formatProblem } from '../gateway/config/problems.ts';
import { configOf, invalidConfig } from './config-input.ts';
import type { Output } from './output.ts';

/** @throws HeadgateError HG_CONFIG_INVALID where something is wrong, once all of it is written. */
export async function validateCommand(
  file: string,
  options: { json?: boolean },
  output: Output,
): Promise<void> {
  const reading = configOf(file);
  const problems = reading.ok
    ? [...codeProblems(reading.config, file), ...(await peerProblems(reading.config, file))]
    : reading.problems;
  const ok = problems.length === 0;
  if (options.json === true) {
    const more = ok && reading.ok ? { digest: reading.digest, warnings: reading.warnings } : {};
    await output.write(`${JSON.stringify({ ok, file, ...more, problems })}\n`);
  } else if (ok && reading.ok) await output.write(`${file}: ${summary(reading.config)}\n`);
  else await output.write(problems.map((problem) => line(problem, output)).join(''));
  if (reading.ok) for (const one of reading.warnings) output.note(`warning: ${formatProblem(one)}`);
  if (!ok) throw invalidConfig(file, problems.length);
}

function line(problem: ConfigProblem, output: Output): string {
  return `${output.style('red', formatProblem(problem))}\n`;
}

function summary({ sources, stages, sinks, examples }: GatewayConfig): string {
  const parts = [
    counted(Object.keys(sources).length, 'source'),
    counted(stages.length, 'stage'),
    counted(Object.keys(sinks).length, 'sink'),
    counted(examples.length, 'example'),
  ];
  return `valid; ${parts.join(', ')}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
