/** Times on the command line. */

import { RELATIVE_TIME } from '../domain/time-text.ts';

export { parseTime, TIME_FORMS } from '../domain/time-text.ts';

/** `-10m` would be taken for an option where it stands alone; `now-10m` means the same and is not. */
export function protectRelativeTime(argument: string): string {
  return argument.startsWith('-') && RELATIVE_TIME.test(argument) ? `now${argument}` : argument;
}
