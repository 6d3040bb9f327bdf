/** Sends the metrics to a collector every so often, by OTLP over HTTP, as JSON. A collector that is not there
 *  costs a counter and one line of the log; no export is begun before the last one has ended, and nothing is
 *  kept for later: what counts goes on counting. */

import type { Agent } from 'node:http';
import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import { VERSION } from '../version.ts';
import type { OtlpCounts } from './metric.ts';
import { METRIC_DEFINITIONS, type Metrics } from './metrics.ts';
import { resourceMetricsOf } from './otlp-data.ts';
import { loadOtlp, type LoadPackage } from './otlp-peer.ts';

export interface OtlpOptions {
  /** Where metrics are taken: `http://collector:4318/v1/metrics`. */
  readonly url: string;
  readonly intervalMs: number;
  /** How long an export may take, repetitions included. */
  readonly timeoutMs?: number;
  /** Sent with each export: tokens, tenants. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `service.name`, and whatever else tells this gateway from others. */
  readonly resource?: Readonly<Record<string, string>>;
}

export interface OtlpDeps {
  /** What is sent; it tells of the sending, too. */
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly load?: LoadPackage;
}

export interface OtlpExport {
  readonly counts: () => OtlpCounts;
  /** Sends what is counted by now and ends, soon and within `deadlineMs`: whatever is not sent by then is
   *  given up. Never rejects. */
  close(options: { readonly deadlineMs: number }): Promise<void>;
}

const TIMEOUT_MS = 10_000;
/** An end waits no longer for a collector, whatever its deadline: a restart should not. */
const LAST_EXPORT_MS_MAX = 1_000;

/** @throws HeadgateError HG_PEER_MISSING */
export async function startOtlpExport(options: OtlpOptions, deps: OtlpDeps): Promise<OtlpExport> {
  const { url, intervalMs, timeoutMs = TIMEOUT_MS, headers = {}, resource: attributes = {} } = options;
  const { metrics, clock, log } = deps;
  const otlp = await loadOtlp(deps.load);
  let agent: Agent | null = null;
  const connect = async (protocol: string) => {
    const { Agent } = await import(protocol === 'https:' ? 'node:https' : 'node:http');
    agent = new Agent({ keepAlive: true }) as Agent;
    return agent;
  };
  const exporter = new otlp.exporter.OTLPMetricExporter({
    url,
    headers: { ...headers },
    timeoutMillis: timeoutMs,
    httpAgentOptions: connect,
  });
  const service = { 'service.name': 'headgate', 'service.version': VERSION };
  const resource = otlp.resources.resourceFromAttributes({ ...service, ...attributes });
  const end = new AbortController();
  let [exports, failures] = [0, 0];
  let isFailing = false;

  const send = () =>
    new Promise<void>((resolve, reject) => {
      const sent = resourceMetricsOf(METRIC_DEFINITIONS, metrics.gather(), otlp, resource, VERSION);
      exporter.export(sent, (result) => {
        // ExportResultCode.SUCCESS of @opentelemetry/core.
        if (result.code === 0) resolve();
        else reject(result.error ?? new Error('the collector refused'));
      });
    });

  const exportOnce = async () => {
    try {
      await send();
      exports++;
      if (isFailing) log.info({ failures }, 'the collector takes metrics again');
      isFailing = false;
    } catch (error) {
      failures++;
      const advice = 'metrics cannot be exported; see that the collector of metrics.otlp is there';
      if (!isFailing) log.warn({ collector: placeOf(url), reason: messageOf(error) }, advice);
      isFailing = true;
    }
  };

  const run = async () => {
    while (!end.signal.aborted) {
      await exportOnce();
      await clock.sleep(intervalMs, end.signal);
    }
    await exportOnce();
  };
  const counts = () => ({ exports, failures });
  metrics.watchOtlp(counts);
  const finished = run();

  return {
    counts,
    async close({ deadlineMs }) {
      end.abort();
      const late = new AbortController();
      // One that is under way, and the last one.
      const isSent = await Promise.race([
        finished.then(() => true),
        clock.sleep(Math.min(deadlineMs, LAST_EXPORT_MS_MAX), late.signal).then(() => false),
      ]);
      late.abort();
      if (!isSent)
        log.warn({ collector: placeOf(url) }, 'the collector did not take the last metrics in time');
      // A request that is still unanswered does not keep the process.
      if (agent !== null) unrefSockets(agent);
      void exporter.shutdown().catch(() => {});
    },
  };
}

function unrefSockets({ sockets, freeSockets }: Agent): void {
  for (const list of [...Object.values(sockets), ...Object.values(freeSockets)]) {
    for (const socket of list ?? []) socket.unref();
  }
}

/** Without what may be secret: names, passwords, queries. */
function placeOf(url: string): string {
  return URL.parse(url)?.origin ?? 'unknown';
}
