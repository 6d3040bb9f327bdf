/** Random records at fault, random trouble of the link and crashes, against a model: each good record is
 *  acknowledged once, each one at fault is a dead letter, and the number of deliveries is bounded. */

import fc from 'fast-check';
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorFacts, HeadgateError } from '../../../../src/domain/errors.ts';
import type { DeliveryProgress, OutboundRecord, Rejection } from '../../../../src/domain/sink.ts';
import { query } from '../../../storage/fixture.ts';
import { memoryFile } from '../../../support/engine-rig.ts';
import { numbersOf, SinkField } from '../../../support/sink-field.ts';

/** What a far end does with a record at fault: refuses it, refuses its batch, breaks the link. */
type Fault = 'alone' | 'batch' | 'break';

interface Script {
  readonly records: number;
  readonly rowsMax: number;
  /** Whether records are acknowledged one by one, as brokers do, or with their batch. */
  readonly isBroker: boolean;
  readonly greeted: boolean;
  readonly faults: ReadonlyMap<number, Fault>;
  /** Deliveries at which the link breaks by itself, by number, and whether acknowledgements arrive. */
  readonly trouble: ReadonlyMap<number, 'heard' | 'unheard'>;
  /** Deliveries at which the process is killed. */
  readonly kills: ReadonlySet<number>;
}

const lost = () => new HeadgateError('HG_LINK_LOST', 'for the test');
const refused = () => new HeadgateError('HG_SINK_REFUSED', 'for the test');

class Model {
  readonly file = memoryFile();
  readonly acknowledged = new Map<number, number>();
  /** Records that may come again: the far end has them, and the sink has not heard so. */
  readonly doubtful = new Set<number>();
  calls = 0;
  readonly #script: Script;
  #field: SinkField | null = null;
  #isKilled = false;

  constructor(script: Script) {
    this.#script = script;
  }

  get field(): SinkField {
    return this.#field as SinkField;
  }

  async open(): Promise<void> {
    const { greeted, rowsMax } = this.#script;
    this.#isKilled = false;
    this.#field = await SinkField.open({
      file: this.file,
      farEnd: { greeted, deliver: (batch, progress) => this.#deliver(batch, progress) },
      options: { batch: { rowsMax }, breaker: { failures: 6, coolDownMs: 2_000 }, backoff: { maxMs: 2_000 } },
    });
  }

  async #deliver(
    batch: readonly OutboundRecord[],
    progress?: DeliveryProgress,
  ): Promise<readonly Rejection[]> {
    const { isBroker, trouble, kills, faults } = this.#script;
    const call = ++this.calls;
    const numbers = numbersOf(batch);
    if (kills.has(call)) {
      this.#isKilled = true;
      throw lost();
    }
    const trouble_ = trouble.get(call);
    const endsAt = trouble_ === undefined ? numbers.length : numbers.length >> 1;
    if (numbers.some((n) => faults.get(n) === 'batch')) throw refused();
    const rejections: Rejection[] = [];
    const taken: number[] = [];
    for (const [index, n] of numbers.entries()) {
      if (index >= endsAt && trouble_ !== undefined) break;
      const fault = faults.get(n);
      if (fault === 'break') {
        if (!isBroker) for (const one of taken) this.doubtful.add(one);
        throw lost();
      }
      if (fault === 'alone') rejections.push({ index, error: errorFacts(refused()) });
      else if (!isBroker || trouble_ === 'unheard') taken.push(n);
      else {
        this.#acknowledge(n);
        progress?.taken(index);
      }
    }
    if (trouble_ !== undefined) {
      for (const n of taken) this.doubtful.add(n);
      throw lost();
    }
    for (const n of taken) this.#acknowledge(n);
    return rejections;
  }

  #acknowledge(n: number): void {
    this.acknowledged.set(n, (this.acknowledged.get(n) ?? 0) + 1);
  }

  /** Lets time go by, and starts the process again where it was killed. */
  async run(): Promise<void> {
    for (let passedMs = 0; passedMs < 900_000; passedMs += 5_000) {
      await this.field.clock.advance(5_000);
      if (this.#isKilled) {
        await this.field.crash();
        await this.open();
      }
      if (this.field.rig.cursor === this.#script.records) return;
    }
  }
}

/** How often each record may be handed over: it is looked for among so many, and tried by itself. */
function callsMax({ records, faults, trouble, kills, rowsMax }: Script): number {
  const pages = Math.ceil(records / rowsMax);
  return (
    pages + 60 + (faults.size + trouble.size + kills.size) * (40 + 2 * Math.ceil(Math.log2(rowsMax + 1)))
  );
}

const scripts: fc.Arbitrary<Script> = fc
  .record({
    records: fc.integer({ min: 8, max: 120 }),
    rowsMax: fc.integer({ min: 1, max: 60 }),
    isBroker: fc.boolean(),
    greeted: fc.boolean(),
    faultsAt: fc.array(
      fc.tuple(fc.integer({ min: 0, max: 999 }), fc.constantFrom<Fault>('alone', 'batch', 'break')),
      { maxLength: 12 },
    ),
    troubleAt: fc.array(fc.tuple(fc.integer({ min: 0, max: 39 }), fc.constantFrom('heard', 'unheard')), {
      maxLength: 8,
    }),
    killsAt: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 3 }),
  })
  .map(({ faultsAt, troubleAt, killsAt, records, ...rest }) => ({
    ...rest,
    records,
    // The last are good: they are the witnesses of those before them.
    faults: new Map(faultsAt.map(([at, fault]) => [1 + (at % (records - 4)), fault] as const)),
    // Never more than two deliveries in a row.
    trouble: new Map(troubleAt.map(([at, how]) => [at * 3 + 1 + (at % 2), how] as const)) as never,
    kills: new Set(killsAt.map((at) => at * 3)),
  }));

const runs = Number(process.env['HEADGATE_MODEL_RUNS'] ?? 150);

test(
  'each good record is acknowledged once, each one at fault a dead letter',
  { tags: 'full', timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const model = new Model(script);
        try {
          await model.open();
          await model.field.append(script.records);
          await model.run();
          expect(model.field.rig.cursor, 'all is decided').toBe(script.records);
          await model.field.end();
          const letters = query(
            model.file,
            "SELECT origin ->> '$.recordSeq' AS n FROM dead_letters ORDER BY n",
          );
          const atFault = [...script.faults.keys()].toSorted((a, b) => a - b);
          expect(letters.map(({ n }) => Number(n))).toEqual(atFault);
          for (let n = 1; n <= script.records; n++) {
            const times = model.acknowledged.get(n) ?? 0;
            if (script.faults.has(n)) expect([n, times]).toEqual([n, 0]);
            else if (script.kills.size === 0) expect([n, times]).toEqual([n, 1]);
            else expect(times, `record ${n}`).toBeGreaterThan(0);
          }
          expect(model.calls).toBeLessThan(callsMax(script));
        } finally {
          rmSync(model.file, { force: true });
        }
      }),
      { numRuns: runs },
    );
  },
);
