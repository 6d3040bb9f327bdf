/** The data plane of one run of the engine: arrivals, gate, stages and exit, wired so that fullness travels
 *  back and items travel on. Actors open and watch it; records never pass through a statechart.
 *
 *  Stages are exchanged between two records: the gate holds back until nothing is between the old ones, then
 *  the new ones take over. So every record goes through the stages of one version, in its order. */

import { Subject } from 'rxjs';
import type { Clock } from '../../src/domain/clock.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { isPoison, type PoisonRecord } from '../../src/domain/record.ts';
import type { RateLimitOptions } from '../../src/domain/source.ts';
import { StageChain, type StageReport } from '../../src/pipeline/stage-chain.ts';
import { createLimit, Gate, type Lane, type Limited } from '../../src/pipeline/gate.ts';
import { createPump, type Pump } from '../../src/pipeline/pump.ts';
import type { Stage } from '../../src/pipeline/stage.ts';
import { StageTotals } from '../../src/pipeline/stage-totals.ts';
import type { Arrival } from '../sources/runtime/source-run-ports.ts';
import type { RecordOutput } from './record-output.ts';

export interface DataPlaneOptions {
  readonly clock: Clock;
  readonly stages: readonly Stage[];
  /** A limit for all sources together. */
  readonly globalLimit: RateLimitOptions | null;
  readonly exit: RecordOutput;
  readonly onPoison: (item: PoisonRecord, stageName: string) => void;
  /** A full queue between stages dropped so many records. */
  readonly onDropped: (records: number) => void;
}

export class DataPlane {
  /** What sources put into their outlets, as it happens. */
  readonly arrivals$ = new Subject<Arrival>();
  readonly limited$ = new Subject<Limited>();
  /** A defect of the plane itself. */
  readonly failures$ = new Subject<unknown>();
  readonly #options: DataPlaneOptions;
  readonly #exit: RecordOutput;
  readonly #gate: Gate;
  readonly #pump: Pump;
  readonly #totals = new StageTotals();
  #flow: StageChain;
  /** Built and not at work yet. */
  #nextFlow: StageChain | null = null;
  /** Poison records that were made, less those that a queue dropped. */
  #poisonBetween = 0;
  #isOpen = false;
  #isHeldBack = false;
  #admitted = 0;
  #dropped = 0;

  constructor(options: DataPlaneOptions) {
    const { clock, stages, globalLimit, exit } = options;
    this.#options = options;
    this.#exit = exit;
    this.#flow = this.#build(stages);
    this.#gate = new Gate({
      clock,
      limit: globalLimit === null ? null : createLimit(globalLimit),
      onItems: () => this.#pump.wake(),
      onLimited: (event) => {
        this.#dropped += event.dropped;
        this.limited$.next(event);
      },
    });
    this.#pump = createPump(
      this.#gate,
      () => (this.#isOpen && !this.#isHeldBack ? this.#flow.budget : 0),
      (batch) => {
        this.#admitted += batch.length;
        this.#flow.push(batch);
      },
      (error) => this.failures$.next(error),
    );
  }

  /** Records the gate let through. */
  get admitted(): number {
    return this.#admitted;
  }

  /** Records the gate refused. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Items that move when the plane moves: a number that stands still while nothing does. */
  get progress(): number {
    return this.#admitted + this.#dropped + this.#exit.delivered;
  }

  /** Whether nothing is between the gate and the consumers' hands. */
  get isIdle(): boolean {
    return this.#flow.size === 0 && this.#exit.isIdle;
  }

  /** As {@link betweenStages}, without those that are dead letters already. */
  get recordsBetweenStages(): number {
    return this.#flow.size - (this.#poisonBetween - this.#exit.poisonSeen);
  }

  /** Items between the stages. */
  get betweenStages(): number {
    return this.#flow.size;
  }

  /** What the stages counted, by name, since the run began. */
  reports(): StageReport[] {
    return this.#totals.over(this.#flow.reports());
  }

  /** An outlet has items where it had none. */
  arrive(lane: Lane): void {
    this.#gate.arrive(lane);
  }

  /** A limit for all sources together, in place of the one that holds. */
  limitAll(options: RateLimitOptions | null): void {
    this.#gate.limitAll(options);
  }

  /** A limit for this source alone, in place of the one that holds. */
  limitLane(lane: Lane, options: RateLimitOptions | null): void {
    this.#gate.limitLane(lane, options);
  }

  /** Builds stages that are to take the place of those at work. Throws what building them throws, and then
   *  nothing has changed. */
  prepare(stages: readonly Stage[]): void {
    this.#nextFlow?.stop();
    this.#nextFlow = null;
    this.#nextFlow = this.#build(stages);
  }

  /** Lets nothing into the stages any more; calls once when nothing is between them, which may be at once. */
  holdBack(onEmpty: () => void): void {
    this.#isHeldBack = true;
    this.#flow.whenEmpty(onEmpty);
  }

  /** The prepared stages take over. To be called when nothing is between the old ones. */
  exchange(): void {
    const next = this.#nextFlow;
    this.#nextFlow = null;
    if (next !== null) {
      const ended = this.#flow.reports();
      this.#flow.stop();
      this.#flow = next;
      this.#totals.handOver(
        ended,
        next.reports().map(({ stageName }) => stageName),
      );
    }
    this.#goOn();
  }

  /** The stages at work stay. */
  keepStages(): void {
    this.#nextFlow?.stop();
    this.#nextFlow = null;
    this.#flow.whenEmpty(null);
    this.#goOn();
  }

  open(): void {
    this.#isOpen = true;
    this.#pump.wake();
  }

  close(): void {
    this.#isOpen = false;
    this.#pump.stop();
    this.#gate.close();
  }

  /** The exit has room again. */
  pokeLast(): void {
    this.#flow.wakeLast();
  }

  /** Looks whether batches still come through the stages; a failure where they do not. */
  probe(): void {
    const stageNames = this.#flow.probe();
    if (stageNames === null) return;
    const message = `nothing comes through the stages ${stageNames.join(', ')} any more`;
    this.failures$.next(new HeadgateError('HG_STAGE_ENDED', message));
  }

  /** Ends the stages; what is between them is lost. */
  stopStages(): void {
    this.#nextFlow?.stop();
    this.#exit.countLost(this.recordsBetweenStages);
    this.#flow.stop();
    this.#poisonBetween = this.#exit.poisonSeen;
  }

  #goOn(): void {
    this.#isHeldBack = false;
    this.#pump.wake();
  }

  #build(stages: readonly Stage[]): StageChain {
    const { exit, clock } = this.#options;
    return new StageChain({
      ...{ stages, exit, clock },
      onPoison: (item, stageName) => {
        this.#poisonBetween++;
        this.#options.onPoison(item, stageName);
      },
      onDropped: (items) => {
        const poisoned = items.filter(isPoison).length;
        this.#poisonBetween -= poisoned;
        this.#options.onDropped(items.length - poisoned);
      },
      onRoom: () => this.#pump.wake(),
      onFailure: (error) => this.failures$.next(error),
    });
  }
}
