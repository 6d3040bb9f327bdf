/** What an engine is told, looked at: times to wait, the options as a digest; and why it refuses. */

import { HeadgateError, type ErrorFacts } from '../domain/errors.ts';

/** @throws HeadgateError HG_OPTION_INVALID if a value is no time to wait. */
export function requireMs(subject: string, fields: Readonly<Record<string, number>>): void {
  for (const [field, ms] of Object.entries(fields)) {
    if (Number.isFinite(ms) && ms >= 0) continue;
    throw new HeadgateError(
      'HG_OPTION_INVALID',
      `${subject}: option "${field}": must be a number of milliseconds, 0 or more`,
      { details: { subject, field } },
    );
  }
}

/** @throws HeadgateError HG_OPTION_INVALID if a value is no number of records to hold. */
export function requireCapacity(subject: string, fields: Readonly<Record<string, number>>): void {
  for (const [field, records] of Object.entries(fields)) {
    if (Number.isInteger(records) && records >= 1) continue;
    throw new HeadgateError(
      'HG_OPTION_INVALID',
      `${subject}: option "${field}": must be a whole number from 1 up`,
      { details: { subject, field } },
    );
  }
}

/** How long each part of a stop may take, unless whoever asks says otherwise. */
export const STOP_DEADLINE_MS = 10_000;

export const STOPPED: ErrorFacts = {
  code: 'HG_ENGINE_STATE',
  message: 'the engine has stopped; start it again first',
};

export const NOT_STARTED: ErrorFacts = {
  code: 'HG_ENGINE_STATE',
  message: 'too many commands wait for the engine; start it first',
};
