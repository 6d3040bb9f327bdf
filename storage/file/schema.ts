/** The tables, as users query them, and how older files come up to date. docs and contracts name every
 *  column: a column may be added at the end of a table, none may change its meaning. */

import type Database from 'better-sqlite3';

/** "HGAT" in the file's header: how a database of ours is told from any other. */
export const APPLICATION_ID = 0x48474154;

/** One step per schema version; step n leads from version n to n + 1. Never edit a step that was released. */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at_ms INTEGER NOT NULL,
    ended_at_ms INTEGER,
    end TEXT,
    version TEXT NOT NULL,
    gateway_id TEXT NOT NULL,
    db_uuid TEXT NOT NULL,
    config_digest TEXT NOT NULL
  ) STRICT;

  CREATE TABLE timeline (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    actor TEXT NOT NULL,
    incarnation INTEGER,
    kind TEXT NOT NULL,
    event TEXT NOT NULL,
    from_state TEXT,
    to_state TEXT,
    cause INTEGER,
    data TEXT
  ) STRICT;
  -- The kind rides along: the last state of an actor is found in the index alone, without a look at the
  -- rows, even where a million dead letters of it came since. An index of its own for the rows that bear a
  -- state would make every commit twice as dear.
  CREATE INDEX timeline_actor ON timeline (actor, seq, kind);
  CREATE INDEX timeline_kind ON timeline (kind, seq);

  CREATE VIEW alerts AS
    SELECT seq, at_ms, tenant, actor, event, data ->> '$.severity' AS severity, data
    FROM timeline WHERE kind = 'alert';

  CREATE TABLE sources (
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    records_produced INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    consecutive_errors INTEGER NOT NULL,
    last_read_at_ms INTEGER,
    last_error TEXT,
    registered_at_ms INTEGER NOT NULL,
    deregistered_at_ms INTEGER,
    PRIMARY KEY (tenant, source_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE source_cursors (
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (tenant, source_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    source_seq INTEGER NOT NULL,
    dedup_key TEXT,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX records_dedup ON records (tenant, source_id, dedup_key) WHERE dedup_key IS NOT NULL;

  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    payload TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    first_at_ms INTEGER NOT NULL,
    last_at_ms INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'new'
  ) STRICT;

  CREATE TABLE health (
    at_ms INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    state TEXT NOT NULL,
    records_produced INTEGER NOT NULL,
    last_read_timestamp INTEGER,
    consecutive_errors INTEGER NOT NULL,
    incarnation INTEGER NOT NULL,
    restarts INTEGER NOT NULL,
    rate1s REAL NOT NULL,
    queue_depth INTEGER NOT NULL,
    dropped_count INTEGER NOT NULL,
    run INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX health_source ON health (tenant, source_id, at_ms);
  `,
  `
  ALTER TABLE records ADD COLUMN content_type TEXT;
  -- Null for rows that an older version wrote.
  ALTER TABLE records ADD COLUMN crc INTEGER;

  ALTER TABLE dead_letters ADD COLUMN origin TEXT;
  ALTER TABLE dead_letters ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX dead_letters_status ON dead_letters (status, id);

  -- One link for each transaction that wrote to the timeline: a hash over the link before it and its rows,
  -- the last of which has this seq. The first link is an anchor: it vouches for nothing before it.
  CREATE TABLE timeline_chain (
    seq INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
  ) STRICT;
  INSERT INTO timeline_chain (seq, hash)
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'timeline'), 0), zeroblob(32);

  CREATE TABLE spill (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    source_seq INTEGER NOT NULL,
    dedup_key TEXT,
    at_ms INTEGER NOT NULL,
    data TEXT NOT NULL,
    content_type TEXT,
    cursor TEXT,
    crc INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX spill_source ON spill (tenant, source_id, seq);

  CREATE TABLE sinks (
    tenant TEXT NOT NULL,
    sink_id TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    filtered INTEGER NOT NULL,
    dead_lettered INTEGER NOT NULL,
    consecutive_errors INTEGER NOT NULL,
    last_delivery_at_ms INTEGER,
    last_error TEXT,
    registered_at_ms INTEGER NOT NULL,
    deregistered_at_ms INTEGER,
    PRIMARY KEY (tenant, sink_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sink_cursors (
    tenant TEXT NOT NULL,
    sink_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    -- The log the seq is of: records, or alerts.
    reads TEXT NOT NULL,
    PRIMARY KEY (tenant, sink_id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE source_deadlines (
    tenant TEXT NOT NULL,
    source_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at_ms INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (tenant, source_id, kind)
  ) STRICT, WITHOUT ROWID;

  -- How far a table had grown at a time, by the engine's clock: what retention by age goes by. Rows up to
  -- this seq are at least as old as this.
  CREATE TABLE retention_marks (
    class TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (class, seq)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The rows of one event among millions of others: without it each page of them walks the table.
  CREATE INDEX timeline_event ON timeline (event, seq);
  -- The event rides along as the kind does: which of an actor's rows fit is told without a look at them.
  DROP INDEX timeline_actor;
  CREATE INDEX timeline_actor ON timeline (actor, seq, kind, event);
  `,
  `
  ALTER TABLE sources ADD COLUMN dead_lettered INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE health ADD COLUMN dead_lettered_count INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Whether a wait is still one for the same far end. A wait that the far end asked for had the checksum of
  -- the address in place of the failures.
  ALTER TABLE source_deadlines ADD COLUMN address_crc INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE source_deadlines ADD COLUMN options_crc INTEGER;
  UPDATE source_deadlines SET address_crc = failures, failures = 0 WHERE kind = 'retryAfter';
  `,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/** Brings a database up to `target`, a blank one included, in one transaction. */
export function migrate(db: Database.Database, target: number = SCHEMA_VERSION): void {
  // Counts only before the first table: free pages are then given back without rewriting the file.
  db.pragma('auto_vacuum = INCREMENTAL');
  const step = db.transaction(() => {
    const version = schemaVersion(db);
    if (version >= target) return;
    db.pragma(`application_id = ${APPLICATION_ID}`);
    for (const migration of MIGRATIONS.slice(version, target)) db.exec(migration);
    db.pragma(`user_version = ${target}`);
  });
  step.immediate();
}

export function schemaVersion(db: Database.Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}

export function applicationId(db: Database.Database): number {
  return db.pragma('application_id', { simple: true }) as number;
}
