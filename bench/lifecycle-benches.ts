/** The benchmarks of start and end: figures that only the real clock can give. */

import { inTurn, type Bench } from './bench.ts';
import { measureInChild } from './child.ts';
import { againstBound } from './result.ts';

const RUN_MS = 1_000;

const runDuration: Bench = {
  name: 'run-duration',
  rows: ['run-duration'],
  async measure(runs) {
    const offsMs = await measureInChild('runDuration', runs, RUN_MS);
    return [againstBound('run-duration', 'ms', offsMs, 20)];
  },
};

const stopBesideCollector: Bench = {
  name: 'stop-beside-collector',
  rows: ['stop-beside-collector'],
  async measure(runs) {
    const [stopMs] = await inTurn(runs, () => measureInChild('stopBesideCollector'));
    return [againstBound('stop-beside-collector', 'ms', stopMs, 2_000)];
  },
};

export const LIFECYCLE_BENCHES: readonly Bench[] = [runDuration, stopBesideCollector];
