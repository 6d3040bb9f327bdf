/** The command that tries the examples of a configuration on its stages. */

import { HeadgateError } from '../domain/errors.ts';
import { writeJson } from '../domain/json-text.ts';
import { formatProblem } from '../gateway/config/problems.ts';
import { configOf, invalidConfig } from './config-input.ts';
import { runExample, type ExampleResult } from './example-run.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';

/** @throws HeadgateError HG_EXAMPLE_FAILED where one fails, HG_CONFIG_INVALID where the file is wrong, once
 *    all of it is written. */
export async function testCommand(file: string, options: { json?: boolean }, output: Output): Promise<void> {
  const reading = configOf(file);
  if (!reading.ok) {
    for (const problem of reading.problems) output.note(formatProblem(problem));
    throw invalidConfig(file, reading.problems.length);
  }
  const { config } = reading;
  const results: ExampleResult[] = [];
  for (const example of config.examples) {
    const result = await runExample(example, config);
    results.push(result);
    if (options.json !== true) await output.write(readable(result, output));
  }
  const failed = results.filter(({ passed }) => !passed).length;
  const passed = results.length - failed;
  if (options.json === true) {
    await output.write(`${writeJson({ passed, failed, examples: results })}\n`);
  } else await output.write(`${summary(passed, failed)}\n`);
  if (failed > 0)
    throw new HeadgateError('HG_EXAMPLE_FAILED', `${file}: ${failed} of ${results.length} failed`);
}

function summary(passed: number, failed: number): string {
  if (passed + failed === 0) return 'no examples; write some under "examples"';
  return failed === 0 ? `${passed} passed` : `${passed} passed, ${failed} failed`;
}

function readable(result: ExampleResult, output: Output): string {
  const { name, passed, differences, fates } = result;
  const title = printable(name);
  if (passed) return `${output.style('green', 'ok')}    ${title}\n`;
  const left = fates.flatMap((fate, index) =>
    fate === 'passed' ? [] : [`input ${index + 1} was ${WORDS[fate]}`],
  );
  const lines = [...differences, ...left].map((line) => `      ${printable(line)}\n`);
  return `${output.style('red', 'FAIL')}  ${title}\n${lines.join('')}`;
}

const WORDS = {
  failed: 'failed by a stage',
  filtered: 'left out by a filter',
  dropped: 'dropped by a queue',
  'dead letter': 'refused by the log: it is a dead letter',
} as const;
