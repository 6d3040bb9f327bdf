/** The examination: this machine, the disk, the database, what the configuration leads to, the clock. */

import { dirname, resolve } from 'node:path';
import type { Clock } from '../domain/clock.ts';
import { CHECK_MS_MAX, runChecks, type Check, type Finding } from './check.ts';
import { clockChecks, readClock } from './clock-checks.ts';
import { databaseChecks } from './database-checks.ts';
import { diskChecks } from './disk-checks.ts';
import { linkChecks, type ForeignTime } from './link-checks.ts';
import type { Link } from './links.ts';
import { machineFacts, runtimeChecks } from './runtime-checks.ts';

export interface Examined {
  /** The database of the gateway; null where there is none to look at. */
  readonly database: string | null;
  readonly links: readonly Link[];
  /** Checks of the caller, which come first. */
  readonly first?: readonly Check[];
}

/** Looks at everything, each thing within `timeoutMs`. Never rejects. */
export async function runDoctorChecks(
  { database, links, first = [] }: Examined,
  clock: Clock,
  timeoutMs: number = CHECK_MS_MAX,
): Promise<Finding[]> {
  const since = readClock(clock);
  const times: ForeignTime[] = [];
  const ofDatabase =
    database === null
      ? []
      : [...diskChecks(dirname(resolve(database)), clock), ...databaseChecks(database, clock)];
  const checks = [
    ...first,
    ...runtimeChecks(machineFacts(), links.length),
    ...ofDatabase,
    ...linkChecks(links, clock, (time) => times.push(time)),
  ];
  const findings = await runChecks(checks, clock, timeoutMs);
  return [...findings, ...(await runChecks(clockChecks(clock, since, times), clock, timeoutMs))];
}
