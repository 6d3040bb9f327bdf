/** What the command's exit code says. The numbers above 2 are those of BSD's sysexits. */

import type { ErrorCode } from '../domain/errors.ts';

export const EXIT_CODES = {
  done: {
    code: 0,
    meaning: 'Done. Also after SIGINT or SIGTERM, and where the reader of the output has gone.',
  },
  failed: { code: 1, meaning: 'Failed; the message says why.' },
  usage: {
    code: 2,
    meaning: 'The command line is wrong: an unknown command or option, or a value that cannot be read.',
  },
  badData: {
    code: 65,
    meaning: 'The data is bad: not a database of Headgate, a damaged one, or a newer one.',
  },
  unavailable: {
    code: 69,
    meaning: 'A service is not there: a broker or server that does not answer, a missing package.',
  },
  lost: {
    code: 74,
    meaning:
      'A gateway has ended as it was asked to, but its database failed: rows of the run could not be ' +
      'written.',
  },
  configuration: {
    code: 78,
    meaning: 'The configuration is wrong: an unknown option or source, a bad value, bad credentials.',
  },
  interrupted: { code: 130, meaning: 'A second SIGINT (Ctrl-C) ended a gateway before it had drained.' },
  terminated: { code: 143, meaning: 'A second SIGTERM did.' },
} as const;

export type ExitReason = keyof typeof EXIT_CODES;

/** Errors that do not simply mean "failed". */
const REASON_OF_ERROR: Partial<Record<ErrorCode, ExitReason>> = {
  HG_OPTION_UNKNOWN: 'configuration',
  HG_OPTION_INVALID: 'configuration',
  HG_SOURCE_DUPLICATE: 'configuration',
  HG_SOURCE_NO_STREAM: 'configuration',
  HG_LINK_UNAUTHORISED: 'configuration',
  HG_QUERY_INVALID: 'usage',
  HG_EXPRESSION_INVALID: 'configuration',
  HG_MODULE_FAILED: 'configuration',
  HG_CONFIG_INVALID: 'configuration',
  HG_CONFIG_EXISTS: 'configuration',
  HG_ROWS_LOST: 'lost',
  HG_DECODE_FAILED: 'badData',
  HG_RECORD_DAMAGED: 'badData',
  HG_STORAGE_NOT_A_DATABASE: 'badData',
  HG_STORAGE_CORRUPT: 'badData',
  HG_STORAGE_VERSION: 'badData',
  HG_LINK_REFUSED: 'unavailable',
  HG_LINK_LOST: 'unavailable',
  HG_LINK_TIMEOUT: 'unavailable',
  HG_SOURCE_CONNECT_TIMEOUT: 'unavailable',
  HG_PEER_MISSING: 'unavailable',
  HG_HTTP_EXPOSED: 'configuration',
  HG_HTTP_LISTEN: 'unavailable',
};

export function exitReasonOf(code: ErrorCode): ExitReason {
  return REASON_OF_ERROR[code] ?? 'failed';
}
