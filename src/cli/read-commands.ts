/** The commands that list what a log holds: timeline, alerts, sources, sinks, and the state at a time. */

import { realClock } from '../platform/real-clock.ts';
import type { TimelineKind } from '../domain/timeline.ts';
import type { Row, TimelineFilter, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { Output } from './output.ts';
import { readableTime } from './readable.ts';
import {
  ALERT_COLUMNS,
  byStateThenActor,
  SINK_COLUMNS,
  SOURCE_COLUMNS,
  stateColumns,
  TIMELINE_COLUMNS,
} from './row-columns.ts';
import { followedRows, storedRows, type Listing } from './row-stream.ts';
import { jsonDocumentWriter, ndjsonWriter, tableWriter, type RowWriter } from './row-writers.ts';
import type { Column } from './table.ts';

export interface ReadOptions {
  readonly json?: boolean;
}

export interface ListOptions extends ReadOptions {
  readonly actor?: string;
  readonly kind?: TimelineKind;
  readonly event?: string;
  /** Epoch milliseconds. */
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly follow?: boolean;
}

export function timelineCommand(path: string, options: ListOptions, output: Output): Promise<void> {
  return withReader(path, (reader) =>
    list(reader, (filter) => reader.timeline(filter), options, output, TIMELINE_COLUMNS, 'no rows'),
  );
}

export function alertsCommand(path: string, options: ListOptions, output: Output): Promise<void> {
  return withReader(path, (reader) =>
    list(reader, (filter) => reader.alerts(filter), options, output, ALERT_COLUMNS, 'no alerts'),
  );
}

export function sourcesCommand(path: string, options: ReadOptions, output: Output): Promise<void> {
  return withReader(path, async (reader) => {
    await writeAll(documentWriter(options, output, SOURCE_COLUMNS, 'no sources'), reader.sources());
  });
}

export function sinksCommand(path: string, options: ReadOptions, output: Output): Promise<void> {
  return withReader(path, async (reader) => {
    await writeAll(documentWriter(options, output, SINK_COLUMNS, 'no sinks'), reader.sinks());
  });
}

export function atCommand(path: string, atMs: number, options: ReadOptions, output: Output): Promise<void> {
  return withReader(path, async (reader) => {
    const rows = reader.stateAt(atMs);
    const nothing = `no actor had a state at ${readableTime(atMs)}`;
    const writer = documentWriter(options, output, stateColumns(atMs), nothing);
    await writeAll(writer, options.json === true ? rows : [...rows].sort(byStateThenActor));
  });
}

/** Opens the log, and closes it whatever happens. */
export async function withReader(
  path: string,
  use: (reader: TimelineReader) => Promise<void>,
): Promise<void> {
  const reader = openTimelineReader(path);
  try {
    await use(reader);
  } finally {
    reader.close();
  }
}

export async function writeAll(writer: RowWriter, rows: readonly Row[]): Promise<void> {
  await writer.rows(rows);
  await writer.end();
}

async function list(
  reader: TimelineReader,
  listing: Listing,
  options: ListOptions,
  output: Output,
  columns: readonly Column<Row>[],
  nothing: string,
): Promise<void> {
  const filter = filterOf(options);
  if (options.follow === true) {
    const writer = options.json === true ? ndjsonWriter(output) : tableWriter(columns, output, nothing);
    await untilSignal(output, async (signal) => {
      for await (const rows of followedRows(reader, listing, filter, realClock, signal)) {
        await writer.rows(rows);
        if (!output.open) return;
      }
    });
    return;
  }
  const writer = documentWriter(options, output, columns, nothing);
  for (const rows of storedRows(listing, filter)) {
    await writer.rows(rows);
    if (!output.open) return;
  }
  await writer.end();
}

export function documentWriter(
  options: ReadOptions,
  output: Output,
  columns: readonly Column<Row>[],
  nothing: string,
): RowWriter {
  return options.json === true ? jsonDocumentWriter(output) : tableWriter(columns, output, nothing);
}

function filterOf(options: ListOptions): TimelineFilter {
  return {
    ...(options.actor === undefined ? {} : { actor: options.actor }),
    ...(options.kind === undefined ? {} : { kind: options.kind }),
    ...(options.event === undefined ? {} : { event: options.event }),
    ...(options.since === undefined ? {} : { sinceMs: options.since }),
    ...(options.until === undefined ? {} : { untilMs: options.until }),
    ...(options.limit === undefined ? {} : { limit: options.limit }),
  };
}

/** Runs `work` until it ends, SIGINT or SIGTERM comes, or the reader of the output has gone. */
async function untilSignal(output: Output, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  output.onClosed(stop);
  try {
    await work(controller.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
