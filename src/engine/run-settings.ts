/** What a run goes by and can be changed while it is on: rate limit and burst detection. (Stages are the
 *  plane's.) */

import type { BurstOptions } from '../pipeline/burst-window.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import type { RateLimitOptions } from '../domain/source.ts';

type Burst = NonNullable<EngineOptions['burst']>;

/** How a burst is found, and who is told. */
export type BurstSettings = BurstOptions & Pick<Burst, 'onBurst'>;

export function burstSettings(burst: Burst | null): BurstSettings | null {
  return burst === null ? null : { ...burst, clearRecords: burst.clearRecords ?? burst.thresholdRecords };
}

export class RunSettings {
  rateLimit: RateLimitOptions | null;
  burst: BurstSettings | null;

  constructor({ rateLimit, burst }: Pick<EngineOptions, 'rateLimit' | 'burst'>) {
    this.rateLimit = rateLimit;
    this.burst = burstSettings(burst);
  }

  /** For all sources together. */
  get globalLimit(): RateLimitOptions | null {
    return this.rateLimit?.scope === 'global' ? this.rateLimit : null;
  }

  /** For each source that has none of its own. */
  get sourceLimit(): RateLimitOptions | null {
    return this.rateLimit?.scope === 'source' ? this.rateLimit : null;
  }
}
