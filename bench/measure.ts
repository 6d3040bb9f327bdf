/** The program that a measurement runs in: `node --expose-gc bench/measure.ts NAME ARGUMENTS-AS-JSON`. Prints
 *  what was measured as JSON. */

import { measureBurstDemo } from './measurements/burst-demo.ts';
import { measureChurn } from './measurements/churn.ts';
import { measureExpressions } from './measurements/expressions.ts';
import { measureHistory } from './measurements/history.ts';
import { measureHttpIngest } from './measurements/http-ingest.ts';
import { measureIdle } from './measurements/idle.ts';
import { measureConfigReading, measureReload } from './measurements/large-config.ts';
import { measureLatency } from './measurements/latency.ts';
import { measureMetricsRender } from './measurements/metrics-render.ts';
import { measureMqttFlow } from './measurements/mqtt-flow.ts';
import { measureNodeRed } from './measurements/node-red.ts';
import { measureObserverCost } from './measurements/observer-cost.ts';
import { measurePipeline } from './measurements/pipeline.ts';
import { measurePush } from './measurements/push.ts';
import { measureRegistration } from './measurements/registration.ts';
import { measureRunDuration } from './measurements/run-duration.ts';
import { measureSinks } from './measurements/sinks.ts';
import { measureSourceBytes } from './measurements/source-bytes.ts';
import { measureSteady } from './measurements/steady.ts';
import { measureStopBesideCollector } from './measurements/stop-beside-collector.ts';
import { measureTimelineRows } from './measurements/timeline-rows.ts';
import { measureWsFlood } from './measurements/ws-flood.ts';
import { measureWsIngest } from './measurements/ws-ingest.ts';

const MEASUREMENTS = {
  burstDemo: measureBurstDemo,
  churn: measureChurn,
  configReading: measureConfigReading,
  expressions: measureExpressions,
  history: measureHistory,
  httpIngest: measureHttpIngest,
  idle: measureIdle,
  latency: measureLatency,
  metricsRender: measureMetricsRender,
  mqttFlow: measureMqttFlow,
  nodeRed: measureNodeRed,
  observerCost: measureObserverCost,
  pipeline: measurePipeline,
  push: measurePush,
  registration: measureRegistration,
  reload: measureReload,
  runDuration: measureRunDuration,
  sinks: measureSinks,
  sourceBytes: measureSourceBytes,
  steady: measureSteady,
  stopBesideCollector: measureStopBesideCollector,
  timelineRows: measureTimelineRows,
  wsFlood: measureWsFlood,
  wsIngest: measureWsIngest,
};

export type Measurements = typeof MEASUREMENTS;
export type MeasurementName = keyof Measurements;

const [name = '', args = '[]'] = process.argv.slice(2);
const measurement = (MEASUREMENTS as Record<string, (...values: never[]) => Promise<unknown>>)[name];
if (measurement === undefined) throw new Error(`no measurement is called "${name}"`);
const figures = await measurement(...(JSON.parse(args) as never[]));
process.stdout.write(`${JSON.stringify(figures)}\n`);
