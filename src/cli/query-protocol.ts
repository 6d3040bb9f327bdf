/** What the command and the process that runs a query say to each other: a request on stdin, lines of JSON on
 *  stdout. */

import type { ErrorCode } from '../domain/errors.ts';

export interface QueryRequest {
  readonly sql: string;
  readonly rowsMax: number;
  /** Of the rows as JSON. */
  readonly bytesMax: number;
  /** Of the whole process. */
  readonly memoryBytesMax: number;
}

/** A value of a row. Whole numbers beyond 2^53 are texts of their digits, blobs are hex. */
export type Cell = string | number | null;

/** First the columns, then the rows, then the end; or an error, wherever it happens. */
export type QueryLine =
  | { readonly columns: readonly string[] }
  | { readonly row: readonly Cell[] }
  | { readonly end: QueryEnd }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

export interface QueryEnd {
  /** Why there may be more rows than were given; null: these are all. */
  readonly cutAt: 'rows' | 'bytes' | null;
}
