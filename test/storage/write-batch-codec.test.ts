/** A unit that crosses to the thread of the store arrives as it left. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../../storage/worker/write-batch-codec.ts';
import { writeBatch, recordRow, timelineRow } from './fixture.ts';

const few = <Value>(...values: Value[]) => fc.constantFrom(...values);

const record = fc.record({
  tenant: few('default', 'north'),
  sourceId: few('plc-7', 'plc-8'),
  incarnation: few(1, 2),
  sourceSeq: fc.nat(),
  dedupKey: fc.option(fc.string({ unit: 'binary' }), { freq: 3 }),
  atMs: fc.double({ noNaN: false }),
  data: fc.json(),
  contentType: few(null, null, 'text/plain'),
});
const spilled = fc.tuple(record, fc.option(fc.string())).map(([row, cursor]) => ({ ...row, cursor }));
const timeline = fc
  .tuple(fc.nat(), fc.option(fc.dictionary(fc.string(), fc.jsonValue())))
  .map(([seq, data]) => timelineRow({ seq, data: JSON.parse(JSON.stringify(data)) as typeof data }));

test('whatever is in it', () => {
  fc.assert(
    fc.property(
      fc.record({
        records: fc.array(record),
        spilled: fc.array(spilled),
        timeline: fc.array(timeline),
        cursors: fc.array(fc.record({ tenant: fc.string(), sourceId: fc.string(), cursor: fc.string() })),
      }),
      (parts) => {
        const unit = writeBatch(parts);
        const { unit: encoded, transfers } = encodeBatch(unit);
        const arrived = structuredClone(encoded, { transfer: [...transfers] });
        expect(decodeBatch(arrived)).toEqual(unit);
      },
    ),
  );
});

test('data of the timeline is what JSON makes of it, not what a clone does', () => {
  const data = { at: new Date(0), bytes: Buffer.from('ab'), call: () => 1, own: { toJSON: () => 'mine' } };
  const { unit } = encodeBatch(writeBatch({ timeline: [timelineRow({ seq: 1, data })] }));
  expect(JSON.stringify(decodeBatch(structuredClone(unit)).timeline[0]?.data)).toBe(JSON.stringify(data));
});

test('rows of one source are one run, and dedup keys cross only where there are some', () => {
  const rows = [1, 2, 3, 4].map((sourceSeq) => recordRow({ sourceSeq, incarnation: sourceSeq > 3 ? 2 : 1 }));
  const { records } = encodeBatch(writeBatch({ records: rows })).unit;
  expect(records?.runs.map(({ rows: count }) => count)).toEqual([3, 1]);
  expect(records?.dedupKeys).toBe(null);
});
