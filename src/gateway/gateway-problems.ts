/** What a gateway says against a configuration, beside what is wrong in its text. */

import { HeadgateError } from '../domain/errors.ts';
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
