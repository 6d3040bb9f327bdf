/** The metrics of a gateway, and their export where it is asked for. They begin before the engine, so that a
 *  collector sees one that takes long to open its database, and end after it: what is sent last tells of the
 *  drain, and a collector that hangs takes none of the drain's time. */

import { dirname } from 'node:path';
import { isInMemory } from '../../storage/file/database-path.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Engine } from '../engine.ts';
import type { ReloadFacts } from '../metrics/metric.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { startOtlpExport } from '../metrics/otlp-export.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import type { Reloader } from './reload.ts';

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

/** Adds the metrics to `parts`. @throws HeadgateError HG_PEER_MISSING */
export async function openMetrics(
  { engine, reloads, clock, log, started, closeMs }: OpenMetricsOptions,
  parts: AsyncDisposableStack,
): Promise<Metrics> {
  const { path } = started.storage;
  const metrics = createMetrics({
    ...{ clock, stats: () => engine.stats(), reload: () => reloadFactsOf(reloads) },
    storageFolder: isInMemory(path) ? null : dirname(path),
  });
  parts.defer(() => metrics.close());
  const { otlp } = started.metrics;
  if (otlp === null) return metrics;
  const exported = await startOtlpExport(otlp, { metrics, clock, log });
  parts.defer(() => exported.close({ deadlineMs: closeMs() }));
  return metrics;
}

/** What the metrics tell of reloads. */
function reloadFactsOf({ version, running, last, counts }: Reloader): ReloadFacts {
  const isSuccess = last?.outcome === 'applied' || last?.outcome === 'unchanged';
  return {
    ...{ version, digest: running.digest, counts },
    last: last === null ? null : { atMs: last.atMs, isSuccess },
  };
}
