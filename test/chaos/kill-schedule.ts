/** When the engine is killed: drawn from the seed alone, so that a seed names the same moments again. */

import { seededRandom } from '../../src/domain/random.ts';

export type KillMoment =
  /** So long after the start of the process: where that is early, in the middle of its recovery. */
  | { readonly after: 'start'; readonly ms: number }
  /** So long after it said that it runs. */
  | { readonly after: 'boot'; readonly ms: number }
  /** When so many transactions were seen in the file since the start. */
  | { readonly after: 'commits'; readonly count: number }
  /** When the proxy has seen so many PUBACKs since the start. */
  | { readonly after: 'acks'; readonly count: number };

export interface TimeRange {
  readonly minMs: number;
  readonly maxMs: number;
}

export const KILL_AFTER: TimeRange = { minMs: 200, maxMs: 1_500 };
const COMMITS_MAX = 40;
/** Per millisecond of the longest time. */
const ACKS_PER_MS = 0.4;

/** Half of the moments are times, within `range` from the start or from the boot; the other half lies right
 *  at a commit or at an acknowledgement. */
export function killSchedule(seed: number, rounds: number, range: TimeRange = KILL_AFTER): KillMoment[] {
  const random = seededRandom(`kills:${seed}`);
  return Array.from({ length: rounds }, (): KillMoment => {
    const kind = random.next();
    if (kind < 0.25) return { after: 'start', ms: random.integer(range.minMs, range.maxMs) };
    if (kind < 0.5) return { after: 'boot', ms: random.integer(0, range.maxMs - range.minMs) };
    if (kind < 0.75) return { after: 'commits', count: random.integer(1, COMMITS_MAX) };
    return { after: 'acks', count: random.integer(1, Math.ceil(range.maxMs * ACKS_PER_MS)) };
  });
}

export function describeMoment(moment: KillMoment): string {
  if (moment.after === 'start' || moment.after === 'boot') return `${moment.ms} ms after the ${moment.after}`;
  return `after ${moment.count} ${moment.after}`;
}
