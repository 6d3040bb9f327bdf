/** Random far ends, pauses and crashes against a model of what must arrive: everything that is stored, in
 *  order, under keys that stay; again only where a failure or a crash came between. */

import fc from 'fast-check';
import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errorFacts, HeadgateError } from '../../../../src/domain/errors.ts';
import { LIMITS } from '../../../../src/domain/limits.ts';
import type { OutboundRecord, Rejection } from '../../../../src/domain/sink.ts';
import { SinkField, type FarEnd } from '../../../support/sink-field.ts';
import { memoryFile } from '../../../support/engine-rig.ts';
import { query } from '../../../storage/fixture.ts';

/** What happens to one delivery. `part`: it fails after the far end has taken some of it. */
type Fate = 'taken' | 'lost' | 'part' | 'threw' | 'silence';
type Step =
  | { readonly do: 'append'; readonly records: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'crash' | 'pause' | 'resume' | 'refuse links' | 'take links' };

/** Refused for good: alone as a rejection, or as the batch it is in. */
const isRejected = (n: number) => n % 11 === 0;
const isToxic = (n: number) => n % 29 === 0;
const isFiltered = (n: number) => n % 7 === 0;

type Trace =
  | { readonly seq: number; readonly key: string; readonly data: unknown }
  /** Records of a delivery that failed. */
  | { readonly failed: readonly number[] }
  | 'trouble';

class Model {
  readonly file = memoryFile();
  readonly trace: Trace[] = [];
  #fates: Fate[];
  #refusesLinks = false;
  #field: SinkField | null = null;
  readonly #rowsMax: number;

  constructor(fates: readonly Fate[], rowsMax: number) {
    this.#fates = [...fates];
    this.#rowsMax = rowsMax;
  }

  get field(): SinkField {
    return this.#field as SinkField;
  }

  async open(): Promise<void> {
    const farEnd: FarEnd = {
      open: async () => {
        if (this.#refusesLinks) throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
      },
      deliver: (batch) => this.#deliver(batch),
    };
    this.#field = await SinkField.open({
      file: this.file,
      farEnd,
      options: {
        filter: ({ data }: OutboundRecord) => !isFiltered(Number(data)),
        batch: { rowsMax: this.#rowsMax },
        deliverTimeoutMs: 200,
        breaker: { failures: 4, coolDownMs: 2_000 },
        backoff: { initialMs: 20, maxMs: 500 },
      },
    });
  }

  async #deliver(batch: readonly OutboundRecord[]): Promise<readonly Rejection[]> {
    const { clock } = this.field;
    if (batch.some(({ data }) => isToxic(Number(data)))) throw new HeadgateError('HG_SINK_REFUSED', 'toxic');
    await clock.sleep(5);
    const fate = this.#fates.shift() ?? 'taken';
    const taken = fate === 'taken' ? batch.length : fate === 'part' ? batch.length >> 1 : 0;
    const rejections: Rejection[] = [];
    for (const [index, { seq, key, data }] of batch.slice(0, taken).entries()) {
      const error = errorFacts(new HeadgateError('HG_SINK_REFUSED', 'no'));
      if (isRejected(Number(data))) rejections.push({ index, error });
      else this.trace.push({ seq, key, data });
    }
    if (fate === 'taken') return rejections;
    this.trace.push({ failed: batch.map(({ seq }) => seq) }, 'trouble');
    if (fate === 'threw') throw new TypeError('for the test');
    // Settles when its signal aborts at the latest, as it should; the time limit comes before.
    if (fate === 'silence') await clock.sleep(1_000);
    throw new HeadgateError('HG_LINK_LOST', 'for the test');
  }

  async step(step: Step): Promise<void> {
    const { field } = this;
    if (step.do === 'append') await field.append(step.records);
    else if (step.do === 'wait') await field.clock.advance(step.ms);
    else if (step.do === 'pause') field.actor.send({ type: 'sink.pause' });
    else if (step.do === 'resume') field.actor.send({ type: 'sink.resume' });
    else if (step.do === 'crash') {
      await field.crash();
      this.trace.push('trouble');
      await this.open();
    } else this.#refusesLinks = step.do === 'refuse links';
  }

  /** Lets everything go well until all is delivered. */
  async finish(): Promise<void> {
    this.#fates = [];
    this.#refusesLinks = false;
    this.field.actor.send({ type: 'sink.resume' });
    await this.field.clock.advance(20_000);
    await this.field.end();
  }
}

function checkTrace({ trace, file }: Model): void {
  const stored = query(file, 'SELECT seq, data FROM records ORDER BY seq');
  const seqs = stored.map(({ seq }) => Number(seq));
  const wanted = stored
    .filter(({ data }) => ![isRejected, isToxic, isFiltered].some((is) => is(Number(data))))
    .map(({ seq }) => Number(seq));
  const keys = new Map<number, string>();
  let last = 0;
  let reached = 0;
  const firsts: number[] = [];
  // A record that was not taken may come behind others.
  const failed = new Set<number>();
  const delivered = new Set<number>();
  const failedAlone = new Map<number, number>();
  for (const seen of trace) {
    if (seen === 'trouble') {
      last = 0;
      delivered.clear();
      continue;
    }
    if ('failed' in seen) {
      for (const seq of seen.failed) failed.add(seq);
      const [only] = seen.failed;
      if (only !== undefined && seen.failed.length === 1)
        failedAlone.set(only, (failedAlone.get(only) ?? 0) + 1);
      continue;
    }
    expect(delivered.has(seen.seq), 'again only after trouble').toBe(false);
    delivered.add(seen.seq);
    if (!failed.has(seen.seq)) expect(seen.seq, 'in order').toBeGreaterThan(last);
    last = Math.max(last, seen.seq);
    if (seen.seq > reached) firsts.push(seen.seq);
    reached = Math.max(reached, seen.seq);
    expect(keys.get(seen.seq) ?? seen.key, 'the key stays').toBe(seen.key);
    keys.set(seen.seq, seen.key);
  }
  const letters = query(file, "SELECT origin ->> '$.recordSeq' AS seq FROM dead_letters ORDER BY id");
  const refused = seqs.filter((seq) => {
    const n = Number(stored[seq - 1]?.['data']);
    return !isFiltered(n) && (isRejected(n) || isToxic(n));
  });
  // A record at which the link breaks again and again, while others are taken, is given up.
  const givenUp = letters.map(({ seq }) => Number(seq)).filter((seq) => !refused.includes(seq));
  for (const seq of givenUp)
    expect(failedAlone.get(seq), `record ${seq} is given up`).toBeGreaterThan(LIMITS.sinkBreaksGreeted);
  const inOrder = (seqs: Iterable<number>) => [...new Set(seqs)].toSorted((one, other) => one - other);
  expect(inOrder([...keys.keys(), ...givenUp]), 'everything').toEqual(wanted);
  const undisturbed = (seqs: readonly number[]) => seqs.filter((seq) => !failed.has(seq));
  expect(undisturbed(firsts), 'each first time in its place').toEqual(undisturbed(wanted));
  expect(new Set(keys.values()).size, 'no key twice').toBe(keys.size);
  expect(letters.map(({ seq }) => Number(seq))).toEqual(inOrder([...refused, ...givenUp]));
  expect(query(file, 'SELECT seq FROM sink_cursors').map(({ seq }) => seq)).toEqual(seqs.slice(-1));
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('append'), records: fc.integer({ min: 1, max: 40 }) }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('wait'), ms: fc.integer({ min: 1, max: 400 }) }) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...(['crash', 'pause', 'resume', 'resume', 'refuse links', 'take links'] as const).map((act) => ({
        do: act,
      })),
    ),
  },
) as fc.Arbitrary<Step>;

/** The link breaks at the first record until it is tried behind the second. */
const BEHIND_ANOTHER: [Step[], Fate[], number] = [
  [{ do: 'wait', ms: 160 }, { do: 'resume' }, { do: 'wait', ms: 5 }, { do: 'append', records: 1 }],
  ['threw', 'threw', 'lost', 'part', 'silence'],
  1,
];

/** Each break of the link meets the first record while it goes alone, and the second is taken between. */
const BROKEN_AT_ONE: [Step[], Fate[], number] = [
  [
    ...[{ do: 'wait', ms: 26 } as const, { do: 'append', records: 1 } as const],
    ...[{ do: 'wait', ms: 134 } as const, { do: 'resume' } as const],
    ...[{ do: 'wait', ms: 35 } as const, { do: 'append', records: 1 } as const],
  ],
  ['threw', 'threw', 'lost', 'part', 'lost', 'taken', 'silence'],
  1,
];

const fates = fc.array(fc.constantFrom<Fate>('taken', 'taken', 'taken', 'lost', 'part', 'threw', 'silence'), {
  maxLength: 30,
});

test('what arrives is the log, whatever happens on the way', { tags: 'full', timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { minLength: 1, maxLength: 25 }),
      fates,
      fc.integer({ min: 1, max: 20 }),
      async (script, deliveries, rowsMax) => {
        const model = new Model(deliveries, rowsMax);
        try {
          await model.open();
          await model.field.append(1);
          for (const step of script) await model.step(step);
          await model.finish();
          checkTrace(model);
        } finally {
          rmSync(model.file, { force: true });
        }
      },
    ),
    { numRuns: 60, examples: [BEHIND_ANOTHER, BROKEN_AT_ONE] },
  );
});
