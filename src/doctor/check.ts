/** What the doctor looks at, one thing at a time, and what it finds. A check that takes too long, or throws,
 *  is a finding like any other: nothing holds the doctor up. */

import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';

export type Level = 'ok' | 'warning' | 'problem';

/** What a check has to say. */
export interface Verdict {
  readonly level: Level;
  /** What is the case, as a sentence about its subject. Never a secret. */
  readonly message: string;
  /** What to do about it; null where nothing has to be done. */
  readonly remedy: string | null;
  /** Said of a service, and yet a matter of this machine's configuration: credentials that are refused. */
  readonly isOurFault?: true;
}

export interface Check {
  /** What is looked at: `disk`, `source plc-7`. */
  readonly subject: string;
  /** It lies beyond this machine and its configuration: a broker, a server. */
  readonly isService: boolean;
  /** Looks. `signal` aborts when nobody waits any more. */
  readonly run: (signal: AbortSignal) => Promise<Verdict> | Verdict;
}

export interface Finding {
  readonly subject: string;
  readonly level: Level;
  readonly message: string;
  readonly remedy: string | null;
  readonly isService: boolean;
  readonly tookMs: number;
}

/** The longest a check may take. */
export const CHECK_MS_MAX = 5_000;
/** As many look at the same time: more would measure each other. */
const CHECKS_AT_ONCE = 8;

export const ok = (message: string): Verdict => ({ level: 'ok', message, remedy: null });
export const warning = (message: string, remedy: string): Verdict => ({ level: 'warning', message, remedy });
export const problem = (message: string, remedy: string): Verdict => ({ level: 'problem', message, remedy });

/** Runs all of them, and tells what they found in their order. Never rejects. */
export async function runChecks(
  checks: readonly Check[],
  clock: Clock,
  timeoutMs = CHECK_MS_MAX,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const waiting = checks.entries();
  const work = async () => {
    for (const [index, check] of waiting) findings[index] = await runCheck(check, clock, timeoutMs);
  };
  await Promise.all(Array.from({ length: CHECKS_AT_ONCE }, work));
  return findings;
}

async function runCheck(
  { subject, isService, run }: Check,
  clock: Clock,
  timeoutMs: number,
): Promise<Finding> {
  const beganMs = clock.monotonicMs();
  const end = new AbortController();
  const late = clock
    .sleep(timeoutMs, end.signal)
    .then(() =>
      problem(
        `did not come to an end within ${timeoutMs} ms`,
        'see why it hangs: a disk, a network, a server',
      ),
    );
  const { isOurFault, ...verdict } = await Promise.race([looked(run, end.signal), late]);
  end.abort();
  const tookMs = Math.round(clock.monotonicMs() - beganMs);
  return { subject, ...verdict, isService: isService && isOurFault !== true, tookMs };
}

async function looked(run: Check['run'], signal: AbortSignal): Promise<Verdict> {
  try {
    return await run(signal);
  } catch (error) {
    return problem(messageOf(error), 'see what the message says');
  }
}
