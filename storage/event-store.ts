/** What the engine needs of durable storage. The core behind it is synchronous; the interface is not, so that
 *  it can move into a worker thread without its callers noticing. */

import type { Ancestor } from '../src/domain/record-keys.ts';
import type { RetentionOptions } from '../src/domain/retention.ts';
import type { OutboundRecord } from '../src/domain/sink.ts';
import type {
  WriteBatch,
  DeadLetter,
  DeadlineRow,
  LetterStatus,
  SinkCursor,
  SpillRow,
} from '../src/domain/timeline.ts';

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
  /** Events of alerts that stay open until their end is a row (`…_OVER`). */
  readonly lastingAlerts?: readonly string[];
}

/** An alert that runs before left open. */
export interface LeftAlert {
  readonly seq: number;
  readonly atMs: number;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly event: string;
}

export interface PreviousRun {
  readonly run: number;
  /** How it ended: `crash` where it was found without an end. */
  readonly end: 'clean' | 'crash';
  /** Epoch milliseconds of its end, or of its last row where it crashed. */
  readonly lastAtMs: number;
  /** The latest beginning or end of any run before, epoch milliseconds. */
  readonly latestAtMs: number;
}

/** An actor of a run that crashed: it was in `state` and nobody wrote its end. */
export interface UnfinishedActor {
  readonly tenant: string;
  readonly actor: string;
  readonly incarnation: number | null;
  readonly state: string | null;
}

export interface TruncatedRows {
  /** Last `seq` of the timeline and of the record log that are there, and that were there. */
  readonly timeline: { readonly found: number; readonly known: number };
  readonly records: { readonly found: number; readonly known: number };
}

/** A database, or its end, that was not where it should have been at the opening. */
export interface LostDatabase {
  /** `gone`: the file was missing or empty, and a fresh one was begun. `replaced`: another database stood
   *  in its place. `logGone`: the run before was killed, and its write-ahead log was missing. */
  readonly what: 'gone' | 'replaced' | 'logGone';
  /** Content of the mark beside it: its name and the last numbers it gave out; null where there was no
   *  mark. */
  readonly dbUuid: string | null;
  readonly timelineSeq: number | null;
  readonly recordSeq: number | null;
  /** The file name under which what was left of it is kept, without its folder; null: nothing was left. */
  readonly movedTo: string | null;
}

/** The backup that a database was restored from. */
export interface RestoredFrom extends TruncatedRows {
  /** The name of the database that was backed up. `found` are the last numbers of the backup, `known` those
   *  that are known to have been given out until it was restored. */
  readonly dbUuid: string | null;
}

/** What one transaction came to. */
export interface CommitResult {
  /** The highest `seq` the record log ever had. */
  readonly lastRecordSeq: number;
  /** Records that were passed over, since their dedup key is in the log already. */
  readonly duplicates: number;
}

/** A row of a commit unit that the database refuses. */
export interface RefusedRow {
  readonly table: keyof WriteBatch;
  /** Its place among the unit's rows of that table. */
  readonly index: number;
  readonly reason: string;
}

/** Rows of a log after a place in it, as far as the limits of the query allow. */
export interface LogQuery {
  /** Rows after this `seq`. */
  readonly afterSeq: number;
  readonly rowsMax: number;
  /** Bytes of data, at least one row all the same. */
  readonly bytesMax: number;
}

export interface LogPage<Row> {
  readonly rows: readonly Row[];
  /** The last `seq` the page covers: rows up to it that are not in `rows` are gone or damaged, or there never
   *  were any. At the end of the log it is the last number given out. */
  readonly lastSeq: number;
  /** `seq` of rows whose checksum does not fit their content. They are not in `rows`. */
  readonly damaged: readonly number[];
}

export interface StoredSpillRow extends SpillRow {
  readonly seq: number;
}

export interface StoredLetter extends DeadLetter {
  readonly id: number;
  readonly status: LetterStatus;
}

export interface LetterQuery {
  readonly ids?: readonly number[];
  readonly status?: LetterStatus;
  readonly tenant?: string;
  readonly sourceId?: string;
  readonly stage?: string;
  readonly afterId?: number;
  readonly rowsMax: number;
}

/** What waits on disk for one source. */
export interface SpillSummary {
  readonly tenant: string;
  readonly sourceId: string;
  readonly records: number;
  readonly firstSeq: number;
}

export interface MaintenanceRequest {
  /** Wall time now, epoch milliseconds. It may jump: nothing is deleted for that. */
  readonly nowMs: number;
  /** Monotonic time now; ages run on it. */
  readonly monoMs: number;
  readonly retention: RetentionOptions;
  /** Sinks that need the record log, and the alerts, from these `seq` on: the lowest counts. Null: none. */
  readonly recordsNeededAfter: number | null;
  readonly alertsNeededAfter: number | null;
  /** How full the file may be before rows go for it, of `fileBytesMax`. Default: FILLED_SHARE_MAX. */
  readonly filledShareMax?: number;
}

/** Another program took a file of the database away, exchanged it or cut it off. */
export interface FileIncident {
  readonly change: 'gone' | 'replaced' | 'shorter' | 'logGone' | 'logShorter' | 'lockGone';
  /** `stopped`: it could not be put right, and nothing is acknowledged until it is. Otherwise nothing is
   *  lost. */
  readonly outcome: 'restored' | 'reopened' | 'locked' | 'stopped';
  /** Where a copy of what was stored was put, beside a file that is not ours. */
  readonly rescuedTo: string | null;
}

export interface MaintenanceReport {
  /** Incidents with the files since the last report. */
  readonly incidents?: readonly FileIncident[];
  readonly deleted: {
    readonly records: number;
    readonly deadLetters: number;
    readonly health: number;
    readonly timeline: number;
  };
  /** Records that should have gone and were kept for a sink. */
  readonly heldForSinks: number;
  /** Records deleted although a sink had not delivered them, since it was told so. */
  readonly undelivered: number;
  readonly fileBytes: number;
  readonly walBytes: number;
  /** There is more to delete: call again soon. */
  readonly hasMore: boolean;
}

/** A database opened for writing by one engine. Opening locks the file and begins a run. */
export interface EventStore {
  readonly run: number;
  readonly gatewayId: string;
  readonly dbUuid: string;
  /** The databases it was restored from, one after the other; the oldest first. */
  readonly ancestors: readonly Ancestor[];
  /** It was restored from a backup, and nothing was written since. */
  readonly restored: RestoredFrom | null;
  /** The last `seq` of the timeline so far; 0 in a new file. The writer numbers its rows from here. */
  readonly lastSeq: number;
  /** The highest incarnation any source ever had in this database; 0 in a new file. */
  readonly lastIncarnation: number;
  readonly previousRun: PreviousRun | null;
  /** Actors whose end the previous run could not write, because it crashed. */
  readonly unfinished: readonly UnfinishedActor[];
  /** The alerts of {@link OpenOptions.lastingAlerts} that no run has ended, in order. */
  readonly leftAlerts: readonly LeftAlert[];
  /** The file name under which a damaged database was moved aside at this opening, without its folder. */
  readonly movedAside: string | null;
  /** Where sources said to go on, by `tenant/source`, the default tenant written out. Kept up by `commit`. */
  readonly cursors: ReadonlyMap<string, string>;
  /** The highest `seq` the record log ever had; 0 in a new file. */
  readonly lastRecordSeq: number;
  /** How far sinks had delivered at the opening, by `tenant/sink`. */
  readonly sinkCursors: ReadonlyMap<string, SinkCursor>;
  /** Deadlines that the run before left behind because it crashed, by `tenant/source`. */
  readonly deadlines: ReadonlyMap<string, readonly DeadlineRow[]>;
  /** What waited on disk at the opening. */
  readonly spilled: readonly SpillSummary[];
  /** What was found missing at the opening: the mark beside the file knows of later rows than the file
   *  has. */
  readonly truncated: TruncatedRows | null;
  /** The database that was missing at the opening; null: none is known to be. */
  readonly lost: LostDatabase | null;
  /** The mark beside the file was there and could not be read, so that nothing could be held against it. */
  readonly markIsUnreadable: boolean;
  /** Writes everything in one transaction, or nothing.
   *  @throws HeadgateError HG_STORAGE_BUSY, _FULL, _READONLY, _CORRUPT or _FAILED. Its remedy says what to do
   *  with the unit: `retry` keeps it; `drop` means that its rows would be refused every time. */
  commit(unit: WriteBatch): Promise<CommitResult>;
  /** Finds the rows for which `commit` refuses a unit with the remedy `drop`: tries each row by itself and
   *  writes nothing. The unit without these rows is accepted. Slow: for a unit that was refused only.
   *  @throws HeadgateError as commit, where the database fails for another reason. */
  examine(unit: WriteBatch): Promise<readonly RefusedRow[]>;
  /** Records in order of `seq`. */
  readRecords(query: LogQuery): Promise<LogPage<OutboundRecord>>;
  /** Alerts in order of `seq`, as records: `data` is the alert. */
  readAlerts(query: LogQuery): Promise<LogPage<OutboundRecord>>;
  /** Spilled records of one source, in order. */
  readSpilled(
    query: LogQuery & { readonly tenant: string; readonly sourceId: string },
  ): Promise<LogPage<StoredSpillRow>>;
  readLetters(query: LetterQuery): Promise<readonly StoredLetter[]>;
  /** Sets the status of letters; returns how many there were. Letters that were delivered stay so. */
  markLetters(query: LetterQuery, status: Extract<LetterStatus, 'new' | 'queued'>): Promise<number>;
  /** Deletes letters; returns how many. */
  purgeLetters(query: LetterQuery): Promise<number>;
  /** How many records lie after `seq`, and the wall time of the first of them. Records are counted by their
   *  numbers: those that were passed over as known already count too. */
  lagOf(
    log: 'records' | 'alerts',
    afterSeq: number,
  ): Promise<{ readonly rows: number; readonly oldestAtMs: number | null }>;
  /** The text that is kept under this key; null where there is none. */
  readState(key: string): Promise<string | null>;
  /** Keeps a text under this key, in a transaction of its own that is flushed to the disk.
   *  @throws HeadgateError as commit */
  writeState(key: string, value: string): Promise<void>;
  /** Deletes what retention allows, in steps that never hold up a commit for long; gives freed pages back,
   *  checkpoints the write-ahead log. */
  maintain(request: MaintenanceRequest): Promise<MaintenanceReport>;
  /** Marks the run as ended cleanly (unless `end` is null), closes the file, frees the lock. Safe to call
   *  twice.
   *  @throws HeadgateError as commit, where the end could not be written; the file is closed nevertheless. */
  close(end: { readonly atMs: number } | null): Promise<void>;
  /** Lets go of a store that does not answer, since its disk hangs. Calls that wait reject with
   *  HG_STORAGE_STOPPED; the lock of the file stays until the disk answers or the process ends. */
  abandon(): void;
}
