/** What is wrong with the code that a configuration names: it is loaded, and asked for what it is to make. */

import { messageOf } from '../../domain/errors.ts';
import type { ConfigProblem } from '../gateway-control.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { buildSink, buildSource } from './specs.ts';
import { stagesOf } from './stage-specs.ts';

export function codeProblems(config: GatewayConfig, file: string | null): ConfigProblem[] {
  const { sources, sinks, stages, folder } = config;
  const problems: ConfigProblem[] = [];
  const attempt = (path: string, make: () => unknown) => {
    try {
      make();
    } catch (error) {
      problems.push({ file, line: null, column: null, path, message: messageOf(error) });
    }
  };
  for (const [id, entry] of Object.entries(sources)) {
    attempt(`sources.${id}`, () => buildSource(id, entry, { folder }));
  }
  for (const [id, entry] of Object.entries(sinks)) {
    attempt(`sinks.${id}`, () => buildSink(id, entry, { folder }));
  }
  for (const [index, entry] of stages.entries()) {
    attempt(`stages[${index}]`, () => stagesOf({ stages: [entry], folder }));
  }
  return problems;
}
