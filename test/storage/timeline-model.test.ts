/** Random timelines, each question answered by the reader and by looking at every row. */

import { expect, onTestFinished, test } from 'vitest';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import { TIMELINE_KINDS, type TimelineRow } from '../../src/domain/timeline.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { TimelineFilter, TimelineReader } from '../../storage/reading/timeline-reader.ts';
import { writeBatch, openStore, temporaryFile, timelineRow } from './fixture.ts';

const ACTORS = ['engine', 'registry', 'plc-1', 'plc-2', 'plc-10', 'north/plc-1', 'boiler'];
const STATES = ['connecting', 'streaming', 'degraded', 'backingOff', null];
const STATE_KINDS: readonly string[] = ['born', 'transition', 'ended'];
const seeds = Array.from({ length: 12 }, (_, index) => 1_000 + index);

test.each(seeds)('answers as a look at every row would (seed %i)', async (seed) => {
  const random = seededRandom(seed);
  const { rows, reader } = await randomTimeline(random, { clockGoesBack: false });
  for (let round = 0; round < 60; round++) {
    const filter = randomFilter(random, rows);
    const expected = rows.filter((row) => fits(row, filter));
    const page = limited(expected, filter);
    expect(reader.timeline(filter).map((row) => row['seq'])).toEqual(page.map((row) => row.seq));

    const atMs = randomTime(random, rows);
    const until = rows.filter((row) => row.atMs <= atMs);
    expect(reader.stateAt(atMs)).toEqual(statesOf(until));

    const actor = pick(random, ACTORS);
    if (!rows.some((row) => row.actor === actor)) continue;
    expect(reader.explain(actor, atMs).map((row) => row['seq'])).toEqual(chainOf(actor, until, rows));
    expect(reader.explain(actor).map((row) => row['seq'])).toEqual(chainOf(actor, rows, rows));
  }
});

test.each(seeds)(
  'finds a time in the latest stretch that has it where the clock went back (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const { rows, reader, ...course } = await randomTimeline(random, { clockGoesBack: true });
    for (let round = 0; round < 60; round++) {
      const atMs = randomTime(random, rows);
      expect(reader.stateAt(atMs)).toEqual(statesOf(rowsUntil(rows, course, atMs)));

      const filter = randomFilter(random, rows);
      const expected = limited(
        rows.filter((row) => fits(row, filter)),
        filter,
      );
      expect(reader.timeline(filter).map((row) => row['seq'])).toEqual(expected.map((row) => row.seq));
    }
  },
);

interface RandomTimeline {
  readonly rows: readonly TimelineRow[];
  /** Rows from which on the clock may have gone back. */
  readonly cuts: ReadonlySet<TimelineRow>;
  /** Wall time at the clean end of a run, by its last row. */
  readonly ends: ReadonlyMap<TimelineRow, number>;
  readonly reader: TimelineReader;
}

/** A few runs of random rows, some of their numbers missing as after a retention, some without any row. A
 *  jump of the clock has its row at once, or some rows late, as older versions wrote it. */
async function randomTimeline(random: Random, options: { clockGoesBack: boolean }): Promise<RandomTimeline> {
  const file = temporaryFile();
  const rows: TimelineRow[] = [];
  const cuts = new Set<TimelineRow>();
  const ends = new Map<TimelineRow, number>();
  let isCut = false;
  let seq = 0;
  let nowMs = 1_000_000_000;
  for (let run = 1, runs = random.integer(1, 6); run <= runs; run++) {
    if (options.clockGoesBack && random.next() < 0.5) nowMs -= random.integer(1, 5_000_000);
    const store = await openStore(file, { nowMs });
    // A run without a row leaves its cut to the next.
    isCut ||= (store.previousRun?.lastAtMs ?? 0) > nowMs;
    const ofRun: TimelineRow[] = [];
    let monoMs = random.integer(0, 1_000);
    let untoldRows: number | null = null;
    const pass = (ms: number) => {
      nowMs += ms;
      monoMs += ms;
    };
    for (let row = random.integer(0, 80); row > 0; row--) {
      seq += random.next() < 0.1 ? random.integer(1, 50) : 1;
      pass(random.next() < 0.4 ? 0 : random.integer(1, 100_000));
      const jumps = options.clockGoesBack && untoldRows === null && random.next() < 0.03;
      if (jumps) {
        nowMs -= random.integer(1_000, 3_000_000);
        untoldRows = random.next() < 0.5 ? 0 : random.integer(0, row - 1);
      }
      const isTold: boolean = untoldRows === 0;
      untoldRows = untoldRows === null || isTold ? null : untoldRows - 1;
      const next = randomRow(random, { seq, run, atMs: nowMs, monoMs, isTold });
      if (jumps || isCut) cuts.add(next);
      isCut = false;
      ofRun.push(next);
    }
    await store.commit(writeBatch({ timeline: ofRun }));
    pass(random.integer(0, 50_000));
    const isClean = random.next() < 0.5;
    const last = ofRun.at(-1);
    if (isClean && last !== undefined) ends.set(last, nowMs);
    await store.close(isClean ? { atMs: nowMs } : null);
    rows.push(...ofRun);
  }
  const reader = openTimelineReader(file);
  onTestFinished(() => reader.close());
  return { rows, cuts, ends, reader };
}

function randomRow(
  random: Random,
  { isTold, ...times }: { seq: number; run: number; atMs: number; monoMs: number; isTold: boolean },
): TimelineRow {
  const usual = TIMELINE_KINDS.filter((kind) => kind !== 'clock');
  const { seq } = times;
  const kind = isTold ? 'clock' : random.next() < 0.5 ? 'transition' : pick(random, usual);
  return timelineRow({
    ...times,
    actor: pick(random, ACTORS),
    kind,
    toState: pick(random, STATES),
    cause: seq > 1 && random.next() < 0.8 ? random.integer(Math.max(1, seq - 8), seq - 1) : null,
    incarnation: random.integer(1, 3),
  });
}

function randomFilter(random: Random, rows: readonly TimelineRow[]): TimelineFilter {
  const some = <Value>(value: () => Value) => (random.next() < 0.4 ? value() : undefined);
  const wanted = {
    actor: some(() => pick(random, ACTORS)),
    kind: some(() => pick(random, TIMELINE_KINDS)),
    sinceMs: some(() => randomTime(random, rows)),
    untilMs: some(() => randomTime(random, rows)),
    afterSeq: some(() => random.integer(0, 400)),
    limit: some(() => random.integer(0, 20)),
  };
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as TimelineFilter;
}

/** The time of a row, or a little beside it, or far away. */
function randomTime(random: Random, rows: readonly TimelineRow[]): number {
  const row = pick(random, rows) ?? timelineRow({ seq: 1 });
  return random.next() < 0.05 ? random.integer(0, 2_000_000_000) : row.atMs + random.integer(-2, 2);
}

function fits(row: TimelineRow, filter: TimelineFilter): boolean {
  return (
    (filter.actor === undefined || row.actor === filter.actor) &&
    (filter.kind === undefined || row.kind === filter.kind) &&
    row.atMs >= (filter.sinceMs ?? Number.NEGATIVE_INFINITY) &&
    row.atMs <= (filter.untilMs ?? Number.POSITIVE_INFINITY) &&
    row.seq > (filter.afterSeq ?? 0)
  );
}

function limited(rows: readonly TimelineRow[], filter: TimelineFilter): readonly TimelineRow[] {
  if (filter.limit === undefined) return rows;
  if (filter.afterSeq !== undefined) return rows.slice(0, filter.limit);
  return rows.slice(Math.max(0, rows.length - filter.limit));
}

function statesOf(rows: readonly TimelineRow[]) {
  const last = new Map<string, TimelineRow>();
  for (const row of rows) if (STATE_KINDS.includes(row.kind)) last.set(row.actor, row);
  return [...last.values()]
    .sort((a, b) => (a.actor < b.actor ? -1 : 1))
    .map((row) => ({
      actor: row.actor,
      tenant: row.tenant,
      state: row.toState,
      since_ms: row.atMs,
      seq: row.seq,
      incarnation: row.incarnation,
    }));
}

function chainOf(actor: string, until: readonly TimelineRow[], all: readonly TimelineRow[]): number[] {
  const ofActor = until.filter((row) => row.actor === actor);
  let row = ofActor.findLast((candidate) => STATE_KINDS.includes(candidate.kind)) ?? ofActor.at(-1);
  const chain: number[] = [];
  while (row !== undefined) {
    chain.unshift(row.seq);
    const { cause } = row;
    row = all.find((candidate) => candidate.seq === cause);
  }
  return chain;
}

/** Rows up to a time where the clock may have gone back: the last piece between two cuts that spans the time
 *  counts, else the one that ended last before it. A piece lasts until the next one begins, or its run ends.
 *  */
function rowsUntil(
  rows: readonly TimelineRow[],
  { cuts, ends }: Pick<RandomTimeline, 'cuts' | 'ends'>,
  atMs: number,
): readonly TimelineRow[] {
  const pieces: TimelineRow[][] = [];
  for (const row of rows) {
    const piece = pieces.at(-1);
    if (piece === undefined || cuts.has(row)) pieces.push([row]);
    else piece.push(row);
  }
  const endOf = (piece: readonly TimelineRow[]) => {
    const last = piece.at(-1) as TimelineRow;
    const next = pieces[pieces.indexOf(piece as TimelineRow[]) + 1]?.[0];
    if (next?.run === last.run) return last.atMs + next.monoMs - last.monoMs;
    return ends.get(last) ?? last.atMs;
  };
  const spanning = pieces.findLast((piece) => (piece[0]?.atMs ?? 0) <= atMs && endOf(piece) >= atMs);
  const ended = pieces.filter((piece) => endOf(piece) <= atMs).sort((a, b) => endOf(a) - endOf(b));
  const piece = spanning ?? ended.at(-1);
  const lastSeq = piece?.findLast((row) => row.atMs <= atMs)?.seq ?? 0;
  return rows.filter((row) => row.seq <= lastSeq);
}

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random.integer(0, values.length - 1)] as Value;
}
