/** Node's diagnostic reports, which an operator may have asked for in NODE_OPTIONS, show the environment, and
 *  by it come the secrets of a gateway: reports are written without. */

import type { Logger } from '../domain/logger.ts';

/** What of `process.report` is needed. */
export interface ReportOptions {
  excludeEnv: boolean;
  reportOnFatalError: boolean;
}

/** The threads of the storage see to their own part of a report. */
export function keepEnvironmentOutOf(report: ReportOptions, log: Logger): void {
  const isToldByFlag = report.excludeEnv;
  report.excludeEnv = true;
  // Of a fatal error, such as memory that has run out, Node asks the flag alone.
  if (isToldByFlag || !report.reportOnFatalError) return;
  report.reportOnFatalError = false;
  const next = 'give Node --report-exclude-env as well, where --report-on-fatalerror is given';
  log.warn({ next }, 'no report is written of a fatal error: it would show the environment, and its secrets');
}
