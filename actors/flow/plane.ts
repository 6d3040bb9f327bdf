/** The data plane of one run of the engine: arrivals, gate, stages and exit, wired so that fullness travels
 *  back and items travel on. Actors open and watch it; records never pass through a statechart. */

import { Subject } from 'rxjs';
import type { Clock } from '../../src/domain/clock.ts';
import type { PoisonRecord } from '../../src/domain/record.ts';
import type { RateLimitOptions } from '../../src/domain/source.ts';
import { Flow } from '../../src/pipeline/flow.ts';
import { createLimit, Gate, type Lane, type Limit } from '../../src/pipeline/gate.ts';
import { createPump, type Pump } from '../../src/pipeline/pump.ts';
import type { Stage } from '../../src/pipeline/stage.ts';
import type { Arrival } from '../sources/intake.ts';
import type { Exit } from './exit.ts';

export interface PlaneOptions {
  readonly clock: Clock;
  readonly stages: readonly Stage[];
  /** A limit for all sources together. */
  readonly globalLimit: RateLimitOptions | null;
  readonly exit: Exit;
  readonly onPoison: (item: PoisonRecord, stageName: string) => void;
}

/** A limit was reached; `dropped` records were refused for it. */
export interface Limited {
  readonly limit: Limit;
  readonly dropped: number;
}

export class Plane {
  /** What sources put into their outlets, as it happens. */
  readonly arrivals$ = new Subject<Arrival>();
  readonly limited$ = new Subject<Limited>();
  /** A defect of the plane itself. */
  readonly failures$ = new Subject<unknown>();
  readonly flow: Flow;
  readonly #exit: Exit;
  readonly #gate: Gate;
  readonly #pump: Pump;
  #isOpen = false;
  #admitted = 0;
  #dropped = 0;

  constructor(options: PlaneOptions) {
    const { clock, stages, globalLimit, exit } = options;
    this.#exit = exit;
    this.flow = new Flow({
      stages,
      exit,
      clock,
      onPoison: options.onPoison,
      onRoom: () => this.#pump.poke(),
      onFailure: (error) => this.failures$.next(error),
    });
    this.#gate = new Gate({
      clock,
      limit: globalLimit === null ? null : createLimit(globalLimit),
      onItems: () => this.#pump.poke(),
      onLimited: (limit, dropped) => {
        this.#dropped += dropped;
        this.limited$.next({ limit, dropped });
      },
    });
    this.#pump = createPump(
      this.#gate,
      () => (this.#isOpen ? this.flow.budget : 0),
      (batch) => {
        this.#admitted += batch.length;
        this.flow.push(batch);
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
    return this.flow.size === 0 && this.#exit.isIdle;
  }

  /** An outlet has items where it had none. */
  arrive(lane: Lane): void {
    this.#gate.arrive(lane);
  }

  open(): void {
    this.#isOpen = true;
    this.#pump.poke();
  }

  close(): void {
    this.#isOpen = false;
    this.#pump.stop();
    this.#gate.close();
  }

  /** The exit has room again. */
  pokeLast(): void {
    this.flow.pokeLast();
  }
}
