/** The metrics of a gateway, and their export where it is asked for. They begin before the engine, so that a
 *  collector sees one that takes long to open its database, and end after it: what is sent last tells of the
 *  drain, and a collector that hangs takes none of the drain's time. */

import { dirname } from 'node:path';
import { isInMemory } from '../../storage/file/database-path.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Engine } from '../engine/engine.ts';
import type { ReloadFacts } from '../metrics/metric.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { startOtlpExport, type OtlpExport } from '../metrics/otlp-export.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { LivePart } from './live-part.ts';
import type { Reloader } from './reload.ts';
import { Replaceable } from './replaceable.ts';

export interface OpenMetricsOptions {
  readonly engine: Engine;
  readonly reloads: Reloader;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the process was started with. */
  readonly started: GatewayConfig;
  /** How long closing may take, milliseconds; asked when it begins. */
  readonly closeMs: () => number;
}

export interface OpenMetrics {
  readonly metrics: Metrics;
  /** The export, which can be changed. @throws HeadgateError HG_PEER_MISSING where it is. */
  readonly exported: LivePart<GatewayConfig['metrics']['otlp']>;
}

/** How long the export before may take to send its last. */
const LAST_EXPORT_MS = 1_000;

/** Adds the metrics to `parts`. @throws HeadgateError HG_PEER_MISSING */
export async function openMetrics(
  { engine, reloads, clock, log, started, closeMs }: OpenMetricsOptions,
  parts: AsyncDisposableStack,
): Promise<OpenMetrics> {
  const { path } = started.storage;
  const metrics = createMetrics({
    ...{ clock, stats: () => engine.stats(), reload: () => reloadFactsOf(reloads) },
    storageFolder: isInMemory(path) ? null : dirname(path),
  });
  parts.defer(() => metrics.close());
  let isEnding = false;
  const inUse = new Replaceable<OtlpExport>({
    end: (exported) => exported.close({ deadlineMs: isEnding ? closeMs() : LAST_EXPORT_MS }),
  });
  parts.defer(async () => {
    isEnding = true;
    await inUse[Symbol.asyncDispose]();
  });
  const put = async (otlp: GatewayConfig['metrics']['otlp']) => {
    const next = otlp === null ? null : await startOtlpExport(otlp, { metrics, clock, log });
    if (next === null) metrics.watchOtlp(null);
    inUse.replace(next);
  };
  const { otlp } = started.metrics;
  await put(otlp);
  return { metrics, exported: new LivePart('metrics', otlp, put) };
}

/** What the metrics tell of reloads. */
function reloadFactsOf({ version, running, last, counts }: Reloader): ReloadFacts {
  const isSuccess = last?.outcome === 'applied' || last?.outcome === 'unchanged';
  return {
    ...{ version, digest: running.digest, counts },
    last: last === null ? null : { atMs: last.atMs, isSuccess },
  };
}
