/** How long a history takes to answer, as the API asks it, about a timeline of many rows: made here, in bulk
 *  and unsynced, the way engines write it, with the rows of many actors in turns. */

import Database from 'better-sqlite3';
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { History, HistoryFilter } from '../../storage/reading/history.ts';
import { openHistory } from '../../storage/reading/open-history.ts';
import { migrate } from '../../storage/file/schema.ts';
import { scratchFolder } from './scratch.ts';

export interface HistorySizes {
  readonly runs: number;
  readonly rows: number;
  readonly actors: number;
  /** Rows from one without a cause to the next of the same actor: how deep chains of causes are. */
  readonly causes: number;
}

/** Milliseconds, a run each: of a run that asked several questions the slowest answer. */
export interface HistoryFigures {
  readonly explainMs: number[];
  readonly pageMs: number[];
  readonly stateAtMs: number[];
}

/** Questions of one kind in a run, each about another actor or time. */
const QUESTIONS = 20;
const PAGE_ROWS = 100;
const START_MS = Date.UTC(2026, 0, 1);
const ROWS_PER_TRANSACTION = 500_000;

/** About what a row takes in the file, its indexes included, and as much again for sorting them. */
const BYTES_PER_ROW = 500;

/** Why there is no room for so many rows; null: there is. */
export function noRoomFor(rows: number): string | null {
  const { bavail, bsize } = statfsSync(tmpdir());
  const free = bavail * bsize;
  const needed = rows * BYTES_PER_ROW;
  if (free >= needed) return null;
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  return `${gigabytes(needed)} GB are needed in ${tmpdir()}, ${gigabytes(free)} GB are free`;
}

export async function measureHistory({ runs, ...sizes }: HistorySizes): Promise<HistoryFigures> {
  using scratch = scratchFolder();
  const file = scratch.nextFile();
  makeTimeline(file, sizes);
  const history = openHistory(file);
  const figures: HistoryFigures = { explainMs: [], pageMs: [], stateAtMs: [] };
  try {
    // The first answer waits for the thread to start.
    await history.sources();
    for (let run = 0; run < runs; run++) {
      figures.explainMs.push(
        await slowest(QUESTIONS, (n) => explainOnce(history, sizes, run * QUESTIONS + n)),
      );
      figures.pageMs.push(await slowestPage(history, sizes, run));
      figures.stateAtMs.push(await slowest(QUESTIONS, (n) => stateOnce(history, sizes, run * QUESTIONS + n)));
    }
  } finally {
    await history.close();
  }
  return figures;
}

async function slowest(questions: number, ask: (n: number) => Promise<void>): Promise<number> {
  let slowestMs = 0;
  for (let n = 0; n < questions; n++) slowestMs = Math.max(slowestMs, await timed(() => ask(n)));
  return slowestMs;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return performance.now() - beganMs;
}

type Sizes = Omit<HistorySizes, 'runs'>;

/** Now one's last state, now one at a time; the chain is as deep as chains are. */
async function explainOnce(history: History, sizes: Sizes, n: number): Promise<void> {
  const { actors, causes } = sizes;
  const actor = (n * 37) % actors;
  const turnsPerChain = causes * Math.floor(turnsOf(sizes) / causes / 2);
  const atMs = n % 2 === 0 ? undefined : START_MS + seqOf(turnsPerChain - 1, actor, actors);
  const chain = await history.explain(nameOf(actor), atMs);
  if (chain.length !== causes) throw new Error(`${chain.length} causes were found instead of ${causes}`);
}

async function stateOnce(history: History, sizes: Sizes, n: number): Promise<void> {
  const atMs = START_MS + sizes.actors + Math.floor(((sizes.rows - sizes.actors) * (n + 1)) / 101);
  const states = await history.stateAt(atMs);
  if (states.length !== sizes.actors) throw new Error(`${states.length} states of ${sizes.actors} actors`);
}

/** Every combination of filters, and each of them from either end and from the middle. */
async function slowestPage(history: History, sizes: Sizes, run: number): Promise<number> {
  const { rows, actors } = sizes;
  const actor = nameOf((run * 13) % actors);
  const middle = Math.floor(rows / 2) + run;
  const parts: HistoryFilter[] = [
    { actor },
    { kind: 'alert' },
    { event: 'SOURCE_DOWN' },
    { sinceMs: START_MS + middle - rows / 10, untilMs: START_MS + middle + rows / 10 },
  ];
  const filters = parts.reduce<HistoryFilter[]>(
    (found, part) => found.flatMap((filter) => [filter, { ...filter, ...part }]),
    [{}],
  );
  const pages: HistoryFilter[] = [{}, { beforeSeq: middle }, { afterSeq: middle }, { afterSeq: 0 }];
  let slowestMs = 0;
  for (const filter of filters) {
    for (const page of pages) {
      const ask = () => history.timeline({ ...filter, ...page, limit: PAGE_ROWS });
      slowestMs = Math.max(slowestMs, await timed(ask));
    }
  }
  return slowestMs;
}

const nameOf = (actor: number) => `sensor-${String(actor).padStart(4, '0')}`;
const turnsOf = ({ rows, actors }: Sizes) => Math.floor(rows / actors);
const seqOf = (turn: number, actor: number, actors: number) => turn * actors + actor + 1;

/** One row a millisecond. Each actor in turn backs off and streams again; a row in a hundred is an alert.
 *  Indexes are made once the rows are there: that takes a quarter of the time. */
function makeTimeline(file: string, { rows, actors, causes }: Sizes): void {
  if (rows % (actors * causes) !== 0) throw new Error('whole chains of every actor are needed');
  const db = new Database(file);
  try {
    migrate(db);
    const indexes = db
      .prepare("SELECT sql FROM sqlite_schema WHERE tbl_name = 'timeline' AND type = 'index'")
      .pluck()
      .all() as string[];
    db.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000');
    for (const name of ['timeline_actor', 'timeline_kind', 'timeline_event']) db.exec(`DROP INDEX ${name}`);
    db.exec("INSERT INTO runs VALUES (1, 0, NULL, NULL, 'bench', 'gateway', 'database', '')");
    const insert = db.prepare(ROWS_SQL);
    for (let first = 0; first < rows; first += ROWS_PER_TRANSACTION) {
      const count = Math.min(ROWS_PER_TRANSACTION, rows - first);
      insert.run({ first, count, actors, causes, startMs: START_MS });
    }
    for (const sql of indexes) db.exec(sql);
    db.exec('PRAGMA journal_mode = WAL');
  } finally {
    db.close();
  }
}

/** `n` counts rows from 0, `n / actors` is the turn. The last row of each chain says a state. */
const ROWS_SQL = `
  WITH RECURSIVE rows (n) AS (SELECT $first UNION ALL SELECT n + 1 FROM rows WHERE n + 1 < $first + $count),
  parts AS (
    SELECT n, n / $actors AS turn, n % $actors AS actor,
      n / $actors % $causes NOT IN (0, $causes - 1) AND n % 100 = 7 AS is_alert FROM rows
  )
  INSERT INTO timeline
  SELECT n + 1, 1, $startMs + n + 1, n, 'default', format('sensor-%04d', actor), actor + 1,
    CASE WHEN turn = 0 THEN 'born' WHEN is_alert THEN 'alert' ELSE 'transition' END,
    CASE WHEN is_alert THEN iif(actor % 2 = 1, 'SOURCE_DOWN', 'BURST') WHEN turn % 2 = 0 THEN 'link.opened'
      ELSE 'link.failed' END,
    iif(is_alert, NULL, iif(turn % 2 = 0, 'backingOff', 'streaming')),
    iif(is_alert, NULL, iif(turn % 2 = 0, 'streaming', 'backingOff')),
    iif(turn % $causes = 0, NULL, n + 1 - $actors),
    iif(turn % 2 = 0, NULL, '{"error":{"code":"HG_LINK_LOST","message":"the link was lost"},"waitMs":100}')
  FROM parts`;
