/** One run of an engine, from start to stop: the parts, made and wired. Whatever is opened here is closed
 *  here. */

import { Subject, type Observer } from 'rxjs';
import type { Actor } from 'xstate';
import type { Exit } from '../actors/flow/exit.ts';
import { Plane } from '../actors/flow/plane.ts';
import { SourceRig } from '../actors/sources/source-rig.ts';
import { resume } from '../actors/sources/resumption.ts';
import { Spills } from '../actors/sources/spills.ts';
import { EndedHealths } from '../actors/supervision/ended-healths.ts';
import { SourceDirectory } from '../actors/supervision/source-directory.ts';
import { AlertDesk } from '../actors/timeline/alert-desk.ts';
import { DeadLetterDesk } from '../actors/timeline/dead-letter-desk.ts';
import { Journal } from '../actors/timeline/journal.ts';
import { Ledger } from '../actors/timeline/ledger.ts';
import { alertOf, logRow } from '../actors/timeline/lifecycle-rules.ts';
import type { LedgerEdge } from '../actors/timeline/recorder-port.ts';
import type { engineMachine, EngineOutput } from '../machines/engine-machine.ts';
import type { ControllerNote } from '../machines/refusals.ts';
import type { EventStore } from '../storage/event-store.ts';
import type { EngineOptions } from './config/engine-options.ts';
import { formatAddress } from './domain/address.ts';
import type { Alert } from './domain/alert.ts';
import type { Clock } from './domain/clock.ts';
import { messageOf } from './domain/errors.ts';
import type { SourceHealth, SourceState } from './domain/health.ts';
import type { Logger } from './domain/logger.ts';
import type { Random } from './domain/random.ts';
import type { IngestRecord } from './domain/record.ts';
import type { DeadLetter, DeadlineRow, TimelineRow } from './domain/timeline.ts';
import { createEngineActor, untilFinished } from './engine-actor.ts';
import { isSinksCommand, type AnyCommand, type Answer } from './pending-requests.ts';
import type { Stage } from './pipeline/stage.ts';
import { janitorPorts } from './run-janitor.ts';
import { noteThePast } from './run-past.ts';
import { createRunLetters, type RunLetters } from './run-letters.ts';
import { SinkWing } from './sink-wing.ts';

/** Where a run shows what it does; these outlive it. */
export interface RunOutputs {
  readonly exit: Exit;
  readonly rows: Observer<TimelineRow>;
  readonly alerts: Observer<Alert>;
  readonly deadLetters: Observer<DeadLetter>;
  readonly health: Observer<readonly SourceHealth[]>;
  readonly answer: Answer;
}

export interface RunOptions {
  readonly options: EngineOptions;
  readonly stages: readonly Stage[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly store: EventStore | null;
  readonly outputs: RunOutputs;
}

export class EngineRun {
  /** Resolves when the engine machine has come to its end, one way or the other. */
  readonly finished: Promise<EngineOutput>;
  readonly plane: Plane;
  readonly directory: SourceDirectory;
  readonly sinks: SinkWing;
  readonly journal: Journal;
  /** Null where nothing is stored. */
  readonly letters: RunLetters | null;
  readonly #options: RunOptions;
  readonly #actor: Actor<typeof engineMachine>;
  readonly #ledger: Ledger;
  readonly #desk: AlertDesk;
  readonly #deadLetters: DeadLetterDesk;
  readonly #spills: Spills;
  readonly #deadlines: Map<string, readonly DeadlineRow[]>;
  readonly #ended = new EndedHealths<SourceHealth>();
  #lastIncarnation: number;

  constructor(run: RunOptions) {
    const { options, clock, store, outputs, log } = run;
    this.#options = run;
    this.#lastIncarnation = store?.lastIncarnation ?? 0;
    this.#deadlines = new Map(store?.deadlines);
    const edges$ = new Subject<LedgerEdge>();
    this.#ledger = new Ledger({
      store,
      clock,
      groupCommit: options.storage.commit,
      onWritten: (rows) => {
        for (const row of rows) outputs.rows.next(row);
        this.sinks.feed?.rowsStored(rows);
      },
      onRecords: (lastRecordSeq) => this.sinks.feed?.recordsStored(lastRecordSeq),
      onGivenUp: (rows, error) => {
        log.error({ rows, ...error }, 'rows could not be written and are lost');
      },
      onFailed: (error) => edges$.next({ type: 'commit.failed', error }),
      onRecovered: (afterMs) => edges$.next({ type: 'commit.recovered', afterMs }),
      onGone: (error) => edges$.next({ type: 'part.failed', error }),
    });
    this.journal = new Journal({
      clock,
      run: store?.run ?? 1,
      lastSeq: store?.lastSeq ?? 0,
      onRow: (row) => this.#onRow(row),
    });
    this.#desk = new AlertDesk({
      clock,
      log,
      record: (alert, actorId, cause) => {
        this.journal.note({ kind: 'alert', event: alert.event, data: { ...alert }, actorId, cause });
      },
      flush: () => this.#ledger.flush(),
      onBurst: options.burst?.onBurst ?? null,
    });
    this.#desk.alerts$.subscribe(outputs.alerts);
    this.#deadLetters = new DeadLetterDesk({
      clock,
      keep: (letter, options) => this.#ledger.addDeadLetter(letter, options),
      onFailedAgain: (id, error) => this.letters?.letterReturn.failed(id, error),
      note: (actorId, data) => {
        const cause = this.journal.lastRowOf(actorId);
        this.journal.note({ kind: 'dead_letter', event: 'dead_letter', data, actorId, cause });
      },
    });
    this.#deadLetters.letters$.subscribe(outputs.deadLetters);
    this.plane = new Plane({
      clock,
      stages: run.stages,
      globalLimit: options.rateLimit?.scope === 'global' ? options.rateLimit : null,
      exit: outputs.exit,
      onPoison: ({ originalRecord, error }, stageName) => this.buryRecord(originalRecord, stageName, error),
    });
    outputs.exit.attach({ ledger: this.#ledger, keepsRecords: options.records.keep && store !== null }, () =>
      this.plane.pokeLast(),
    );
    this.#spills = new Spills({
      ...{ store, log, clock },
      ledger: this.#ledger,
      keepsRecords: options.records.keep,
      deadLetter: (record, stage, error) => this.buryRecord(record, stage, error),
    });
    this.letters = createRunLetters({
      ...{ clock, log, store, ledger: this.#ledger, journal: this.journal, plane: this.plane },
      recordsAreKept: options.records.keep,
      directory: () => this.directory,
      sinksHaveLetters: () => this.sinks.feed?.lettersQueued(),
    });
    this.directory = new SourceDirectory({
      createRig: (spec) => this.#createRig(spec),
      problemOf: (spec) => this.#spills.problemOf(spec),
      onAdmitted: (rig) => {
        this.#ledger.touch(rig);
        this.letters?.letterReturn.registered(rig.name);
      },
      onReleased: (rig) => this.#release(rig),
      answer: outputs.answer,
      note: this.#noteOf('registry'),
    });
    this.sinks = this.#createSinks();
    this.#actor = this.#createActor(edges$);
    this.finished = untilFinished(this.#actor, log);
  }

  get state(): string {
    const { value } = this.#actor.getSnapshot();
    return typeof value === 'string' ? value : (Object.values(value)[0] as string);
  }

  start(): void {
    const { store, clock } = this.#options;
    if (store !== null) noteThePast(store, clock.wallMs(), this.journal, this.#desk);
    this.#actor.start();
    this.#actor.send({ type: 'engine.start' });
    this.letters?.letterReturn.look();
  }

  send(command: AnyCommand): void {
    const { registry, sinks } = this.#actor.getSnapshot().children;
    if (isSinksCommand(command)) sinks?.send(command);
    else registry?.send(command);
  }

  /** Drains and ends. */
  async stop(deadlineMs: number): Promise<EngineOutput> {
    this.#actor.send({ type: 'engine.stop', deadlineMs });
    return this.finished;
  }

  /** Writes what is left and closes the database. To be called once `finished` has resolved. Returns how many
   *  records no drain has reached: they are lost, and whoever waits for one of them is told. */
  async close(): Promise<number> {
    const { store, clock, log } = this.#options;
    let lost = 0;
    for (const rig of this.directory.rigs()) lost += rig.giveUp();
    this.sinks.close();
    this.#spills.close();
    this.#deadLetters.close();
    this.letters?.letterReturn.close();
    const givenUp = await this.#ledger.close();
    try {
      await store?.close(givenUp > 0 ? null : { atMs: clock.wallMs() });
    } catch (error) {
      log.error(
        { error: messageOf(error) },
        'the end of the run could not be written; it will look like a crash',
      );
    }
    return lost;
  }

  /** Health of all sources that have not ended and of those that ended last, in order of registration. */
  healths(): SourceHealth[] {
    const live = Array.from(this.directory.rigs(), (rig) => rig.health());
    const ended = this.#ended.except(new Set(live.map(nameOf)));
    return [...ended, ...live].sort((one, other) => one.incarnation - other.incarnation);
  }

  /** Keeps a record that a stage or the recorder could not use. */
  buryRecord(record: IngestRecord, stage: string, error: unknown): void {
    this.#deadLetters.buryRecord(record, stage, error);
  }

  refuseUnknown(type: string, message: string): void {
    const data = { code: 'HG_OPTION_INVALID', message };
    this.journal.note({ kind: 'command', event: `${type}.refused`, data, actorId: 'registry', cause: null });
  }

  #createRig(spec: SourceRig['spec']): SourceRig {
    const { clock, options, store } = this.#options;
    const rig = new SourceRig({
      spec,
      incarnation: ++this.#lastIncarnation,
      clock,
      sourceLimit: options.rateLimit?.scope === 'source' ? options.rateLimit : null,
      onItems: (lane) => this.plane.arrive(lane),
      spill: this.#spills.of(spec),
    });
    const name = `${spec.tenant}/${spec.id}`;
    rig.cursor = store?.cursors.get(name) ?? null;
    resume(rig, this.#deadlines.get(name) ?? [], clock.wallMs());
    // What a crash cut off goes on once.
    this.#deadlines.delete(name);
    return rig;
  }

  #release(rig: SourceRig): void {
    const { tenant, id: sourceId } = rig.spec;
    if (rig.keepsPollPhase) {
      const gone = { state: rig.state, dueAtMs: null, failures: 0 };
      this.#ledger.setDeadline({ tenant, sourceId, kind: 'poll', ...gone });
    }
    this.#ledger.touch(rig);
    this.#desk.forget(rig.name);
    this.#ended.keep(rig.name, rig.health());
  }

  /** Writes the rows of a controller that are no transitions. */
  #noteOf(controller: string) {
    return (cause: object, { kind, event, data, actorId }: ControllerNote): void => {
      this.journal.note({ kind, event, data, actorId: actorId ?? controller, cause });
    };
  }

  #createSinks(): SinkWing {
    const { clock, random, log, store, options, outputs } = this.#options;
    return new SinkWing({
      ...{ clock, random, log, store },
      ledger: this.#ledger,
      deadLetters: this.#deadLetters,
      keepsRecords: options.records.keep,
      nextIncarnation: () => ++this.#lastIncarnation,
      answer: outputs.answer,
      note: this.#noteOf('sinks'),
      onDamage: (alert, rig) => this.#desk.raise(alert, rig.actorId, this.journal.lastRowOf(rig.actorId)),
    });
  }

  /** Every row comes by here: it is kept, told to the log, and may be an alert. */
  #onRow(row: TimelineRow): void {
    this.#ledger.addRow(row);
    logRow(this.#options.log, row);
    const actorId = row.incarnation === null ? row.actor : `${row.actor}#${row.incarnation}`;
    if (row.incarnation !== null && row.toState !== null) {
      const rig = this.directory.byActorId(actorId);
      if (rig !== undefined && rig.state !== row.toState) {
        rig.state = row.toState as SourceState;
        this.#ledger.touch(rig);
      }
      this.sinks.onRow(row, actorId);
    }
    const alert = alertOf(row);
    if (alert !== null) this.#desk.raise(alert, actorId, row.seq);
  }

  #createActor(edges$: Subject<LedgerEdge>): Actor<typeof engineMachine> {
    const { clock, options, outputs, random, log, store } = this.#options;
    const { directory, plane } = this;
    return createEngineActor({
      clock,
      options,
      random,
      log,
      plane,
      directory,
      sinks: this.sinks,
      edges$,
      exit: outputs.exit,
      inspect: this.journal.inspect,
      deadLetter: (rig, { stage, payload, error }, receipt) => {
        const { tenant, id: sourceId } = rig.spec;
        const isAwaited = receipt !== undefined;
        const origin = { tenant, sourceId, actorId: rig.actorId, record: null, isAwaited };
        this.#deadLetters.bury(origin, stage, payload, error, 'HG_DECODE_FAILED');
        if (receipt === undefined) return;
        this.#ledger.addParcel({
          onSettled: (outcome) => receipt.settle(outcome === 'stored' ? 'deadLettered' : 'lost'),
        });
      },
      keepDeadline: (rig, wait) => {
        const { tenant, id: sourceId } = rig.spec;
        const gone = { state: rig.state, dueAtMs: null, failures: 0 };
        this.#ledger.setDeadline({ tenant, sourceId, kind: 'wait', ...(wait ?? gone) });
      },
      keepPollPhase: ({ spec: { tenant, id: sourceId }, state }, dueAtMs) => {
        this.#ledger.setDeadline({ tenant, sourceId, kind: 'poll', state, dueAtMs, failures: 0 });
      },
      raiseBurst: (alert, rig) => {
        this.#desk.raise(alert, rig.actorId, this.journal.lastRowOf(rig.actorId));
      },
      onSample: (rows, healths) => {
        this.#ledger.addHealth(rows);
        for (const rig of directory.rigs()) if (rig.hasNews()) this.#ledger.touch(rig);
        this.sinks.sample();
        outputs.health.next(healths);
      },
      janitor: janitorPorts(store, () => this.sinks.needs(), this.journal, this.#desk),
      onClockJump: (jumpMs) => {
        const data = { jumpMs };
        this.journal.note({
          kind: 'clock',
          event: 'clock.jumped',
          data,
          actorId: 'healthMonitor',
          cause: null,
        });
      },
    });
  }
}

function nameOf({ tenant, sourceId }: SourceHealth): string {
  return formatAddress({ tenant, sourceId });
}
