/** The program that a measurement runs in: `node --expose-gc bench/measure.ts NAME ARGUMENTS-AS-JSON`. Prints
 *  what was measured as JSON. Only the measurement's own module is loaded: what the others hold would count
 *  as its memory, and slow its collections. */

const MEASUREMENTS = {
  burstDemo: async () => (await import('./measurements/burst-demo.ts')).measureBurstDemo,
  churn: async () => (await import('./measurements/churn.ts')).measureChurn,
  configReading: async () => (await import('./measurements/large-config.ts')).measureConfigReading,
  expressions: async () => (await import('./measurements/expressions.ts')).measureExpressions,
  history: async () => (await import('./measurements/history.ts')).measureHistory,
  httpIngest: async () => (await import('./measurements/http-ingest.ts')).measureHttpIngest,
  idle: async () => (await import('./measurements/idle.ts')).measureIdle,
  latency: async () => (await import('./measurements/latency.ts')).measureLatency,
  metricsRender: async () => (await import('./measurements/metrics-render.ts')).measureMetricsRender,
  mqttFlow: async () => (await import('./measurements/mqtt-flow.ts')).measureMqttFlow,
  nodeRed: async () => (await import('./measurements/node-red.ts')).measureNodeRed,
  observerCost: async () => (await import('./measurements/observer-cost.ts')).measureObserverCost,
  pipeline: async () => (await import('./measurements/pipeline.ts')).measurePipeline,
  push: async () => (await import('./measurements/push.ts')).measurePush,
  registration: async () => (await import('./measurements/registration.ts')).measureRegistration,
  reload: async () => (await import('./measurements/large-config.ts')).measureReload,
  runDuration: async () => (await import('./measurements/run-duration.ts')).measureRunDuration,
  sinks: async () => (await import('./measurements/sinks.ts')).measureSinks,
  sourceBytes: async () => (await import('./measurements/source-bytes.ts')).measureSourceBytes,
  steady: async () => (await import('./measurements/steady.ts')).measureSteady,
  stopBesideCollector: async () =>
    (await import('./measurements/stop-beside-collector.ts')).measureStopBesideCollector,
  timelineRows: async () => (await import('./measurements/timeline-rows.ts')).measureTimelineRows,
  wsFlood: async () => (await import('./measurements/ws-flood.ts')).measureWsFlood,
  wsIngest: async () => (await import('./measurements/ws-ingest.ts')).measureWsIngest,
};

export type Measurements = {
  readonly [Name in keyof typeof MEASUREMENTS]: Awaited<ReturnType<(typeof MEASUREMENTS)[Name]>>;
};
export type MeasurementName = keyof Measurements;

const [name = '', args = '[]'] = process.argv.slice(2);
const loaders = MEASUREMENTS as Record<string, () => Promise<(...values: never[]) => Promise<unknown>>>;
const loader = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
if (loader === undefined) throw new Error(`no measurement is called "${name}"`);
const measurement = await loader();
const figures = await measurement(...(JSON.parse(args) as never[]));
process.stdout.write(`${JSON.stringify(figures)}\n`);
