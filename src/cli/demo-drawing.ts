/** The reports of the demos, drawn: what happened, in tables and pictures. */

import type {
  BackpressureReport,
  BurstReport,
  BurstScenario,
  DemoReport,
  HealthReport,
  RegistryReport,
} from './demo-report.ts';
import { lanes, marks, timeAxis } from './demo-lanes.ts';
import { bar } from './demo-frame.ts';
import { indentedTable } from './source-lines.ts';
import type { Output } from './output.ts';
import { stateColour } from './readable.ts';
import type { Column } from './table.ts';

const INDENT = '  ';

/** The report as lines of text, without the database's path. */
export function drawReport(report: DemoReport, output: Output): string[] {
  switch (report.demo) {
    case 'health':
      return drawHealth(report, output);
    case 'backpressure':
      return drawBackpressure(report, output);
    case 'registry':
      return drawRegistry(report, output);
    case 'burst':
      return drawBurst(report, output);
  }
}

function drawHealth(report: HealthReport, output: Output): string[] {
  type Summary = HealthReport['healthSummaries'][number];
  const ids = report.sources.map((source) => source.sourceId);
  const summaryColumns: Column<Summary>[] = [
    { title: 'after', cell: (summary) => seconds(summary.atMs), align: 'right' },
    ...ids.map((id): Column<Summary> => {
      const of = (summary: Summary) => summary.sources.find((source) => source.sourceId === id);
      return {
        title: id,
        align: 'right',
        cell: (summary) => {
          const source = of(summary);
          if (source === undefined) return '-';
          const failed = source.consecutiveErrors > 0 ? ` (${source.consecutiveErrors})` : '';
          return `${source.recordsProduced}${failed}`;
        },
        style: (summary) => ((of(summary)?.consecutiveErrors ?? 0) > 0 ? 'yellow' : undefined),
      };
    }),
  ];
  const sourceColumns: Column<HealthReport['sources'][number]>[] = [
    { title: 'source', cell: (source) => source.sourceId },
    { title: 'type', cell: (source) => source.type },
    { title: 'state', cell: (source) => source.state, style: (source) => stateColour(source.state) },
    { title: 'records', cell: (source) => String(source.recordsProduced), align: 'right' },
    { title: 'restarts', cell: (source) => String(source.restarts), align: 'right' },
    {
      title: 'last error',
      cell: (source) => source.lastError?.code ?? '',
      style: () => 'dim',
      shrinks: true,
    },
  ];
  const produced = report.sources.reduce((sum, source) => sum + source.recordsProduced, 0);
  const totals = Object.entries(report.totalsByType).map(([type, records]) => `${type} ${records}`);
  return [
    heading('Records so far, failed reads in a row in brackets', output),
    ...indentedTable(summaryColumns, report.healthSummaries, output),
    heading('Sources at the end', output),
    ...indentedTable(sourceColumns, report.sources, output),
    '',
    fact('by type', totals.join(', ')),
    fact('drained', `${report.drained} from the queue, ${comparison(report.drained, produced, output)}`),
  ];
}

function comparison(drained: number, produced: number, output: Output): string {
  if (drained === produced) return output.style('green', 'all that was produced');
  return output.style('red', `${produced} were produced`);
}

function drawBackpressure(report: BackpressureReport, output: Output): string[] {
  type Printed = BackpressureReport['printed'][number];
  const { queueWaitMs } = report;
  const scaleMs = Math.max(1, queueWaitMs.max);
  const columns: Column<Printed>[] = [
    { title: 'record', cell: (item) => String(item.index), align: 'right' },
    { title: 'queue_wait_ms', cell: (item) => item.queueWaitMs.toFixed(1), align: 'right' },
    { title: '', cell: (item) => bar(item.queueWaitMs / scaleMs, 20), style: () => 'cyan' },
  ];
  return [
    heading('Every 10th record', output),
    ...indentedTable(columns, report.printed, output),
    '',
    fact('flow', flowText(report)),
    fact('queue', `at most ${report.highWater} of 10 in it`),
    fact(
      'queue wait',
      `average ${queueWaitMs.avg.toFixed(2)} ms, longest ${queueWaitMs.max.toFixed(1)} ms, ` +
        `${queueWaitMs.over5ms} over 5 ms`,
    ),
  ];
}

function flowText({ produced, passed, filtered, consumed }: BackpressureReport): string {
  return `${produced} read → ${passed} kept, ${filtered} filtered → ${consumed} consumed`;
}

const REGISTRY_MS = 5_000;

function drawRegistry(report: RegistryReport, output: Output): string[] {
  const drawn = lanes(report.timeline, REGISTRY_MS, laneCells(output));
  const nameWidth = Math.max(0, ...drawn.map((lane) => lane.sourceId.length));
  const lines = drawn.map((lane) => {
    const track = lane.track
      .replace(/─+/g, (line) => output.style('green', line))
      .replaceAll('+', output.style('bold', '+'))
      .replaceAll('×', output.style('red', '×'));
    const records = String(report.perSource[lane.sourceId] ?? 0);
    return `${lane.sourceId.padEnd(nameWidth)}  ${track}  ${records.padStart(5)}`;
  });
  const blank = ' '.repeat(nameWidth + 2);
  return [
    heading('Sources: + registered, ─ running, × deregistered; records at the right', output),
    ...indented([blank + output.style('dim', timeAxis(REGISTRY_MS, laneCells(output))), ...lines]),
    '',
    fact('timeline', planText(report.timeline)),
    fact('total', `${report.total} records`),
  ];
}

/** `0.0 s +a +b, 2.0 s -a`. */
function planText(timeline: RegistryReport['timeline']): string {
  const moments = new Map<string, string[]>();
  for (const { atMs, event, sourceId } of timeline) {
    const names = moments.get(seconds(atMs)) ?? [];
    names.push(`${event === 'registered' ? '+' : '-'}${sourceId}`);
    moments.set(seconds(atMs), names);
  }
  return [...moments].map(([moment, names]) => `${moment} ${names.join(' ')}`).join(', ');
}

const BURST_MS = 10_000;

function drawBurst(report: BurstReport, output: Output): string[] {
  return report.scenarios.flatMap((scenario) => drawScenario(scenario, output));
}

function drawScenario(scenario: BurstScenario, output: Output): string[] {
  type Alert = BurstScenario['alerts'][number];
  const columns: Column<Alert>[] = [
    { title: 'alert', cell: (alert) => alert.event, style: () => 'yellow' },
    { title: 'at, UTC', cell: (alert) => clockTime(alert.timestamp) },
    { title: 'source', cell: (alert) => alert.sourceId, shrinks: true },
    { title: 'records', cell: (alert) => String(alert.windowRecords), align: 'right' },
    { title: 'within', cell: (alert) => `${alert.windowDurationMs.toFixed(0)} ms`, align: 'right' },
    { title: 'rate/s', cell: (alert) => alert.rate?.toFixed(0) ?? '-', align: 'right' },
    { title: 'from', cell: (alert) => clockTime(alert.start).slice(3) },
    { title: 'to', cell: (alert) => clockTime(alert.end).slice(3) },
  ];
  const dropped = String(scenario.dropped);
  return [
    heading(`Limit ${scenario.limitPerSecond} records/s`, output),
    fact('ingested', String(scenario.ingested)),
    fact('dropped', scenario.dropped > 0 ? output.style('red', dropped) : dropped),
    fact('alerts', scenario.alerts.length === 0 ? 'none' : String(scenario.alerts.length)),
    ...burstLane(scenario, output),
    ...indentedTable(columns, scenario.alerts, output),
  ];
}

/** The alerts on the axis of the run, whose beginning is that of the first burst. */
function burstLane(scenario: BurstScenario, output: Output): string[] {
  const firstMs = scenario.alerts[0]?.start;
  if (firstMs === undefined) return [];
  const cells = laneCells(output);
  const times = scenario.alerts.map((alert) => alert.timestamp - firstMs);
  const track = marks(times, BURST_MS, cells, '!').replaceAll('!', output.style('yellow', '!'));
  return ['', INDENT + output.style('dim', timeAxis(BURST_MS, cells)), INDENT + track, ''];
}

function laneCells(output: Output): number {
  const columns = output.columns ?? 80;
  return Math.min(100, Math.max(30, columns - 24));
}

function heading(text: string, output: Output): string {
  return `\n${INDENT}${output.style('bold', text)}`;
}

function fact(name: string, value: string): string {
  return `${INDENT}${name.padEnd(11)} ${value}`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => INDENT + line);
}

export function seconds(ms: number, digits = 1): string {
  return `${(ms / 1_000).toFixed(digits)} s`;
}

/** The time of day, UTC, with milliseconds. */
function clockTime(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}
