/** One rule of the contract, as the suite puts it to the test. */

import type { ConformanceHarness } from './conformance-harness.ts';
import type { ConformanceAbility } from './conformance-kit.ts';

export interface ConformanceRule {
  /** A sentence about a source. */
  readonly title: string;
  /** Left out where the kit does not declare all of these. Default: none. */
  readonly needs?: readonly ConformanceAbility[];
  readonly run: (bench: ConformanceHarness) => Promise<void>;
}
