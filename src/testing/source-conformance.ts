/** The conformance suite: what every kind of source owes, as cases that any test runner can run. They use an
 *  engine as a user does and look at nothing but what the contract names: records, health, dead letters, the
 *  timeline. */

import { ConformanceHarness } from './conformance-harness.ts';
import type { ConformanceKit } from './conformance-kit.ts';
import { LEAK_RULES } from './conformance-leaks.ts';
import { LIFECYCLE_RULES } from './conformance-lifecycle.ts';
import { LINK_RULES } from './conformance-link.ts';
import { PRESSURE_RULES } from './conformance-pressure.ts';
import { STREAMING_RULES } from './conformance-streaming.ts';

export interface ConformanceCase {
  /** A sentence about the source. */
  readonly title: string;
  /** Opens a far end of its own, and closes it. @throws ConformanceFailure where the source breaks the
   *  contract. */
  readonly run: () => Promise<void>;
}

const RULES = [...STREAMING_RULES, ...PRESSURE_RULES, ...LIFECYCLE_RULES, ...LINK_RULES, ...LEAK_RULES];

/** The cases for a kind of source, by what it declares. They do not disturb each other, but are not to run at
 *  the same time: they count what is open in the process.
 *
 *  @example
 *  describe('my source', () => {
 *    for (const { title, run } of sourceConformance(kit)) test(title, run);
 *  }); */
export function sourceConformance(kit: ConformanceKit): ConformanceCase[] {
  return RULES.filter(({ needs = [] }) => needs.every((ability) => kit.declares.has(ability))).map(
    ({ title, run }) => ({ title, run: () => ConformanceHarness.use(kit, run) }),
  );
}
