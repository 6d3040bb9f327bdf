/** The sources of one run: which are registered, what each works with, where each goes on, and what is left
 *  of those that have gone. */

import { HoldOffs } from '../../actors/sources/runtime/hold-offs.ts';
import { resume } from '../../actors/sources/runtime/resume-wait.ts';
import { SourceRuntime } from '../../actors/sources/runtime/source-runtime.ts';
import { SpillRegistry } from '../../actors/sources/runtime/spill-registry.ts';
import { EndedHealth } from '../../actors/registry/ended-health.ts';
import { SourceDirectory } from '../../actors/registry/source-directory.ts';
import type { RecordOutput } from '../../actors/data-plane/record-output.ts';
import type { DataPlane } from '../../actors/data-plane/data-plane.ts';
import type { EventStore } from '../../storage/event-store.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import { addressOf, parseAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { ErrorFacts } from '../domain/errors.ts';
import type { SourceCounter, SourceHealth, SourceState } from '../domain/health.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { CursorRow, DeadlineRow, TimelineRow } from '../domain/timeline.ts';
import { LeftSessions } from './left-sessions.ts';
import { openFileProblem, ownFileProblem, ownFilesOf } from './own-file-checks.ts';
import type { Answer } from './pending-requests.ts';
import type { BalanceCounts } from './record-balance.ts';
import type { RunPersistence } from './run-persistence.ts';
import type { RunSettings } from './run-settings.ts';
import type { SinkSubsystem } from './sink-subsystem.ts';
import { NO_PLACE, sayFarewell } from './source-farewell.ts';

export interface SourceSubsystemOptions {
  readonly options: EngineOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: EventStore | null;
  readonly books: RunPersistence;
  readonly settings: RunSettings;
  readonly plane: DataPlane;
  readonly exit: Pick<RecordOutput, 'forgetCursors' | 'rememberCursors'>;
  readonly counts: BalanceCounts;
  /** The database file; null where there is none. */
  readonly file: string | null;
  readonly sinks: () => SinkSubsystem;
  readonly nextIncarnation: () => number;
  readonly countLost: (records: number) => void;
  /** A source of this name is registered now. */
  readonly onRegistered: (name: string) => void;
  readonly answer: Answer;
}

export class SourceSubsystem {
  readonly directory: SourceDirectory;
  readonly holdOffs: HoldOffs;
  readonly #options: SourceSubsystemOptions;
  readonly #spills: SpillRegistry;
  readonly #deadlines: Map<string, readonly DeadlineRow[]>;
  readonly #forgotten = new Set<string>();
  readonly #leftSessions: LeftSessions;
  readonly #ended = new EndedHealth<SourceHealth, SourceCounter>();

  constructor(sources: SourceSubsystemOptions) {
    const { options, clock, log, store, books, countLost } = sources;
    const { committer } = books;
    this.#options = sources;
    this.#deadlines = new Map(store?.deadlines);
    this.holdOffs = new HoldOffs(clock, store?.deadlines.values() ?? [], (row) => committer.setDeadline(row));
    this.#spills = new SpillRegistry({
      ...{ store, log, clock, committer },
      keepsRecords: options.records.keep,
      onLost: countLost,
      deadLetter: (record, stage, error) => books.deadLetters.addRecord(record, stage, error),
    });
    this.directory = this.#createDirectory();
    const isRegistered = (name: string) => this.directory.has(name);
    this.#leftSessions = new LeftSessions(clock, store?.cursors ?? new Map(), books, isRegistered);
  }

  /** Records on disk, and on their way there. */
  get spilledRecords(): number {
    return this.#spills.size;
  }

  /** Health of all sources that have not ended and of those that ended last, in order of registration. */
  healths(): SourceHealth[] {
    return this.#ended.healths(this.directory);
  }

  stats(): ReturnType<EndedHealth<SourceHealth, SourceCounter>['stats']> {
    return this.#ended.stats(this.directory);
  }

  /** Whether a place is kept at which a source of this name would go on. */
  hasPlace(name: string): boolean {
    const cursor = this.#options.store?.cursors.get(keyOf(parsedName(name)));
    return cursor !== undefined && cursor !== NO_PLACE;
  }

  /** Forgets where the sources of these names, which must not be registered, would go on. Resolves when that
   *  is stored. */
  forget(names: readonly string[]): Promise<void> {
    const { books, exit } = this.#options;
    const { committer } = books;
    const keys = new Set(names.map((name) => keyOf(parsedName(name))));
    exit.forgetCursors(keys);
    const cursors = names.map((name): CursorRow => {
      const { tenant, id: sourceId } = parsedName(name);
      const key = keyOf({ tenant, id: sourceId });
      // One that is registered before it is stored begins without it, too.
      this.#forgotten.add(key);
      // A sink of that id has waits of its own.
      const waits = (this.#deadlines.get(key) ?? []).filter(({ kind }) => kind !== 'sink');
      for (const wait of waits) committer.setDeadline({ ...wait, dueAtMs: null });
      this.#deadlines.delete(key);
      return { tenant, sourceId, cursor: null };
    });
    return new Promise((resolve) => {
      const onSettled = () => {
        for (const key of keys) this.#forgotten.delete(key);
        resolve();
      };
      committer.addRecords({ cursors, onSettled });
    });
  }

  /** Keeps the table up to date where sources are few; the rows of many are written at each sample, ten
   *  thousand upserts a second being more than all else that is written. */
  refresh(): void {
    if (this.directory.size <= LIMITS.refreshedSourcesMax) this.#touchChanged();
  }

  /** A sample was taken. */
  sample(): void {
    this.#touchChanged();
    this.#leftSessions.look();
  }

  /** A source is now as its row says. */
  onRow(row: TimelineRow, actorId: string): void {
    const runtime = this.directory.byActorId(actorId);
    if (runtime === undefined || runtime.state === row.toState) return;
    runtime.state = row.toState as SourceState;
    this.#options.books.committer.markDirty(runtime);
  }

  /** Gives up what waits in the outlets; what is on disk stays there. */
  close(): void {
    for (const runtime of this.directory.runtimes()) runtime.giveUp();
    this.#spills.close();
  }

  #touchChanged(): void {
    const { committer } = this.#options.books;
    for (const runtime of this.directory.runtimes()) if (runtime.isDirty()) committer.markDirty(runtime);
  }

  #createDirectory(): SourceDirectory {
    const { books, clock, log, answer, onRegistered } = this.#options;
    return new SourceDirectory({
      createRuntime: (spec) => this.#createRuntime(spec),
      problemOf: (spec) => this.#spills.problemOf(spec) ?? this.#readsOwnFile(spec),
      onAdmitted: (runtime) => {
        books.committer.markDirty(runtime);
        onRegistered(runtime.name);
      },
      onReleased: (runtime, successor) => {
        this.#release(runtime);
        if (sayFarewell(runtime, successor, { clock, log, books })) this.#forgotten.add(keyOf(runtime.spec));
      },
      answer,
      note: books.noteOf('registry'),
    });
  }

  /** Why no source may read this file now; null if one may. */
  ownFileProblem(path: string, identity: string): string | null {
    const { options, file, sinks } = this.#options;
    return openFileProblem({ path, identity }, ownFilesOf(options, file), sinks().directory.runtimes());
  }

  #readsOwnFile(spec: SourceSpec): ErrorFacts | null {
    const { options, file, sinks } = this.#options;
    return ownFileProblem(spec, ownFilesOf(options, file), sinks().directory.runtimes());
  }

  #createRuntime(spec: SourceSpec): SourceRuntime {
    const { clock, store, settings, options, plane, counts, books, countLost, nextIncarnation } =
      this.#options;
    const runtime = new SourceRuntime({
      spec,
      incarnation: nextIncarnation(),
      clock,
      sourceLimit: settings.sourceLimit,
      redact: options.redact,
      onItems: (lane) => plane.arrive(lane),
      onLost: countLost,
      onDropped: (dropping, records, by) => {
        counts.dropped += records;
        books.losses.count(dropping, 'dropped', records, { by });
      },
      spill: this.#spills.of(spec),
      tally: this.#ended.tallyOf(addressOf(spec)),
    });
    const name = keyOf(spec);
    this.#options.exit.rememberCursors(name);
    // A source whose predecessor said good-bye begins without its cursor.
    runtime.cursor = this.#forgotten.delete(name) ? null : (store?.cursors.get(name) ?? null);
    resume(runtime, this.#deadlines.get(name) ?? [], clock.wallMs());
    // A wait that a crash interrupted is resumed once.
    this.#deadlines.delete(name);
    this.holdOffs.resume(runtime);
    return runtime;
  }

  #release(runtime: SourceRuntime): void {
    const { books } = this.#options;
    books.forgetPollPhase(runtime);
    books.committer.markDirty(runtime);
    books.alerts.forget(runtime.name);
    runtime.hasEnded = true;
    this.#ended.keep(runtime);
  }
}

function parsedName(name: string): Pick<SourceSpec, 'tenant' | 'id'> {
  const { tenant, sourceId: id } = parseAddress(name);
  return { tenant, id };
}

/** As the store names it. */
function keyOf({ tenant, id }: Pick<SourceSpec, 'tenant' | 'id'>): string {
  return `${tenant}/${id}`;
}
