/** The stages at work: chains of RxJS operators over batches, with bounded nodes (queues, async stages)
 *  between them, each pulled by a pump of its own. A full node stops the pump before it; so fullness travels
 *  back to the gate and from there to the sources. */

import { Subject, type Observable, type Subscription } from 'rxjs';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError } from '../domain/errors.ts';
import { settleAll, type Batch, type FlowItem, type PoisonRecord } from '../domain/record.ts';
import { AsyncNode } from './async-node.ts';
import { BoundedQueue, type QueueWaits } from './bounded-queue.ts';
import { createPump, type Downstream, type Pump, type Upstream } from './pump.ts';
import {
  emptyCounts,
  isRecordOperator,
  type OperatorStage,
  type QueueStage,
  type Stage,
  type StageCounts,
} from './stage.ts';

export interface StageReport extends Readonly<StageCounts> {
  readonly stageName: string;
  /** Of a queue: its fill and the waits for a slot. */
  readonly queue?: {
    readonly capacityRecords: number;
    readonly size: number;
    readonly highWater: number;
    readonly dropped: number;
    readonly waits: QueueWaits;
  };
}

export interface StageChainOptions {
  readonly stages: readonly Stage[];
  /** Where items go after the last stage. */
  readonly exit: Downstream;
  readonly clock: Clock;
  readonly onPoison: (item: PoisonRecord, stageName: string) => void;
  /** A full queue dropped these. */
  readonly onDropped: (items: Batch) => void;
  /** There may be room at the entrance where there was none. */
  readonly onRoom: () => void;
  /** A defect of the flow itself: it cannot go on. */
  readonly onFailure: (error: unknown) => void;
}

interface Node extends Upstream, Downstream {
  readonly size: number;
  /** Gives up what is in it: it is lost. */
  discard(): void;
}

export class StageChain implements Downstream {
  /** What the gate let through; the first stage reads it. */
  readonly admitted$ = new Subject<Batch>();
  readonly #options: StageChainOptions;
  readonly #nodes: Node[] = [];
  readonly #pumps: Pump[] = [];
  readonly #subscriptions: Subscription[] = [];
  readonly #segments: Segment[] = [];
  readonly #reports: (() => StageReport)[] = [];
  #isStopped = false;
  #entrance: Downstream;
  #onEmpty: (() => void) | null = null;

  constructor(options: StageChainOptions) {
    this.#options = options;
    this.#entrance = options.exit;
    this.#build();
  }

  /** How much the first segment can take. */
  get budget(): number {
    return this.#entrance.budget;
  }

  push(batch: Batch): void {
    this.admitted$.next(batch);
  }

  /** Items between the stages. */
  get size(): number {
    return this.#nodes.reduce((sum, node) => sum + node.size, 0);
  }

  /** Calls once when nothing is between the stages, which may be at once. To be asked for when nothing is
   *  pushed any more; null takes the wish back. */
  whenEmpty(callback: (() => void) | null): void {
    this.#onEmpty = callback;
    this.#moved();
  }

  /** The exit has room again. */
  wakeLast(): void {
    const last = this.#pumps.at(-1);
    if (last === undefined) this.#options.onRoom();
    else last.wake();
  }

  reports(): StageReport[] {
    return this.#reports.map((report) => report());
  }

  /** Sends an empty batch through each segment and looks whether it comes out. Returns the names of the
   *  stages of a segment that swallows it: records would vanish there. Stages whose operator is a user's own
   *  may hold it back for good reasons, and are not judged. */
  probe(): readonly string[] | null {
    for (const segment of this.#segments) {
      if (!segment.passesCanaries) continue;
      const before = segment.canaries;
      segment.entry$.next([]);
      if (segment.canaries === before) return segment.stageNames;
    }
    return null;
  }

  /** Ends it; what is between the stages is lost. */
  stop(): void {
    this.#isStopped = true;
    for (const pump of this.#pumps) pump.stop();
    for (const node of this.#nodes) node.discard();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.admitted$.complete();
  }

  /** Lays the chain from the first stage to the exit: operators are gathered until a node or the exit ends a
   *  segment. */
  #build(): void {
    const names = uniqueNames(this.#options.stages);
    let head: Observable<Batch> = this.admitted$;
    let segment: Segment = { entry$: this.admitted$, stageNames: [], passesCanaries: true, canaries: 0 };
    const connect = (to: Downstream) => {
      if (this.#nodes.length === 0) this.#entrance = to;
      const own = segment;
      this.#segments.push(own);
      this.#subscriptions.push(
        head.subscribe({
          // Caught here: what a subscriber throws, RxJS would throw at the whole process.
          next: (batch) => {
            try {
              if (batch.length > 0) to.push(batch);
              else own.canaries++;
            } catch (error) {
              this.#options.onFailure(error);
            }
          },
          error: this.#options.onFailure,
          // An operator of a user's may end its stream; what comes after that would vanish without a word.
          complete: () => {
            if (!this.#isStopped) this.#options.onFailure(endedError(own.stageNames));
          },
        }),
      );
    };
    // Each pump's budget is that of the node or exit after it, known only once that is built.
    let setTarget: (to: Downstream) => void = () => {};
    for (const [index, stage] of this.#options.stages.entries()) {
      const stageName = names[index] as string;
      if (stage.kind === 'operator') {
        head = this.#operator(head, stage, stageName);
        segment.stageNames.push(stageName);
        segment.passesCanaries &&= isRecordOperator(stage.operator);
        continue;
      }
      const position = this.#pumps.length;
      const pokeBefore = () => {
        if (position === 0) this.#options.onRoom();
        else this.#pumps[position - 1]?.wake();
      };
      const pokeAfter = () => this.#pumps[position]?.wake();
      const node =
        stage.kind === 'queue'
          ? this.#queue(stage, stageName, pokeAfter, pokeBefore)
          : this.#async(stage, stageName, pokeAfter, pokeBefore);
      connect(node);
      setTarget(node);
      this.#nodes.push(node);
      const next$ = new Subject<Batch>();
      head = next$;
      segment = { entry$: next$, stageNames: [], passesCanaries: true, canaries: 0 };
      let target: Downstream | null = null;
      setTarget = (to) => {
        target = to;
      };
      this.#pumps.push(
        createPump(
          node,
          () => target?.budget ?? 0,
          (batch) => {
            next$.next(batch);
            this.#moved();
          },
          this.#options.onFailure,
        ),
      );
    }
    connect(this.#options.exit);
    setTarget(this.#options.exit);
  }

  /** Items have left a node, so that it may have been the last ones. */
  #moved(): void {
    if (this.#onEmpty === null || this.size > 0) return;
    const tell = this.#onEmpty;
    this.#onEmpty = null;
    tell();
  }

  #operator(head: Observable<Batch>, stage: OperatorStage, stageName: string): Observable<Batch> {
    const counts = emptyCounts();
    this.#reports.push(() => ({ stageName, ...counts }));
    return head.pipe(stage.operator({ stageName, counts, onPoison: this.#options.onPoison }));
  }

  #async(
    stage: Extract<Stage, { kind: 'async' }>,
    stageName: string,
    onItems: () => void,
    onRoom: () => void,
  ): Node {
    const counts = emptyCounts();
    this.#reports.push(() => ({ stageName, ...counts }));
    return new AsyncNode(stage, { stageName, counts, onPoison: this.#options.onPoison }, onItems, onRoom);
  }

  #queue(stage: QueueStage, stageName: string, onItems: () => void, onRoom: () => void): Node {
    let taken = 0;
    const queue = new BoundedQueue<FlowItem>({
      capacity: stage.capacityRecords,
      overflow: stage.overflow,
      waitMsMax: stage.waitMsMax,
      clock: this.#options.clock,
      onItems,
      onRoom,
      onDropped: (items) => {
        settleAll(items, 'dropped');
        this.#options.onDropped(items);
      },
      onCleared: (items) => settleAll(items, 'lost'),
    });
    this.#reports.push(() => ({
      stageName,
      in: queue.offered,
      out: taken,
      filtered: 0,
      failed: 0,
      queue: {
        capacityRecords: stage.capacityRecords,
        size: queue.size,
        highWater: queue.highWater,
        dropped: queue.dropped,
        waits: queue.waits,
      },
    }));
    return {
      get budget() {
        return queue.budget;
      },
      get size() {
        return queue.size + queue.blocked;
      },
      push: (batch) => void queue.offer(batch),
      take: (max) => {
        const items = queue.take(max);
        taken += items.length;
        return items;
      },
      discard: () => void queue.clear(),
    };
  }
}

/** Stages between two queues. */
interface Segment {
  readonly entry$: Subject<Batch>;
  readonly stageNames: string[];
  /** Each of its operators hands on an empty batch as it comes. */
  passesCanaries: boolean;
  /** Empty batches that came out. */
  canaries: number;
}

function endedError(stageNames: readonly string[]): HeadgateError {
  const names = stageNames.join(', ');
  const message = `the stream of the stages ${names} has ended; an operator must not complete`;
  return new HeadgateError('HG_STAGE_ENDED', message);
}

/** The stages' names, a second `filter` being called `filter-2`. */
function uniqueNames(stages: readonly Stage[]): string[] {
  const used = new Set<string>();
  return stages.map(({ stageName }) => {
    let name = stageName;
    for (let count = 2; used.has(name); count++) name = `${stageName}-${count}`;
    used.add(name);
    return name;
  });
}
