/** Conformance: what a source hands in, and what it tells of itself. */

import { demand, demandSame, SUBJECT, type ConformanceHarness } from './conformance-harness.ts';
import type { ConformanceRule } from './conformance-rule.ts';
import { demandAllFed, demandIdentities } from './conformance-checks.ts';
import { fedValueIn } from './conformance-kit.ts';

export const STREAMING_RULES: readonly ConformanceRule[] = [
  {
    title: 'streams what is fed, in order, its seq rising by one',
    async run(bench) {
      await bench.stream();
      for (const count of [1, 100, 7, 92]) await bench.feed(count);
      await bench.untilAllFed();
      demandAllFed(bench);
      const times = bench.records.map(({ receivedMonoMs }) => receivedMonoMs);
      demandSame(
        times,
        times.toSorted((a, b) => a - b),
        'times of arrival do not go back',
      );
    },
  },
  {
    title: 'goes from connecting to streaming, and the timeline says why',
    async run(bench) {
      await bench.stream();
      await bench.until('the timeline has two rows', () => bench.statesOf(SUBJECT).length >= 2);
      demandSame(bench.statesOf(SUBJECT), ['connecting', 'streaming'], 'the states of a source that starts');
      for (const { seq, cause } of bench.rows) {
        demand(cause === null || cause < seq, `row ${seq} names an earlier row as its cause, not ${cause}`);
      }
    },
  },
  {
    title: 'has a health with every field, before the first record and after it',
    async run(bench) {
      await bench.register();
      const before = bench.health;
      demandFields(bench);
      demandSame([before.consecutiveErrors, before.lastError], [0, null], 'nothing has failed yet');
      // A source that reads as it is registered may have a record already.
      if (before.recordsProduced === 0) {
        demandSame(before.lastReadTimestamp, null, 'there is no last read before the first');
      }
      demandSame(bench.engine.activeSources(), [SUBJECT], 'a source is active as soon as it is registered');
      await bench.untilState('streaming');
      const startMs = bench.clock.wallMs();
      await bench.feed(10);
      await bench.untilAllFed();
      const after = bench.health;
      demandFields(bench);
      demand(
        after.recordsProduced >= 10,
        `recordsProduced counts 10 records: it is ${after.recordsProduced}`,
      );
      const readMs = after.lastReadTimestamp;
      demand(
        readMs !== null && readMs >= startMs,
        `lastReadTimestamp is that of the last read, not ${readMs}`,
      );
      demandSame(
        [after.consecutiveErrors, after.lastError, after.droppedCount],
        [0, null, 0],
        'nothing failed',
      );
    },
  },
  {
    title: 'makes one dead letter of a payload that cannot be decoded, and goes on',
    needs: ['decodes'],
    async run(bench) {
      await bench.stream();
      await bench.feed(3);
      await bench.until('three values come out', () => bench.values.length === 3);
      await bench.drive(bench.field.spoil?.() ?? Promise.resolve(), 'a bad payload is sent');
      await bench.feed(3);
      await bench.untilAllFed();
      await bench.until('there is a dead letter', () => bench.letters.length > 0);
      demandSame(
        bench.letters.map(({ sourceId, stage, code }) => [sourceId, stage, code]),
        [[SUBJECT, 'decode', 'HG_DECODE_FAILED']],
        'a bad payload makes one dead letter',
      );
      demandAllFed(bench);
      demandSame(bench.statesOf(SUBJECT), ['connecting', 'streaming'], 'a bad payload changes no state');
    },
  },
  {
    title: 'outlives a decode function that throws',
    needs: ['decode-function'],
    async run(bench) {
      const decode = (payload: Uint8Array) => {
        const value = Number(new TextDecoder().decode(payload));
        if (value === PLANTED) throw new Error('planted');
        return [value];
      };
      await bench.stream({ decode });
      await demandAllButPlanted(bench, 'decode');
    },
  },
  {
    title: 'outlives a dedupKey that throws',
    async run(bench) {
      const dedupKey = (data: unknown) => {
        if (fedValueIn(bench.kit, data) === PLANTED) throw new Error('planted');
        return undefined;
      };
      await bench.stream({ dedupKey });
      await demandAllButPlanted(bench, 'dedupKey');
    },
  },
];

/** The value a callback throws at. */
const PLANTED = 3;

async function demandAllButPlanted(bench: ConformanceHarness, stage: string): Promise<void> {
  await bench.feed(6);
  await bench.until('the others come out', () => bench.values.length >= 5);
  await bench.until('there is a dead letter', () => bench.letters.length > 0);
  await bench.quiet();
  demandSame(bench.values, [1, 2, 4, 5, 6], 'only the value that threw is missing');
  demandIdentities(bench);
  demandSame(
    bench.letters.map((letter) => [letter.stage, letter.message]),
    [[stage, 'planted']],
    'what threw is a dead letter, with the reason',
  );
  demandSame(bench.state, 'streaming', 'a throw in a callback changes no state');
}

const NUMBERS = [
  'recordsProduced',
  'consecutiveErrors',
  'incarnation',
  'restarts',
  'rate1s',
  'queueDepth',
  'droppedCount',
] as const;

function demandFields({ health }: ConformanceHarness): void {
  for (const name of NUMBERS) {
    demand(Number.isFinite(health[name]), `health has a number as ${name}, not ${String(health[name])}`);
  }
  demandSame(health.sourceId, SUBJECT, 'health names its source');
  demand(typeof health.type === 'string' && health.type !== '', 'health names the kind');
  demand(typeof health.state === 'string', 'health names the state');
}
