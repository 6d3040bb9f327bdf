import { describe, test } from 'vitest';
import { sourceConformance } from '../../../src/testing/source-conformance.ts';
import {
  generatorKit,
  promiseKit,
  pushKit,
  simulatedKit,
  simulatedStreamKit,
} from '../../support/conformance-kits.ts';

const KITS = [
  simulatedKit('a simulated source with an interval', { intervalMs: 2, jitterMs: 3 }),
  simulatedKit('a simulated source with bursts', { burst: { recordsMin: 3, recordsMax: 5, gapMs: 5 } }),
  simulatedStreamKit,
  pushKit,
  generatorKit,
  promiseKit,
];

describe.each(KITS)('$name', (kit) => {
  for (const { title, run } of sourceConformance(kit)) test(title, run);
});
