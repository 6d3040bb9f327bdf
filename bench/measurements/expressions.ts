/** Expressions of a configuration: records a second through the filter of the README, and the longest time that an
 *  evaluation holds the event loop. */

import { compileExpression } from '../../src/gateway/config/expression.ts';
import { STAGE_RECORD } from '../../src/gateway/config/fields.ts';
import { stageView } from '../../src/gateway/config/record-view.ts';
import { ArrivedRecord, type IngestRecord } from '../../src/domain/record.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { HOSTILE_DATA, HOSTILE_EXPRESSIONS } from '../../test/gateway/config/hostile-expressions.ts';

export interface ExpressionFigures {
  /** Records a second through the filter, and through a function that does the same. */
  readonly filter: number;
  readonly bare: number;
  /** The longest first evaluation of a hostile expression, which is not compiled yet; CPU milliseconds. */
  readonly longestMs: number;
}

const FILTER = 'record.id != "hall" || record.data.payload.celsius > -40';

interface Reading {
  readonly payload: { readonly celsius: number };
}

function readingOf(n: number): IngestRecord<Reading> {
  const shared = { tenant: 'default', incarnation: 1, atMs: n, receivedMonoMs: n };
  const rest = { sourceId: 'hall', contentType: undefined, key: undefined, cursor: undefined };
  const data = { topic: 'hall/2/temperature', qos: 1, retain: false, payload: { celsius: n % 30 } };
  return new ArrivedRecord<Reading>({ ...shared, ...rest }, n, data, undefined);
}

const records = Array.from({ length: 1_000 }, (_, n) => readingOf(n));

function rateOf(count: number, passes: (record: IngestRecord<Reading>) => unknown): number {
  let passed = 0;
  const pass = (times: number) => {
    for (let n = 0; n < times; n++) {
      if (passes(records[n % records.length] as IngestRecord<Reading>) === true) passed++;
    }
  };
  pass(count);
  const beganMs = performance.now();
  pass(count);
  const seconds = (performance.now() - beganMs) / 1_000;
  if (passed !== count * 2) throw new Error(`${passed} records passed`);
  return count / seconds;
}

/** Each expression once: that is the slowest time. The processor's time, since others use it as well. */
function longestMs(): number {
  let longest = 0;
  for (const text of Object.values(HOSTILE_EXPRESSIONS).flat()) {
    const expression = compileExpression(text, STAGE_RECORD);
    const before = process.threadCpuUsage();
    try {
      expression.evaluate({ record: { data: HOSTILE_DATA } });
    } catch (error) {
      if (!(error instanceof HeadgateError)) throw error;
    }
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, (user + system) / 1_000);
  }
  return longest;
}

export async function measureExpressions(count: number): Promise<ExpressionFigures> {
  const longest = longestMs();
  const expression = compileExpression(FILTER, STAGE_RECORD);
  return {
    filter: rateOf(count, (record) => expression.evaluate({ record: stageView(record) })),
    bare: rateOf(count, ({ sourceId, data }) => sourceId !== 'hall' || data.payload.celsius > -40),
    longestMs: longest,
  };
}
