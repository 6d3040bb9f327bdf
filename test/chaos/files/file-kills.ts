/** Kills (SIGKILL) an engine with a file source again and again, while this process appends to the file,
 *  rotates it and destroys it, also between two engines. The verdict is that of the scripts: every line once,
 *  or an alert that names where the missing ones began. */

import Database from 'better-sqlite3';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, type Random } from '../../../src/domain/random.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { startChild, type HarnessChild } from '../rig/child.ts';
import { holdsWithin, until, within } from '../rig/until.ts';
import { damageOf, integrityOf } from '../rig/verdict.ts';
import { commitsOf, elapsed } from '../kill-rounds.ts';
import { pick, unexplained, weighted } from './file-script.ts';
import { FileWorld, idOf, SCHEMES, type Format, type Scheme } from './file-world.ts';

export interface FileKillsOptions {
  readonly seed: number;
  readonly kills: number;
  /** `forgetful` begins at the end of the file each time: the control. */
  readonly reader: 'engine' | 'forgetful';
  /** Drawn where left out. */
  readonly scheme?: Scheme;
  readonly onKill?: (kill: number, moment: string) => void;
}

export interface FileKillsReport {
  readonly kills: number;
  /** Kills that hit a source that was registered. */
  readonly atWork: number;
  readonly lines: number;
  readonly stored: number;
  /** Lines that were destroyed before they were stored. */
  readonly missing: number;
  readonly alerts: number;
  readonly problems: readonly string[];
}

const FORMATS: readonly Format[] = ['text', 'ndjson', 'csv'];
/** Kills of one folder; each folder has a scheme of rotation, a format and a database of its own. */
const KILLS_PER_FOLDER = 10;
const START_MS_MAX = 600;
const BOOT_MS_MAX = 150;
const COMMITS_MAX = 6;
const GAP_MS_MAX = 40;
/** A moment that has not come by then is not waited for any longer. */
const ROUND_MS_MAX = 5_000;
const READY_MS_MAX = 20_000;
const SETTLED_SHARE = 0.3;
const DOWN_STEPS_MAX = 3;
const STORY_STEPS_MAX = 30;
const PROBLEMS_PER_FOLDER_MAX = 2;

type Step = readonly [name: string, weight: number, act: (world: FileWorld, random: Random) => void];

const STEPS: readonly Step[] = [
  ['write', 12, (world, random) => world.write(random.integer(1, 6))],
  ['rotate', 3, (world) => world.rotate()],
  ['compress', 1, (world) => world.compress()],
];
const DESTRUCTIVE: readonly Step[] = [
  ['truncate', 0.5, (world) => world.truncate()],
  ['rewrite', 0.5, (world) => world.rewrite(true)],
  ['replace', 0.5, (world) => world.rewrite(false)],
  ['remove', 0.5, (world) => world.remove()],
];

interface Moment {
  readonly name: string;
  /** Whether it has come; made when the process is started. */
  due(child: HarnessChild, database: string): () => boolean;
}

interface Stored {
  readonly ids: readonly number[];
  readonly alerts: readonly { event: string; details: Record<string, unknown> }[];
}

export async function fileKills(options: FileKillsOptions): Promise<FileKillsReport> {
  const sum = { kills: 0, atWork: 0, lines: 0, stored: 0, missing: 0, alerts: 0 };
  const problems: string[] = [];
  for (let folder = 0; sum.kills < options.kills; folder++) {
    const kills = Math.min(KILLS_PER_FOLDER, options.kills - sum.kills);
    await using session = new Session(options, folder);
    await session.begin();
    for (let kill = 1; kill <= kills; kill++) {
      const moment = await session.kill();
      options.onKill?.(sum.kills + kill, moment);
    }
    const outcome = await session.end();
    sum.kills += kills;
    sum.atWork += session.atWork;
    sum.lines += outcome.lines;
    sum.stored += outcome.stored;
    sum.missing += outcome.missing;
    sum.alerts += outcome.alerts;
    const told = outcome.problems.slice(0, PROBLEMS_PER_FOLDER_MAX);
    problems.push(...told.map((problem) => `${session.name}: ${problem} (${session.story})`));
  }
  return { ...sum, problems };
}

/** One folder of files, its database, and the engines that read it one after the other. */
class Session {
  atWork = 0;
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'headgate-file-kills-'));
  readonly #random: Random;
  readonly #world: FileWorld;
  readonly #database: string;
  readonly #steps: readonly Step[];
  readonly #isForgetful: boolean;
  readonly #story: string[] = [];
  #engines = 0;
  #child: HarnessChild | null = null;

  constructor({ seed, reader, scheme }: FileKillsOptions, folder: number) {
    this.#random = seededRandom(`file kills ${seed} ${folder}`);
    const [format, drawn] = [pick(FORMATS, this.#random), pick(SCHEMES, this.#random)];
    const files = join(this.#folder, 'files');
    this.#world = new FileWorld(files, this.#random.fork('world'), format, scheme ?? drawn, true);
    this.#database = join(this.#folder, 'edge.db');
    this.#steps = this.#random.next() < 0.5 ? STEPS : [...STEPS, ...DESTRUCTIVE];
    this.#isForgetful = reader === 'forgetful';
    this.name = `folder ${folder}, ${scheme ?? drawn} ${format}`;
  }

  get story(): string {
    return this.#story.slice(-STORY_STEPS_MAX).join(' ');
  }

  /** Until a first record is stored there is no place to go back to. */
  async begin(): Promise<void> {
    this.#world.write(this.#random.integer(1, 5));
    const child = this.#start();
    await child.answered('registered');
    if (!this.#isForgetful) await this.#settled();
    await child.kill();
  }

  #start(): HarnessChild {
    const { path, format, archive } = this.#world;
    this.#engines++;
    this.#child = startChild('file', {
      ...{ file: this.#database, path, format, rotated: [archive] },
      startAt: this.#isForgetful ? 'end' : 'beginning',
      sourceId: this.#isForgetful ? `file-${this.#engines}` : 'file',
    });
    return this.#child;
  }

  /** One engine, from its start to its kill. */
  async kill(): Promise<string> {
    for (let left = this.#random.integer(0, DOWN_STEPS_MAX); left > 0; left--) this.#step();
    const moment = drawMoment(this.#random);
    const isSettled = this.#random.next() < SETTLED_SHARE;
    const child = this.#start();
    const isDue = moment.due(child, this.#database);
    const deadlineMs = realClock.monotonicMs() + ROUND_MS_MAX;
    let nextMs = 0;
    while (child.isRunning && !isDue() && realClock.monotonicMs() < deadlineMs) {
      if (realClock.monotonicMs() >= nextMs) {
        this.#step();
        nextMs = realClock.monotonicMs() + this.#random.integer(0, GAP_MS_MAX);
      }
      await realClock.sleep(1);
    }
    if (!child.isRunning) throw await deathOf(child);
    const isAtWork = child.answers.some(({ type }) => type === 'registered');
    if (isAtWork) this.atWork++;
    if (isAtWork && isSettled && !this.#isForgetful) await this.#settled();
    await child.kill();
    this.#story.push('KILL');
    return moment.name;
  }

  #step(): void {
    const [name, , act] = weighted(this.#steps, this.#random);
    this.#story.push(name);
    act(this.#world, this.#random);
  }

  /** Writes lines until the last one is stored: the reader has then seen all there was before it. */
  async #settled(): Promise<void> {
    await until('the last line is stored', READY_MS_MAX, () => this.#isCaughtUp());
    this.#world.looks++;
    this.#story.push('settled');
  }

  #isCaughtUp(): boolean {
    if (this.#world.lines.at(-1)?.content.isDestroyed !== false) this.#world.write(1);
    const last = this.#world.lines.at(-1)?.id;
    return readStored(this.#database, this.#world.format).ids.includes(last ?? 0);
  }

  /** Lets one more engine read all there is, stops it in order, and judges. */
  async end(): Promise<Omit<FileKillsReport, 'kills' | 'atWork'>> {
    const child = this.#start();
    await child.answered('registered');
    const problems: string[] = [];
    const isAlive = await holdsWithin(READY_MS_MAX, () => {
      if (this.#isForgetful) this.#world.write(1);
      const { ids } = readStored(this.#database, this.#world.format);
      return this.#isForgetful ? ids.length > 0 : this.#isCaughtUp();
    });
    if (!isAlive) problems.push('a fresh line is not stored');
    child.signal('SIGTERM');
    const { code } = await within(READY_MS_MAX, 'the engine stops', child.ended);
    if (code !== 0) problems.push(`the engine cannot stop: exit code ${code}`);
    const integrity = integrityOf(this.#database);
    if (integrity !== 'ok') problems.push(`the database is damaged: ${integrity}`);
    problems.push(...(await damageOf([this.#database])));
    const stored = readStored(this.#database, this.#world.format);
    const { lines } = this.#world;
    const missing = lines.length - new Set(stored.ids).size;
    problems.push(...judge(this.#world, stored));
    return {
      lines: lines.length,
      stored: stored.ids.length,
      missing,
      alerts: stored.alerts.length,
      problems,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function drawMoment(random: Random): Moment {
  const kind = random.integer(0, 2);
  if (kind === 0) {
    const ms = random.integer(0, START_MS_MAX);
    return { name: `${ms} ms after the start`, due: () => elapsed(ms) };
  }
  if (kind === 1) {
    const ms = random.integer(0, BOOT_MS_MAX);
    return { name: `${ms} ms after the boot`, due: (child) => afterBoot(child, ms) };
  }
  const commits = random.integer(1, COMMITS_MAX);
  return { name: `after ${commits} commits`, due: (_, database) => commitsOf(database, commits) };
}

function afterBoot(child: HarnessChild, ms: number): () => boolean {
  let isOver: (() => boolean) | null = null;
  return () => {
    if (isOver === null && child.answers.some(({ type }) => type === 'registered')) isOver = elapsed(ms);
    return isOver?.() ?? false;
  };
}

async function deathOf(child: HarnessChild): Promise<Error> {
  const { code, signal, stderr } = await child.ended;
  return new Error(`the engine ended by itself (${signal ?? code}): ${stderr}`);
}

function readStored(database: string, format: Format): Stored {
  if (!existsSync(database)) return { ids: [], alerts: [] };
  const db = new Database(database, { readonly: true });
  try {
    const rows = db.prepare('SELECT data FROM records ORDER BY seq').all() as { data: string }[];
    const alerts = db.prepare("SELECT event, data FROM alerts WHERE event LIKE 'FILE_%'").all() as {
      event: string;
      data: string;
    }[];
    return {
      ids: rows.map(({ data }) => idOf(JSON.parse(data), format)),
      alerts: alerts.map(({ event, data }) => ({ event, details: detailsOf(data) })),
    };
  } finally {
    db.close();
  }
}

function detailsOf(data: string): Record<string, unknown> {
  return (JSON.parse(data) as { details?: Record<string, unknown> }).details ?? {};
}

function judge(world: FileWorld, { ids, alerts }: Stored): string[] {
  const problems: string[] = [];
  const seen = new Set<number>();
  for (const id of ids) {
    if (!(id >= 1 && id <= world.lines.length)) problems.push(`a record that no line was: ${id}`);
    else if (seen.has(id)) problems.push(`line ${id} is stored twice`);
    seen.add(id);
  }
  if (world.destroyed === 0 && alerts.length > 0) {
    problems.push(`a false alert: ${JSON.stringify(alerts[0])}`);
  }
  const missing = world.lines.filter(({ id }) => !seen.has(id));
  for (const content of new Set(missing.map((line) => line.content))) {
    // What was known of, was looked at.
    if (content.lines.some(({ id }) => seen.has(id))) content.wasUnseen = false;
    problems.push(...unexplained(world, content, seen, alerts));
  }
  return problems;
}
