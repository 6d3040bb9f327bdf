/** The errors Headgate raises: each has a code, a message that says what to do, and a remedy the runtime
 *  obeys. */

/** What the runtime does next. `retry`: try again after a wait. `drop`: give up this item, carry on. `stop`:
 *  end the part that failed; trying again cannot help. */
export type Remedy = 'retry' | 'drop' | 'stop';

/** Every code, what it means and what its reader does next. docs/errors.md is tested against this table. */
export const ERROR_CODES = {
  HG_OPTION_UNKNOWN: {
    remedy: 'stop',
    meaning: 'An option of that name does not exist; the message names the nearest one.',
  },
  HG_OPTION_INVALID: {
    remedy: 'stop',
    meaning: 'An option has a value of the wrong type or outside its range.',
  },
  HG_SOURCE_DUPLICATE: {
    remedy: 'stop',
    meaning: 'A source with this id is registered. Deregister it first or choose another id.',
  },
  HG_SOURCE_UNKNOWN: { remedy: 'stop', meaning: 'No source with this id is registered.' },
  HG_SOURCE_NO_STREAM: { remedy: 'stop', meaning: 'The source logic has no stream() method.' },
  HG_SOURCE_CRASHED: {
    remedy: 'stop',
    meaning: 'The code of a source threw. It is restarted within its restart budget.',
  },
  HG_SOURCE_CONNECT_TIMEOUT: {
    remedy: 'retry',
    meaning: 'A source did not report an open link within connectTimeoutMs.',
  },
  HG_SOURCE_STUCK: {
    remedy: 'retry',
    meaning: 'A source ignored its abort signal: its last run never ended.',
  },
  HG_SOURCE_STOPPED: {
    remedy: 'drop',
    meaning: 'The source is draining or has ended and takes no more records.',
  },
  HG_PUSH_OVERLOADED: {
    remedy: 'retry',
    meaning: 'Too many pushes wait for room. Await each push before the next.',
  },
  HG_LINK_REFUSED: { remedy: 'retry', meaning: 'The far end refused the connection.' },
  HG_LINK_LOST: { remedy: 'retry', meaning: 'A connection that stood was lost.' },
  HG_LINK_TIMEOUT: { remedy: 'retry', meaning: 'The far end did not answer in time.' },
  HG_LINK_UNAUTHORISED: {
    remedy: 'retry',
    meaning: 'The far end rejected the credentials. Correct them and update the source.',
  },
  HG_READ_STATUS: { remedy: 'retry', meaning: 'An HTTP source was answered with an error status.' },
  HG_READ_TOO_LARGE: {
    remedy: 'retry',
    meaning: 'An answer, line or message is larger than the limit of the source.',
  },
  HG_READ_TRUNCATED: { remedy: 'retry', meaning: 'An answer ended before it was complete.' },
  HG_DECODE_FAILED: {
    remedy: 'drop',
    meaning: 'A payload could not be decoded; it is kept as a dead letter.',
  },
  HG_RECORD_UNSTORABLE: {
    remedy: 'drop',
    meaning: 'The data of a record cannot be written as JSON; it is kept as a dead letter.',
  },
  HG_RECORD_TOO_LARGE: {
    remedy: 'drop',
    meaning: 'The data of a record is larger than records.bytesMax; it is kept as a dead letter.',
  },
  HG_RECORD_DROPPED: {
    remedy: 'retry',
    meaning: 'A dead letter was tried again, and a limit or an overflow policy refused its record.',
  },
  HG_RECORD_LOST: {
    remedy: 'retry',
    meaning: 'The engine stopped, or gave up, before what was handed in was stored. Hand it in again.',
  },
  HG_RECORD_DAMAGED: {
    remedy: 'drop',
    meaning: 'A stored record does not fit its checksum. It is passed over; the file or its disk is damaged.',
  },
  HG_STAGE_THREW: {
    remedy: 'drop',
    meaning:
      'A stage threw for one record; the record went on as a poison record and is kept as a dead letter.',
  },
  HG_STORAGE_LOCKED: {
    remedy: 'stop',
    meaning: 'Another engine uses this database file. One engine per file.',
  },
  HG_STORAGE_BUSY: { remedy: 'retry', meaning: 'Another process holds a write lock on the database.' },
  HG_STORAGE_READONLY: { remedy: 'stop', meaning: 'The database file or its folder cannot be written.' },
  HG_STORAGE_NOT_FOUND: { remedy: 'stop', meaning: 'There is no database file at this path.' },
  HG_STORAGE_NOT_A_DATABASE: {
    remedy: 'stop',
    meaning: 'The file is not an SQLite database, or not one of Headgate. It was left untouched.',
  },
  HG_STORAGE_CORRUPT: {
    remedy: 'stop',
    meaning: 'The database is damaged. It is moved aside at start and a fresh one is begun.',
  },
  HG_STORAGE_FULL: {
    remedy: 'retry',
    meaning: 'The disk is full. Free space; the engine resumes by itself.',
  },
  HG_STORAGE_FAILED: {
    remedy: 'retry',
    meaning: 'The database could not be read or written; the message carries the reason.',
  },
  HG_STORAGE_STOPPED: {
    remedy: 'stop',
    meaning: 'The thread that writes the database has ended. Start the engine again.',
  },
  HG_FILE_EXISTS: {
    remedy: 'stop',
    meaning: 'There is a file of this name already. It was left untouched; choose another name.',
  },
  HG_HISTORY_OVERLOADED: {
    remedy: 'retry',
    meaning: 'Too many questions wait for the reader of the database. Ask again in a moment.',
  },
  HG_QUERY_INVALID: {
    remedy: 'stop',
    meaning: 'The SQL cannot be run, or it would do more than read; the message says what is wrong.',
  },
  HG_QUERY_LIMIT: {
    remedy: 'stop',
    meaning: 'A query took longer, or more memory, than it may, and was ended.',
  },
  HG_SINK_DUPLICATE: {
    remedy: 'stop',
    meaning: 'A sink with this id is registered. Deregister it first or choose another id.',
  },
  HG_SINK_UNKNOWN: { remedy: 'stop', meaning: 'No sink with this id is registered, and none has a cursor.' },
  HG_SINK_STOPPED: {
    remedy: 'stop',
    meaning: 'The sink is on its way out and takes no more commands.',
  },
  HG_SINK_FAILED: {
    remedy: 'retry',
    meaning: 'The code of a sink threw. The batch is delivered again after a wait.',
  },
  HG_SINK_TIMEOUT: {
    remedy: 'retry',
    meaning: 'A sink did not open its link, or deliver a batch, within its time.',
  },
  HG_SINK_REFUSED: {
    remedy: 'drop',
    meaning: 'The far end of a sink refuses a record for good; it is kept as a dead letter.',
  },
  HG_SINK_STATUS: {
    remedy: 'retry',
    meaning: 'An HTTP sink was answered with an error status. The batch is sent again after a wait.',
  },
  HG_LETTER_UNKNOWN: { remedy: 'stop', meaning: 'There is no dead letter of that number.' },
  HG_LETTER_TRUNCATED: {
    remedy: 'stop',
    meaning: 'The payload of this dead letter was too long to be kept whole; it cannot be retried.',
  },
  HG_STORAGE_VERSION: {
    remedy: 'stop',
    meaning: 'The database was written by a newer Headgate. Use that version, or another file.',
  },
  HG_ENGINE_STATE: { remedy: 'stop', meaning: 'The engine is not in a state in which it can do this.' },
  HG_ENGINE_ESCALATED: {
    remedy: 'stop',
    meaning: 'A part failed more often than its restart budget allows and its supervisor gave up.',
  },
  HG_NODE_VERSION: {
    remedy: 'stop',
    meaning: 'This version of Node.js is too old; the message names the one needed.',
  },
  HG_PEER_MISSING: { remedy: 'stop', meaning: 'An optional package is not installed; the message names it.' },
} as const satisfies Record<string, { remedy: Remedy; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface HeadgateErrorOptions {
  /** Overrides the remedy of the code's row in {@link ERROR_CODES}. */
  remedy?: Remedy;
  /** Machine-readable particulars: field names, limits, ids. Never secrets. */
  details?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

export class HeadgateError extends Error {
  override readonly name = 'HeadgateError';
  readonly code: ErrorCode;
  readonly remedy: Remedy;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: HeadgateErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.remedy = options.remedy ?? ERROR_CODES[code].remedy;
    this.details = options.details ?? {};
  }
}

/** An error as rows, health and messages carry it: plain data, no stack, no object identity. */
export interface ErrorFacts {
  readonly code: string;
  readonly message: string;
}

/** Turns anything thrown into facts. A thrown non-Headgate value gets `fallback` as its code. Never throws
 *  itself. */
export function errorFacts(thrown: unknown, fallback: ErrorCode = 'HG_SOURCE_CRASHED'): ErrorFacts {
  if (thrown instanceof HeadgateError) return { code: thrown.code, message: thrown.message };
  return { code: fallback, message: messageOf(thrown) };
}

/** The remedy an error asks for. An error nobody classified is a defect: `stop` this run, let the supervisor
 *  decide. */
export function remedyOf(thrown: unknown): Remedy | undefined {
  return thrown instanceof HeadgateError ? thrown.remedy : undefined;
}

export function messageOf(thrown: unknown): string {
  try {
    // Nothing keeps a library from making its message a number.
    if (thrown instanceof Error) return String(thrown.message || thrown.name);
    return String(thrown);
  } catch {
    return 'an error that cannot be printed';
  }
}
