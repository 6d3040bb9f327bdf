/** Kills the engine again and again while a broker feeds it, and judges at the end whether everything it
 *  acknowledged is in its file. The same rounds with a naive program are the negative control. */

import Database from 'better-sqlite3';
import { existsSync } from 'node:fs';
import { realClock } from '../../src/platform/real-clock.ts';
import type { HarnessChild } from './rig/child.ts';
import { startField, type Field, type Settled } from './rig/field.ts';
import { holdsWithin } from './rig/until.ts';
import { integrityOf } from './rig/verdict.ts';
import { killSchedule, type KillMoment, type TimeRange } from './kill-schedule.ts';

const MESSAGES_PER_SECOND = 700;
/** From the start of a process to its first PUBACK, on a machine that does nothing else. Where it takes
 *  longer, moments of time come as much later, or a loaded machine would have engines killed that are not up
 *  yet. */
const USUAL_RECOVERY_MS = 500;
/** A moment that has not come by then is not waited for any longer. */
const ROUND_MS_MAX = 10_000;

export interface KillOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly program: 'engine' | 'naive';
  readonly range?: TimeRange;
  readonly onRound?: (round: number, moment: KillMoment) => void;
}

export interface KillOutcome extends Settled {
  readonly rounds: number;
  /** Rounds in which the engine had been fed before it was killed. */
  readonly fedRounds: number;
  /** From the start of a process to its first PUBACK, milliseconds, one per fed round. */
  readonly recoveriesMs: readonly number[];
  /** What SQLite says of the file in the end. */
  readonly integrity: string;
}

export async function killRounds({
  seed,
  rounds,
  program,
  range,
  onRound,
}: KillOptions): Promise<KillOutcome> {
  await using field = await startField();
  const recoveriesMs: number[] = [];
  field.oracle.setRate(MESSAGES_PER_SECOND);
  for (const [round, moment] of killSchedule(seed, rounds, range).entries()) {
    onRound?.(round + 1, moment);
    const pubacks = field.ledger.pubacks;
    const startedMs = realClock.monotonicMs();
    let firstAckMs: number | null = null;
    await using child = field.start({ program });
    const slowness = Math.max(1, (recoveriesMs.at(-1) ?? 0) / USUAL_RECOVERY_MS);
    const isDue = momentIn(field, child, stretched(moment, slowness));
    const died = await holdsWithin(
      ROUND_MS_MAX,
      () => {
        if (firstAckMs === null && field.ledger.pubacks > pubacks) firstAckMs = realClock.monotonicMs();
        return !child.isRunning || isDue();
      },
      1,
    );
    if (died && !child.isRunning) throw await deathOf(child);
    await child.kill();
    if (firstAckMs !== null) recoveriesMs.push(firstAckMs - startedMs);
  }
  const engine = await field.startConnected({ program });
  const settled = await field.settle(engine);
  return {
    ...settled,
    rounds,
    fedRounds: recoveriesMs.length,
    recoveriesMs,
    integrity: integrityOf(field.file),
  };
}

async function deathOf(child: HarnessChild): Promise<Error> {
  const { code, signal, stderr } = await child.ended;
  return new Error(`the engine ended by itself (${signal ?? code}): ${stderr}`);
}

function stretched(moment: KillMoment, slowness: number): KillMoment {
  return 'ms' in moment ? { ...moment, ms: moment.ms * slowness } : moment;
}

function momentIn(field: Field, child: HarnessChild, moment: KillMoment): () => boolean {
  switch (moment.after) {
    case 'start':
      return elapsed(moment.ms);
    case 'boot': {
      let isOver: (() => boolean) | null = null;
      return () => {
        if (isOver === null && child.answers.some(({ type }) => type === 'started'))
          isOver = elapsed(moment.ms);
        return isOver?.() ?? false;
      };
    }
    case 'acks': {
      const from = field.ledger.pubacks;
      return () => field.ledger.pubacks - from >= moment.count;
    }
    case 'commits':
      return commitsOf(field.file, moment.count);
  }
}

export function elapsed(ms: number): () => boolean {
  const fromMs = realClock.monotonicMs();
  return () => realClock.monotonicMs() - fromMs >= ms;
}

/** True once so many changes of the file by other connections were seen. */
export function commitsOf(file: string, count: number): () => boolean {
  let db: Database.Database | null = null;
  let version = 0;
  let seen = 0;
  return () => {
    if (db === null) {
      if (!existsSync(file)) return false;
      db = new Database(file, { readonly: true });
      version = db.pragma('data_version', { simple: true }) as number;
    }
    const now = db.pragma('data_version', { simple: true }) as number;
    if (now !== version) seen++;
    version = now;
    if (seen < count) return false;
    db.close();
    return true;
  };
}
