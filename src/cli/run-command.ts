/** The command `run`: a gateway from a file, until it is told to end. */

import { resolve } from 'node:path';
import { HeadgateError } from '../domain/errors.ts';
import { formatProblem } from '../gateway/config/problems.ts';
import type { ConfigProblem } from '../gateway/gateway-control.ts';
import { keepEnvironmentOutOf } from '../gateway/diagnostic-reports.ts';
import { createGatewayLog } from '../gateway/gateway-log.ts';
import type { LogLevel } from '../gateway/log-levels.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../gateway/gateway.ts';
import { runProcess } from '../gateway/run-process.ts';
import { realClock } from '../platform/real-clock.ts';
import type { Output } from './output.ts';

export interface RunOptions {
  /** Only looks at the configuration. */
  readonly check?: boolean;
  /** Lines for people, or JSON. Default: as the configuration says, else for people on a terminal. */
  readonly pretty?: boolean;
  readonly logLevel?: LogLevel;
  /** Seconds; for ever where it is not given. */
  readonly duration?: number;
}

/** Resolves when the gateway has drained and ended because it was asked to.
 *  @throws HeadgateError for everything else; its code decides the exit code. */
export async function runCommand(file: string, options: RunOptions, output: Output): Promise<void> {
  const isTerminal = process.stderr.isTTY;
  const { logLevel, duration } = options;
  const colours = isTerminal && (process.env['NO_COLOR'] ?? '') === '';
  const pretty = options.pretty ?? isTerminal;
  const log = createGatewayLog({ level: logLevel ?? 'info', pretty, colours });
  keepEnvironmentOutOf(process.report, log);
  const level = logLevel === undefined ? {} : { logLevel };
  const gateway = gatewayOf({ file: resolve(file), env: process.env, log, ...level }, output);
  if (options.check === true) {
    await output.write(`${file}: the configuration is valid\n`);
    return;
  }
  if (options.pretty === undefined && gateway.logFormat !== 'auto')
    log.setPretty(gateway.logFormat === 'pretty');
  const durationMs = duration === undefined ? null : duration * 1_000;
  await runProcess(gateway, { clock: realClock, log, durationMs })
    .catch((error: unknown) => tellProblems(error, output))
    .finally(leaveSoon);
}

/** Makes a gateway; prints everything that is wrong with its configuration, and throws. */
export function gatewayOf(options: GatewayOptions, output: Output): Gateway {
  try {
    return createGateway(options);
  } catch (error) {
    return tellProblems(error, output);
  }
}

/** Prints the problems of a configuration that an error holds, and throws it on. */
function tellProblems(error: unknown, output: Output): never {
  const problems = error instanceof HeadgateError ? error.details['problems'] : undefined;
  for (const problem of (problems ?? []) as readonly ConfigProblem[]) output.note(formatProblem(problem));
  throw error;
}

const LEAVE_MS = 2_000;

/** What a disk that hangs still holds does not keep the process. */
function leaveSoon(): void {
  setTimeout(() => process.exit(), LEAVE_MS).unref();
}
