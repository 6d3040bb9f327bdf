/** What the engine needs of durable storage. The core behind it is synchronous; the interface is not, so that
 *  it can move into a worker thread without its callers noticing. */

import type { CommitUnit } from '../src/domain/timeline.ts';

export interface OpenOptions {
  /** The database file, or `:memory:`. */
  readonly path: string;
  readonly nowMs: number;
  /** Version of the program that writes. */
  readonly version: string;
  /** Gives the identifiers of a new database. */
  readonly uuid: () => string;
  /** Digest of the engine's options, for the `runs` table. */
  readonly configDigest: string;
}

export interface PreviousRun {
  readonly run: number;
  /** How it ended: `crash` where it was found without an end. */
  readonly end: 'clean' | 'crash';
  /** Epoch milliseconds of its end, or of its last row where it crashed. */
  readonly lastAtMs: number;
}

/** An actor of a run that crashed: it was in `state` and nobody wrote its end. */
export interface UnfinishedActor {
  readonly tenant: string;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly state: string | null;
}

/** A database opened for writing by one engine. Opening locks the file and begins a run. */
export interface EventStore {
  readonly run: number;
  readonly gatewayId: string;
  readonly dbUuid: string;
  /** The last `seq` of the timeline so far; 0 in a new file. The writer numbers its rows from here. */
  readonly lastSeq: number;
  /** The highest incarnation any source ever had in this database; 0 in a new file. */
  readonly lastIncarnation: number;
  readonly previousRun: PreviousRun | null;
  /** Actors whose end the previous run could not write, because it crashed. */
  readonly unfinished: readonly UnfinishedActor[];
  /** The file name under which a damaged database was moved aside at this opening, without its folder. */
  readonly movedAside: string | null;
  /** Where sources said to go on, by `tenant/source`, the default tenant written out. Kept up by `commit`. */
  readonly cursors: ReadonlyMap<string, string>;
  /** Writes everything in one transaction, or nothing.
   *  @throws HeadgateError HG_STORAGE_BUSY, _FULL, _READONLY, _CORRUPT or _FAILED. Its remedy says what to do
   *  with the unit: `retry` keeps it; `drop` means that its rows would be refused every time. */
  commit(unit: CommitUnit): Promise<void>;
  /** Marks the run as ended cleanly (unless `end` is null), closes the file, frees the lock. Safe to call
   *  twice.
   *  @throws HeadgateError as commit, where the end could not be written; the file is closed nevertheless. */
  close(end: { readonly atMs: number } | null): Promise<void>;
}
