/** A gateway while it runs, on one screen: how it is as a whole, its sources and sinks, the latest alerts. */

import { isBurstAlert, type Alert } from '../domain/alert.ts';
import type { SinkHealth } from '../domain/sink.ts';
import type { EngineStats } from '../engine/engine-stats.ts';
import type { Readiness } from '../gateway/gateway-control.ts';
import type { LiveScene } from './live.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import { readableDuration, readableTime, stateColour } from './readable.ts';
import { INDENT, indentedTable, sourceLines } from './source-lines.ts';
import type { Column } from './table.ts';

export interface GatewayFrame {
  readonly elapsedMs: number;
  readonly stats: EngineStats;
  readonly readiness: Readiness;
  /** The latest ones, the oldest first. */
  readonly alerts: readonly { readonly atMs: number; readonly text: string }[];
  /** Where things are: shown below. */
  readonly places: readonly (readonly [name: string, place: string])[];
}

/** How many alerts a screen has room for. */
export const ALERTS_SHOWN = 4;

export function gatewayLiveView(frame: GatewayFrame, output: Output): LiveScene {
  return { lines: () => gatewayLines(frame, output), progress: () => gatewayProgress(frame) };
}

export function gatewayLines(frame: GatewayFrame, output: Output): string[] {
  const { stats, readiness, alerts, places } = frame;
  const state = readiness.isReady
    ? output.style('green', 'ready')
    : output.style('yellow', `not ready: ${printable(readiness.reasons[0]?.message ?? stats.state)}`);
  return [
    '',
    `${INDENT}${output.style('bold', 'headgate')}  ${state}  ${output.style('dim', facts(frame))}`,
    '',
    ...sourceLines(stats.sources, output),
    ...(stats.sinks.length === 0 ? [] : ['', ...indentedTable(SINK_COLUMNS, stats.sinks, output)]),
    ...(alerts.length === 0 ? [] : ['', ...alerts.map((alert) => alertLine(alert, output))]),
    '',
    ...places.map(([name, place]) => `${INDENT}${output.style('dim', name.padEnd(9))}${place}`),
  ];
}

export function gatewayProgress(frame: GatewayFrame): string {
  const { stats, readiness } = frame;
  const notStreaming = stats.sources.filter(({ state }) => state !== 'streaming');
  const trouble = notStreaming.map(({ sourceId, state }) => `${sourceId} ${state}`).join(', ');
  const ready = readiness.isReady ? 'ready' : 'not ready';
  return `  … ${facts(frame)}, ${ready}${trouble === '' ? '' : `; ${trouble}`}`;
}

function facts({ elapsedMs, stats }: GatewayFrame): string {
  const rate = stats.sources.reduce((sum, source) => sum + source.rate1s, 0);
  const stored = stats.storage === null ? '' : `${stats.storage.committedRecords} stored, `;
  return `${readableDuration(elapsedMs)}, ${stored}${rate.toFixed(0)}/s, ${stats.deadLetters} dead letters`;
}

/** One line that says what an alert is about. */
export function alertText(alert: Alert): string {
  const who = alert.sourceId === null ? '' : ` ${alert.sourceId}`;
  return printable(`${alert.event}${who}: ${alertMessage(alert)}`);
}

function alertMessage(alert: Alert): string {
  if (isBurstAlert(alert)) {
    return `${alert.windowRecords} records within ${readableDuration(alert.windowDurationMs)}`;
  }
  if ('message' in alert) return alert.message;
  return `after ${readableDuration(alert.durationMs)}, ${alert.peakRecords} records at the most`;
}

function alertLine({ atMs, text }: GatewayFrame['alerts'][number], output: Output): string {
  const time = readableTime(atMs).slice(TIME_OF_DAY.from, TIME_OF_DAY.to);
  return `${INDENT}${output.style('dim', time)}  ${output.style('yellow', text)}`;
}

/** Of an ISO time. */
const TIME_OF_DAY = { from: 11, to: 19 };

const SINK_COLUMNS: readonly Column<SinkHealth>[] = [
  { title: 'sink', cell: ({ sinkId }) => sinkId, shrinks: true },
  { title: 'type', cell: ({ type }) => type },
  { title: 'state', cell: ({ state }) => state, style: ({ state }) => stateColour(state) },
  { title: 'delivered', cell: ({ delivered }) => String(delivered), align: 'right' },
  { title: 'behind', cell: ({ lagRecords }) => String(lagRecords), align: 'right' },
  {
    title: 'errors',
    cell: ({ consecutiveErrors }) => String(consecutiveErrors),
    align: 'right',
    style: ({ consecutiveErrors }) => (consecutiveErrors > 0 ? 'yellow' : undefined),
  },
];
