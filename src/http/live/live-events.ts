/** Rows and gaps as server-sent events. JSON has no line breaks, so that one `data:` line holds a row. */

import type { Row } from '../../../storage/reading/timeline-reader.ts';

/** `alert` for alerts, `timeline` for all other rows; its id is the row's `seq`. */
export function rowEvent(row: Row): string {
  const name = row['kind'] === 'alert' ? 'alert' : 'timeline';
  return `event: ${name}\nid: ${String(row['seq'])}\ndata: ${JSON.stringify(row)}\n\n`;
}

export interface Gap {
  /** The last row the client had. */
  readonly afterSeq: number;
  /** The first row that is there again; null where the log has none after it. */
  readonly firstSeq: number | null;
  /** `deleted`: retention took the rows between. `replaced`: the log begins again, with lower numbers. */
  readonly reason: 'deleted' | 'replaced';
}

export function gapEvent(gap: Gap): string {
  return `event: gap\ndata: ${JSON.stringify(gap)}\n\n`;
}

export const HEARTBEAT = ': still here\n\n';

/** How soon a client is to come back when it was cut off. */
export const GREETING = 'retry: 2000\n\n';
