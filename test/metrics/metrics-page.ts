/** The page docs/metrics.md, its table made of the metrics in the code. Where they have changed:
 *  `npx node test/metrics/metrics-page.ts > docs/metrics.md`. */

import { LIMITS } from '../../src/domain/limits.ts';
import { METRIC_DEFINITIONS } from '../../src/metrics/metrics.ts';

const INTRODUCTION = `# Metrics

A gateway answers \`GET /metrics\` in Prometheus' text format. Where tokens are configured, Prometheus needs one with the
scope \`read\`:

\`\`\`yaml
scrape_configs:
  - job_name: headgate
    authorization: { credentials_file: /etc/prometheus/headgate-token }
    static_configs: [ { targets: [ 'gateway:8484' ] } ]
\`\`\`

[deploy/alerts.yml](deploy/alerts.yml) holds alerting rules, with their tests in
[deploy/alerts-test.yml](deploy/alerts-test.yml).
[deploy/grafana-dashboard.json](deploy/grafana-dashboard.json) is a dashboard: in Grafana choose *Dashboards, New, Import*,
and the Prometheus that scrapes the gateways.

Seen with Prometheus 2.42, which scraped a gateway of three sources and a sink every 2 s for 75 s: 35 scrapes, all of them good,
135 samples each; all 16 rules were evaluated without an error and none fired. One was pending, since one of the sources was
made to fail at every twentieth reading.

## What to know of them

- **Counters only rise.** They begin at 0 when the engine starts, which \`headgate_engine_start_time_seconds\` tells;
  those of the process and of HTTP begin with \`process_start_time_seconds\`. A reload does not set them back: the
  engine adds up what all incarnations of a source or a sink come to, so that whatever is changed between two scrapes,
  nothing is missing. Who is deregistered is told of until ${LIMITS.endedSourcesKept.toLocaleString('en')} others have ended after it, and counts on where it
  comes back until then.
- **Errors are counted by code,** one of those in [errors.md](errors.md) (anything else is \`OTHER\`). A series begins
  with the first error of its code, which \`rate\` and \`increase\` therefore do not see.
- **Series are bounded.** At most ${LIMITS.metricsSourcesMax.toLocaleString('en')} sources and ${LIMITS.metricsSinksMax} sinks have series of their own; the rest is summed up in
  one called \`_other\`. So are requests of more than ${LIMITS.metricsRoutesMax} routes, and alerts of more than ${LIMITS.alertEventsCountedMax} different events, as
  \`OTHER\`. A source that works has its series before one that has ended.
- **States.** \`headgate_source_state\` and \`headgate_sink_state\` exist for the state that holds and no other:
  \`count by (state) (headgate_source_state)\`, \`headgate_source_state{state="quarantined"}\`. The engine and the rate
  limit have a series for each state, which says 1 or 0.
- **Ages are measured by the gateway,** not taken from timestamps: its clock may differ from that of Prometheus.
- **A metric without a value is left out,** not shown as 0 or NaN: the age of a last read before the first, a limit
  where none is set.
- **Labels carry ids, types, states and codes,** never addresses, payloads or messages.
- The event loop's figures are those of a window of ten seconds at least; all who ask within ten seconds see the same.

## By OTLP

With \`metrics.otlp\` in the configuration the same metrics, of the same names, are sent to an OpenTelemetry collector,
as JSON over HTTP:

\`\`\`yaml
metrics:
  otlp: { url: 'http://collector:4318/v1/metrics', intervalMs: 10000 }
\`\`\`

It needs packages that are not installed with Headgate:

<!-- not run: it installs packages -->
\`\`\`sh
npm install @opentelemetry/sdk-metrics @opentelemetry/resources @opentelemetry/exporter-metrics-otlp-http
\`\`\`

A collector that does not answer costs a line of the log and \`headgate_otlp_export_failures_total\`; nothing is kept for it,
since counters go on counting. The last values are sent when the gateway has drained; they are waited for two seconds at
most, and never beyond \`engine.stopDeadlineMs\`.

## All of them

| metric | type | labels | what it says |
|---|---|---|---|`;

export function metricsPage(): string {
  const rows = METRIC_DEFINITIONS.map(({ name, type, labels, help }) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${shown} | ${help} |`;
  });
  return `${INTRODUCTION}\n${rows.join('\n')}\n`;
}

if (import.meta.main) process.stdout.write(metricsPage());
