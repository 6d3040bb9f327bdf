/** How long to wait before trying again: one policy for every part that waits. */

export interface BackoffPolicy {
  readonly kind: 'constant' | 'linear' | 'exponential';
  /** The first wait, milliseconds. */
  readonly initialMs: number;
  /** No wait is longer, jitter included. */
  readonly maxMs: number;
  /** Growth per attempt of the exponential kind. */
  readonly factor: number;
  /** `none`; `tenth`: within ±10 %; `full`: anywhere between 0 and the wait (AWS Architecture Blog, 2015). */
  readonly jitter: 'none' | 'tenth' | 'full';
}

export const DEFAULT_BACKOFF: BackoffPolicy = {
  kind: 'exponential',
  initialMs: 100,
  maxMs: 30_000,
  factor: 2,
  jitter: 'tenth',
};

/** How long a circuit stays open, milliseconds: never longer than `coolDownMs`; by the jitter of the backoff
 *  up to a tenth less, or up to half, so that many that failed in one instant do not come back in one. */
export function coolDownWaitMs(coolDownMs: number, jitter: BackoffPolicy['jitter'], random: number): number {
  return Math.round(coolDownMs * (1 - COOL_DOWN_SPREAD[jitter] * random));
}

const COOL_DOWN_SPREAD = { none: 0, tenth: 0.1, full: 0.5 } as const;

/** The wait before attempt `attempt` (the first retry is 1), in milliseconds. `random` is a random number in
 *  [0, 1): chance is handed in, so that whoever decides stays a pure function. */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const step = Math.max(1, attempt);
  const base =
    policy.kind === 'constant'
      ? policy.initialMs
      : policy.kind === 'linear'
        ? policy.initialMs * step
        : policy.initialMs * policy.factor ** (step - 1);
  const capped = Math.min(base, policy.maxMs);
  const jittered =
    policy.jitter === 'none'
      ? capped
      : policy.jitter === 'full'
        ? capped * random
        : capped * (0.9 + 0.2 * random);
  return Math.round(Math.min(jittered, policy.maxMs));
}
