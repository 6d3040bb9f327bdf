/** The catalogue of errors: every code, its remedy, what it means and what its reader does next. */

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
  HG_SOURCE_UNKNOWN: {
    remedy: 'stop',
    meaning: 'There is no source, or actor, of this name that could do this.',
  },
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
    meaning:
      'A payload could not be decoded. What a source reads is kept as a dead letter; an upload is told.',
  },
  HG_RECORD_UNSTORABLE: {
    remedy: 'drop',
    meaning:
      'A record holds what JSON or the tables cannot say. What a source reads is kept as a dead letter.',
  },
  HG_RECORD_TOO_LARGE: {
    remedy: 'drop',
    meaning:
      'The data of a record is larger than records.bytesMax. What a source reads is kept as a dead letter.',
  },
  HG_RECORD_DROPPED: {
    remedy: 'retry',
    meaning: 'A limit or an overflow policy refused a record. Hand it in again later.',
  },
  HG_RECORD_LOST: {
    remedy: 'retry',
    meaning: 'The engine stopped, or gave up, before what was handed in was stored. Hand it in again.',
  },
  HG_ROWS_LOST: {
    remedy: 'stop',
    meaning:
      'A gateway has ended, and its storage had not taken all rows of the run. Nothing of them was ' +
      'acknowledged. Look at the disk and the database; the message carries the reason.',
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
  HG_STAGE_ENDED: {
    remedy: 'stop',
    meaning:
      'Nothing comes through a stage any more: its operator has ended its stream. The engine stops as ' +
      'failed, so that what was not acknowledged is sent again; mend the operator, then start it again.',
  },
  HG_RECORD_CHANGED: {
    remedy: 'drop',
    meaning:
      'A stage changed more of a record than its data. The record is kept as a dead letter, as its source ' +
      'made it.',
  },
  HG_RECONFIGURE_TIMEOUT: {
    remedy: 'retry',
    meaning:
      'Stages could not be exchanged in time: what was between them did not get through. The old ones go ' +
      'on. Look at what holds the pipeline up, then try again.',
  },
  HG_EXPRESSION_INVALID: {
    remedy: 'stop',
    meaning: 'An expression of the configuration cannot be understood; the message shows where.',
  },
  HG_EXPRESSION_FAILED: {
    remedy: 'drop',
    meaning: 'An expression could not be evaluated for one record: a field is missing, or of another type.',
  },
  HG_MODULE_FAILED: {
    remedy: 'stop',
    meaning:
      'Code that the configuration names (module: FILE#EXPORT) is not there, or threw when it was loaded.',
  },
  HG_CONFIG_INVALID: {
    remedy: 'stop',
    meaning: 'The configuration is wrong; every problem is told with its line and column.',
  },
  HG_CONFIG_EXISTS: {
    remedy: 'stop',
    meaning: 'A file that `headgate init` was to write is there already. Choose another, or say --force.',
  },
  HG_EXAMPLE_FAILED: {
    remedy: 'stop',
    meaning: 'What the stages do is not what an example of the configuration expects.',
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
  HG_SINK_REFUSES_ALL: {
    remedy: 'retry',
    meaning:
      'The far end of a sink refuses every record. Nothing is given up; correct what its answer names, the ' +
      'sink goes on by itself.',
  },
  HG_SINK_STATUS: {
    remedy: 'retry',
    meaning: 'An HTTP sink was answered with an error status. The batch is sent again after a wait.',
  },
  HG_INGEST_UNSETTLED: {
    remedy: 'retry',
    meaning:
      'What was sent was taken and could not be stored in time. Look at the storage, then send it again.',
  },
  HG_INGEST_PROTOCOL: {
    remedy: 'stop',
    meaning: 'A WebSocket client did not keep to the protocol of ingest; the message says in what.',
  },
  HG_IDEMPOTENCY_BUSY: {
    remedy: 'retry',
    meaning: 'A request with this Idempotency-Key is under way. Ask again for its answer.',
  },
  HG_IDEMPOTENCY_REUSED: {
    remedy: 'stop',
    meaning: 'This Idempotency-Key came with another body before. Give each upload a key of its own.',
  },
  HG_RECORD_TOO_DEEP: { remedy: 'drop', meaning: 'A record is nested deeper than it may be.' },
  HG_DEAD_LETTER_UNKNOWN: { remedy: 'stop', meaning: 'There is no dead letter of that number.' },
  HG_DEAD_LETTER_TRUNCATED: {
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
  HG_DOCTOR_PROBLEMS: {
    remedy: 'stop',
    meaning: 'The doctor found problems on this machine; it names each, with what to do.',
  },
  HG_NODE_VERSION: {
    remedy: 'stop',
    meaning: 'This version of Node.js is too old; the message names the one needed.',
  },
  HG_PEER_MISSING: { remedy: 'stop', meaning: 'An optional package is not installed; the message names it.' },
  HG_HTTP_UNAUTHORISED: {
    remedy: 'stop',
    meaning: 'A request bears no token that is valid now. Make one with `headgate token create`.',
  },
  HG_HTTP_FORBIDDEN: {
    remedy: 'stop',
    meaning: 'The token of a request is valid and does not allow this; the message names what it lacks.',
  },
  HG_HTTP_LOCKED_OUT: {
    remedy: 'retry',
    meaning: 'Too many failed logins came from this address. Wait as long as Retry-After says.',
  },
  HG_HTTP_ORIGIN: {
    remedy: 'stop',
    meaning: 'A page of another origin made a request. Name its origin in http.allowedOrigins.',
  },
  HG_HTTP_HOST: {
    remedy: 'stop',
    meaning: 'A request names a host that this one is not. Name it in http.allowedHosts.',
  },
  HG_HTTP_ROUTE_UNKNOWN: { remedy: 'stop', meaning: 'The API has no such path; /openapi.json lists them.' },
  HG_HTTP_METHOD: {
    remedy: 'stop',
    meaning: 'The path does not take this method; the header Allow names those it takes.',
  },
  HG_HTTP_UPGRADE: { remedy: 'stop', meaning: 'The path is a WebSocket, and the request asks for none.' },
  HG_HTTP_MALFORMED: { remedy: 'stop', meaning: 'A request, or its body, cannot be read as what it says.' },
  HG_HTTP_MEDIA_TYPE: { remedy: 'stop', meaning: 'A body is of a type that the path does not take.' },
  HG_HTTP_TOO_LARGE: {
    remedy: 'drop',
    meaning: 'A body is larger than it may be, as it was sent or as it comes out decoded.',
  },
  HG_HTTP_HEADERS_TOO_LARGE: {
    remedy: 'drop',
    meaning: 'The headers of a request are larger than http.limits.headerBytesMax.',
  },
  HG_HTTP_TIMEOUT: {
    remedy: 'retry',
    meaning: 'A request did not come in time, or came too slowly; http.limits has the bounds.',
  },
  HG_HTTP_TOO_MANY: {
    remedy: 'retry',
    meaning: 'An address asks more often than http.limits allows. Wait as long as Retry-After says.',
  },
  HG_HTTP_BUSY: {
    remedy: 'retry',
    meaning: 'The server, or this client, has as many requests or listeners as it may. Try again.',
  },
  HG_HTTP_PRECONDITION: {
    remedy: 'stop',
    meaning: 'What was to be changed is not of the version that If-Match names. Read it again.',
  },
  HG_HTTP_EXPOSED: {
    remedy: 'stop',
    meaning: 'The API would be open to other machines without tokens or TLS; the message says what to set.',
  },
  HG_HTTP_LISTEN: {
    remedy: 'stop',
    meaning: 'The API cannot listen on its address: it is in use, not allowed, or not of this machine.',
  },
  HG_HTTP_DEFECT: {
    remedy: 'stop',
    meaning: 'The server met an unexpected error. Its log has the details.',
  },
} as const satisfies Record<string, { remedy: Remedy; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
