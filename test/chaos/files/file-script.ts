/** One script: writes, rotations, truncations, rewrites, restarts and kills drawn from a seed, and the
 *  verdict of the oracle: every line once, or an alert that names the file and an offset before the first
 *  line missing. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../src/domain/errors.ts';
import { seededRandom, type Random } from '../../../src/domain/random.ts';
import { FileReader, type AlterCursor, type SeenAlert } from './file-reader.ts';
import { FileWorld, idOf, SCHEMES, type Content, type Format, type Line } from './file-world.ts';

export interface ScriptOutcome {
  readonly seed: number;
  readonly lines: number;
  readonly missing: number;
  readonly alerts: number;
  readonly destroyed: number;
  readonly problems: readonly string[];
  readonly steps: readonly string[];
}

const FORMATS: readonly Format[] = ['text', 'ndjson', 'csv'];
const STEPS_MAX = 24;
/** Polls after which a reader has read what is there, however many files that is. */
const SETTLE_POLLS = 4;

type Step = readonly [name: string, weight: number, act: (script: Script) => void | Promise<void>];

interface Script {
  readonly world: FileWorld;
  readonly reader: FileReader;
  readonly random: Random;
}

const STEPS: readonly Step[] = [
  ['write', 8, ({ world, random }) => world.write(random.integer(1, 6))],
  ['poll', 5, ({ reader }) => reader.poll()],
  ['rotate', 4, ({ world }) => world.rotate()],
  ['compress', 2, ({ world }) => world.compress()],
  ['late', 1, ({ world }) => world.writeLate()],
  ['commit', 2, ({ reader, random }) => reader.commit(random.next())],
  ['restart', 1, ({ reader }) => reader.stop()],
  ['kill', 2, ({ reader }) => reader.kill()],
  ['block', 1, ({ reader, random }) => reader.block(random.integer(0, 4))],
  ['unblock', 1, ({ reader }) => reader.unblock()],
];

const DESTRUCTIVE: readonly Step[] = [
  ['truncate', 1, ({ world }) => world.truncate()],
  ['rewrite', 2, ({ world }) => world.rewrite(true)],
  ['replace', 1, ({ world }) => world.rewrite(false)],
  ['remove', 1, ({ world }) => world.remove()],
  ['removeOldest', 1, ({ world }) => world.removeOldest()],
];

export async function runScript(seed: number, alterCursor?: AlterCursor): Promise<ScriptOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-files-'));
  const random = seededRandom(`files ${seed}`);
  const scheme = pick(SCHEMES, random);
  const world = new FileWorld(folder, random.fork('world'), pick(FORMATS, random), scheme);
  const reader = new FileReader(world, alterCursor);
  const isDestructive = random.next() < 0.5;
  const steps = [`${scheme} ${world.format}`];
  try {
    world.write(random.integer(1, 5));
    await reader.start();
    // Until a first record is stored there is no place to go back to.
    reader.commit(1);
    const table = isDestructive ? [...STEPS, ...DESTRUCTIVE] : STEPS;
    for (let left = random.integer(4, STEPS_MAX); left > 0; left--) {
      const [name, , act] = weighted(table, random);
      steps.push(name);
      await act({ world, reader, random });
    }
    await settle(world, reader);
    await reader.stop();
    return judge(seed, world, reader, steps);
  } finally {
    await reader.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lets the reader read all there is, over one more restart. */
async function settle(world: FileWorld, reader: FileReader): Promise<void> {
  world.write(2);
  for (let runs = 0; runs < 2; runs++) {
    await reader.unblock();
    for (let polls = 0; polls < SETTLE_POLLS; polls++) await reader.poll();
    await reader.stop();
  }
}

export function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[random.integer(0, items.length - 1)] as Item;
}

export function weighted<Item extends readonly [string, number, ...unknown[]]>(
  steps: readonly Item[],
  random: Random,
): Item {
  let left = random.next() * steps.reduce((sum, [, weight]) => sum + weight, 0);
  return steps.find(([, weight]) => (left -= weight) < 0) ?? (steps[0] as Item);
}

function judge(seed: number, world: FileWorld, reader: FileReader, steps: readonly string[]): ScriptOutcome {
  const ids = reader.seen.map(({ value }) => idOf(value, world.format));
  const problems: string[] = [];
  const seen = new Set<number>();
  for (const id of ids) {
    if (!(id >= 1 && id <= world.lines.length)) problems.push(`a record that no line was: ${id}`);
    else if (seen.has(id)) problems.push(`line ${id} came twice`);
    seen.add(id);
  }
  if (reader.crash !== null) problems.push(`the source ended: ${messageOf(reader.crash)}`);
  if (reader.deadLetters.length > 0) problems.push(`${reader.deadLetters.length} lines are dead letters`);
  const missing = world.lines.filter(({ id }) => !seen.has(id));
  for (const content of new Set(missing.map((line) => line.content))) {
    problems.push(...unexplained(world, content, seen, reader.alerts));
  }
  const { alerts } = reader;
  if (world.destroyed === 0 && alerts.length > 0) {
    problems.push(`a false alert: ${JSON.stringify(alerts[0])}`);
  }
  const { destroyed } = world;
  return {
    ...{ seed, lines: world.lines.length, missing: missing.length, alerts: alerts.length, destroyed },
    ...{ problems, steps },
  };
}

/** What is missing of a content must have been destroyed, and must be covered by an alert that names the file
 *  that was followed, and where the reading ended: in this content, or in one before it if nothing of this
 *  one was read. */
export function unexplained(
  { path: followed, lines }: Pick<FileWorld, 'path' | 'lines'>,
  content: Content,
  seen: ReadonlySet<number>,
  alerts: readonly Pick<SeenAlert, 'event' | 'details'>[],
): string[] {
  const first = content.lines.find(({ id }) => !seen.has(id));
  if (first === undefined) return [];
  if (content.wasUnseen) return [];
  if (!content.isDestroyed) return [`line ${first.id} is missing, and its file was there`];
  const wasBegun = content.lines.some(({ id }) => seen.has(id));
  const ends = wasBegun ? [first.offset] : endsBefore(first, lines, seen);
  const isNamed = alerts.some(({ event, details }) => {
    const { path, offset } = details;
    const isLoss = event === 'FILE_LOST' || event === 'FILE_REWRITTEN';
    return isLoss && path === followed && ends.includes(Number(offset));
  });
  return isNamed ? [] : [`line ${first.id} at offset ${first.offset} is missing without an alert`];
}

/** Where the reading of the contents before that of `first` ended. */
function endsBefore(first: Line, lines: readonly Line[], seen: ReadonlySet<number>): number[] {
  const contents = new Set(lines.slice(0, first.id - 1).map(({ content }) => content));
  return [...contents].map((content) => {
    const last = content.lines.findLastIndex(({ id }) => seen.has(id));
    return last < 0 ? 0 : (content.lines[last + 1]?.offset ?? content.bytes);
  });
}
