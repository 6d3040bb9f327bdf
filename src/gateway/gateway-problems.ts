/** Messages of a gateway: against a configuration, beside what is wrong in its text, and at its end. */

import { HeadgateError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { EngineReport } from '../engine/engine-report.ts';
import type { ConfigProblem } from './gateway-control.ts';

export function invalidConfig(file: string | undefined, problems: readonly ConfigProblem[]): HeadgateError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new HeadgateError('HG_CONFIG_INVALID', `the configuration ${file ?? ''} has ${count}`, {
    details: { problems },
  });
}

const NOWHERE = { file: null, line: null, column: null, path: '' };

export const NO_FILE: ConfigProblem = {
  ...NOWHERE,
  message: 'the gateway was started without a file; leave out "persist"',
};

export const NOT_RUNNING: ConfigProblem = { ...NOWHERE, message: 'the gateway does not run; start it' };

/** The line of the log at the end of the engine. */
export function tellDrained(log: Logger, { balance }: Pick<EngineReport, 'balance'>): void {
  if (balance.lost === 0) log.info(balance, 'the engine has drained');
  else log.error({ ...balance, next: LOST_NEXT }, 'the engine has stopped before all was stored');
}

const LOST_NEXT = 'sources that wait for an acknowledgement send it again; raise engine.stopDeadlineMs';
