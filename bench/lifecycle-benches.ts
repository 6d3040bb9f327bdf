/** The benchmarks of a process's life: start, end, reload and questions about it. They need the real clock.
 */

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

const CONFIGURED_SOURCES = 15_000;
const RELOADS_MAX = 5;

const largeConfig: Bench = {
  name: 'config-15k',
  rows: ['config-15k', 'reload-15k-healthz'],
  async measure(runs) {
    const readMs = await measureInChild('configReading', runs, CONFIGURED_SOURCES);
    const reload = () => measureInChild('reload', CONFIGURED_SOURCES);
    const [reloads] = await inTurn(Math.min(runs, RELOADS_MAX), reload);
    const worstMs = reloads.map((one) => one.worstMs);
    return [
      againstBound('config-15k', 'ms', readMs, 1_000),
      againstBound('reload-15k-healthz', 'ms', worstMs, 100),
    ];
  },
};

const metricsRender: Bench = {
  name: 'metrics-render',
  rows: ['metrics-render'],
  async measure(runs) {
    return [againstBound('metrics-render', 'ms', await measureInChild('metricsRender', runs), 50)];
  },
};

export const LIFECYCLE_BENCHES: readonly Bench[] = [
  runDuration,
  stopBesideCollector,
  largeConfig,
  metricsRender,
];
