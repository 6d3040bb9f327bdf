/** Makes a new version of the configuration real while the gateway runs. One version at a time; of those that
 *  wait meanwhile only the newest has its turn. A version that is invalid changes nothing; one of which a
 *  part fails is taken back, step by step, and the old one goes on. Each leaves its rows in the timeline:
 *  what it was to change, and what became of it; the commands it led to are caused by the first of them. */

import type { Clock } from '../domain/clock.ts';
import { errorFacts, messageOf } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';
import { changeSteps, type ChangeableEngine, type ChangeStep } from './change-steps.ts';
import { comparing, isSameConfig, type ConfigDifference } from './compare.ts';
import type { ConfigProblem, ReloadOrigin, ReloadOutcome } from './gateway-control.ts';
import { isProblems, type PreparedConfig } from './prepared-config.ts';
import { mapInPieces, runInTurns, type Pause } from './turns.ts';

export interface ReloadRequest {
  readonly origin: ReloadOrigin;
  /** Whoever asked, by name. */
  readonly by?: string;
  /** The version, read when its turn comes, or what is wrong with it. A throw fails the reload. */
  readonly prepare: (running: PreparedConfig) => Promise<Prepared> | Prepared;
  /** Makes it last, where it is to; the last thing done. A throw takes the version back. */
  readonly persist?: () => void;
  /** Requests with the same key read the same file: the newest answers for those that wait. */
  readonly key?: string;
}

type Prepared = PreparedConfig | readonly ConfigProblem[];

export interface ReloadPorts {
  readonly clock: Clock;
  /** Gives the event loop a turn. Default: by the clock. */
  readonly pause?: Pause;
  readonly log: Logger;
  readonly engine: ChangeableEngine;
  readonly started: PreparedConfig;
  /** Takes secrets out of messages about problems. */
  readonly mask: (text: string) => string;
  /** The version runs now, and `row` says so: what is no part of the engine follows it. Must not throw. */
  readonly onApplied: (next: PreparedConfig, row: number | null) => void;
  /** The version ran in part and was taken back: what it added may have left something. Must not throw. */
  readonly onTakenBack?: (next: PreparedConfig) => void;
  /** Steps to what is beside the engine. Taken last. */
  readonly besideEngine?: (next: PreparedConfig) => readonly ChangeStep[];
  /** Whether the cursor of a sink that is not configured is kept. */
  readonly isKept: (address: string) => boolean;
}

export interface Reloader {
  readonly running: PreparedConfig;
  /** Rises by one with every change that was applied. */
  readonly version: number;
  readonly last: ReloadOutcome | null;
  /** Reloads so far, by outcome. */
  readonly counts: Readonly<Record<ReloadOutcome['outcome'], number>>;
  /** Never rejects. */
  reload(request: ReloadRequest): Promise<ReloadOutcome>;
}

interface Waiting {
  readonly request: ReloadRequest;
  readonly answer: (outcome: ReloadOutcome | Promise<ReloadOutcome>) => void;
}

/** Entries of a difference, and problems, that a row of the timeline repeats. */
const ROW_ENTRIES_MAX = 100;

export function createReloader(ports: ReloadPorts): Reloader {
  return new SerialReloader(ports);
}

class SerialReloader implements Reloader {
  readonly #ports: ReloadPorts;
  #running: PreparedConfig;
  #version = 1;
  #last: ReloadOutcome | null = null;
  readonly #counts = { applied: 0, unchanged: 0, refused: 0, failed: 0 };
  /** The file, as it was read last, was refused or could not be made real. */
  #isFileRefused = false;
  #isBusy = false;
  #waiting: Waiting | null = null;

  constructor(ports: ReloadPorts) {
    this.#ports = ports;
    this.#running = ports.started;
  }

  get running(): PreparedConfig {
    return this.#running;
  }

  get version(): number {
    return this.#version;
  }

  get last(): ReloadOutcome | null {
    return this.#last;
  }

  get counts(): Reloader['counts'] {
    return this.#counts;
  }

  reload(request: ReloadRequest): Promise<ReloadOutcome> {
    const outcome = new Promise<ReloadOutcome>((resolve) => {
      const before = this.#waiting;
      this.#waiting = { request, answer: resolve };
      if (before !== null) this.#supersede(before, request, () => outcome);
    });
    if (!this.#isBusy) void this.#work();
    return outcome;
  }

  #supersede(before: Waiting, by: ReloadRequest, outcome: () => Promise<ReloadOutcome>): void {
    const isSame = before.request.key !== undefined && before.request.key === by.key;
    if (isSame) queueMicrotask(() => before.answer(outcome()));
    else before.answer(this.#outcome(before.request, 'refused', { problems: [SUPERSEDED] }));
  }

  async #work(): Promise<void> {
    this.#isBusy = true;
    for (let next = this.#take(); next !== null; next = this.#take()) {
      next.answer(await this.#reloadNow(next.request));
    }
    this.#isBusy = false;
  }

  #take(): Waiting | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }

  async #reloadNow(request: ReloadRequest): Promise<ReloadOutcome> {
    let outcome: ReloadOutcome;
    try {
      const next = await request.prepare(this.#running);
      outcome = isProblems(next) ? this.#refuse(request, next) : await this.#change(request, next);
    } catch (error) {
      outcome = this.#fail(request, { changes: [], needsRestart: [] }, [problemAt('', error)]);
    }
    this.#last = outcome;
    this.#counts[outcome.outcome] += 1;
    const isAccepted = outcome.outcome === 'applied' || outcome.outcome === 'unchanged';
    if (isOfFile(request) || (isAccepted && request.persist !== undefined)) this.#isFileRefused = !isAccepted;
    return outcome;
  }

  async #change(request: ReloadRequest, next: PreparedConfig): Promise<ReloadOutcome> {
    const { engine, started } = this.#ports;
    const running = this.#running;
    const pause = this.#ports.pause ?? (() => this.#ports.clock.sleep(0));
    const difference = await runInTurns(comparing(running.config, next.config, started.config), pause);
    if (isSameConfig(running.config, next.config, difference)) {
      const problems = this.#persist(request);
      if (problems.length > 0) return this.#fail(request, difference, problems);
      this.#ports.log.info({ origin: request.origin }, 'the configuration says what runs already');
      // One that was refused has been taken back by hand.
      if (this.#isFileRefused && (isOfFile(request) || request.persist !== undefined))
        this.#note('config.unchanged', { ...askedBy(request), version: this.#version, digest: next.digest });
      return this.#outcome(request, 'unchanged', difference);
    }
    const seq = this.#note('config.applying', {
      ...{ ...askedBy(request), version: this.#version + 1, digest: next.digest },
      ...boundedDifference(difference),
    });
    const by = seq === null ? {} : { cause: seq };
    const steps = changeSteps(engine, running, next, difference.changes, this.#ports.isKept);
    const beside = this.#ports.besideEngine?.(next) ?? [];
    const { done, problems } = await applyAll([...steps, beside], by, pause);
    if (problems.length === 0) problems.push(...this.#persist(request));
    if (problems.length > 0) {
      problems.push(...(await rollBack(done, by, pause)));
      this.#ports.onTakenBack?.(next);
      return this.#fail(request, difference, problems);
    }
    this.#running = next;
    this.#version += 1;
    const applied = { ...askedBy(request), version: this.#version, digest: next.digest };
    this.#ports.onApplied(next, this.#note('config.applied', applied, by));
    this.#tellApplied(request, difference);
    return this.#outcome(request, 'applied', difference);
  }

  #persist({ persist }: ReloadRequest): ConfigProblem[] {
    try {
      persist?.();
      return [];
    } catch (error) {
      return [{ ...problemAt('', error), message: `the file could not be replaced: ${messageOf(error)}` }];
    }
  }

  #refuse(request: ReloadRequest, problems: readonly ConfigProblem[]): ReloadOutcome {
    this.#note('config.refused', { ...askedBy(request), ...this.#boundedProblems(problems) });
    const next = 'mend what is named and reload; the version before goes on';
    this.#ports.log.warn(
      { origin: request.origin, problems, next },
      'the new configuration is invalid and was refused',
    );
    return this.#outcome(request, 'refused', { problems });
  }

  #fail(
    request: ReloadRequest,
    difference: ConfigDifference,
    problems: readonly ConfigProblem[],
  ): ReloadOutcome {
    this.#note('config.failed', { ...askedBy(request), ...this.#boundedProblems(problems) });
    const next = 'what had been changed was taken back and the version before goes on; mend it and reload';
    this.#ports.log.error(
      { origin: request.origin, problems, next },
      'a part of the new configuration could not be made real',
    );
    return this.#outcome(request, 'failed', { ...difference, problems });
  }

  #tellApplied({ origin }: ReloadRequest, { changes, needsRestart }: ConfigDifference): void {
    const { log } = this.#ports;
    const shown = changes.slice(0, ROW_ENTRIES_MAX);
    const facts = { origin, version: this.#version, changes: shown, changesTotal: changes.length };
    log.info(facts, 'the new configuration runs');
    if (needsRestart.length === 0) return;
    const next = 'restart the gateway to make them count';
    log.warn({ origin, needsRestart, next }, 'some settings count only from the next start on');
  }

  /** Null where the engine takes no notes: it is on its way down. */
  #note(event: `config.${string}`, data: Readonly<Record<string, unknown>>, by: By = {}): number | null {
    try {
      return this.#ports.engine.noteConfig({ event, data }, by);
    } catch (error) {
      this.#ports.log.debug({ event, error: messageOf(error) }, 'the timeline takes no more rows');
      return null;
    }
  }

  /** Without secrets: the rows of refused versions are alerts, too. */
  #boundedProblems(problems: readonly ConfigProblem[]) {
    const rows = problems.slice(0, ROW_ENTRIES_MAX).map(({ line, column, path, message }) => ({
      ...{ line, column, path },
      message: this.#ports.mask(message),
    }));
    return { problems: rows, ...(problems.length > rows.length ? { problemsTotal: problems.length } : {}) };
  }

  #outcome(
    { origin }: ReloadRequest,
    outcome: ReloadOutcome['outcome'],
    particulars: Partial<ReloadOutcome>,
  ): ReloadOutcome {
    const atMs = this.#ports.clock.wallMs();
    const nothing = { changes: [], problems: [], needsRestart: [] };
    const whole = { ...nothing, ...particulars, atMs, origin, outcome, version: this.#version };
    const problems = whole.problems.map((one) => ({ ...one, message: this.#ports.mask(one.message) }));
    return { ...whole, problems };
  }
}

const SUPERSEDED: ConfigProblem = {
  ...{ file: null, line: null, column: null, path: '' },
  message: 'a newer version came before this one had its turn; read the configuration and send yours again',
};

type Groups = readonly (readonly ChangeStep[])[];
type By = Parameters<ChangeStep['apply']>[0];

/** Takes group after group, up to the first in which a step fails. */
async function applyAll(
  groups: Groups,
  by: By,
  pause: Pause,
): Promise<{ readonly done: ChangeStep[][]; readonly problems: ConfigProblem[] }> {
  const done: ChangeStep[][] = [];
  const problems: ConfigProblem[] = [];
  for (const group of groups) {
    const results = await settleAll(group, async (step) => step.apply(by), pause);
    done.push(group.filter((_, index) => results[index]?.status === 'fulfilled'));
    problems.push(...failures(group, results));
    if (problems.length > 0) break;
  }
  return { done, problems };
}

/** Takes back what was done, last first. Returns what could not be taken back. */
async function rollBack(done: Groups, by: By, pause: Pause): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const group of done.toReversed()) {
    const results = await settleAll(group, async (step) => step.revert(by), pause);
    for (const problem of failures(group, results)) {
      const message = `could not be taken back: ${problem.message}; restart the gateway`;
      problems.push({ ...problem, message });
    }
  }
  return problems;
}

/** Begins the steps side by side, some in each turn of the event loop, and waits for all of them. */
async function settleAll(
  group: readonly ChangeStep[],
  command: (step: ChangeStep) => Promise<unknown>,
  pause: Pause,
): Promise<readonly PromiseSettledResult<unknown>[]> {
  const settle = async (step: ChangeStep) => (await Promise.allSettled([command(step)]))[0];
  const begun = await runInTurns(mapInPieces(group, LIMITS.configStepsPerTurn, settle), pause);
  const results = await Promise.all(begun);
  // The group after it begins in a turn of its own.
  if (group.length > LIMITS.configStepsPerTurn) await pause();
  return results;
}

function failures(group: readonly ChangeStep[], results: readonly PromiseSettledResult<unknown>[]) {
  return results.flatMap((result, index) =>
    result.status === 'rejected' ? [problemAt(group[index]?.path ?? '', result.reason)] : [],
  );
}

function problemAt(path: string, error: unknown): ConfigProblem {
  const { code, message } = errorFacts(error, 'HG_ENGINE_STATE');
  return { file: null, line: null, column: null, path, message: `${message} (${code})` };
}

function boundedDifference({ changes, needsRestart }: ConfigDifference) {
  return {
    changes: changes.slice(0, ROW_ENTRIES_MAX),
    ...(changes.length > ROW_ENTRIES_MAX ? { changesTotal: changes.length } : {}),
    needsRestart: needsRestart.slice(0, ROW_ENTRIES_MAX),
  };
}

/** What rows about a reload say of its origin; `persisted` where it is to be written to the file. */
function askedBy({ origin, by, persist }: ReloadRequest) {
  return {
    origin,
    ...(by === undefined ? {} : { by }),
    ...(persist === undefined ? {} : { persisted: true }),
  };
}

/** Whether the version is what the file says. */
function isOfFile({ origin }: ReloadRequest): boolean {
  return origin === 'file' || origin === 'signal';
}
