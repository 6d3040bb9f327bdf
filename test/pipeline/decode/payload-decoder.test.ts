import { describe, expect, test } from 'vitest';
import { sourceSpec } from '../../../actors/sources/define-source.ts';
import { sourceSchema } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { LIMITS } from '../../../src/domain/limits.ts';
import { payloadDecoder, type PayloadDecoderOptions } from '../../../src/pipeline/decode/payload-decoder.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { recordingIo } from '../../support/recording-io.ts';

function receive(options: PayloadDecoderOptions, payload: string, room?: number) {
  const intake = payloadDecoder(options);
  const common = resolveOptions(sourceSchema({}), { id: 'a' }, 'test');
  const spec = sourceSpec('test', common, intake.decode, { stream: async () => {} });
  const io = recordingIo(spec, virtualClock(), room === undefined ? {} : { room });
  const rooms = [...intake.receive(io, new TextEncoder().encode(payload), { contentType: 'x/y' })];
  const refused = io.undecodable.map(({ payload: piece, error }) => [
    new TextDecoder().decode(piece as Uint8Array),
    (error as { details: { line?: number } }).details.line,
  ]);
  return { io, rooms, refused };
}

describe('a body of lines', () => {
  test('gives its good lines in order and each bad one as a dead letter with its number', () => {
    const { io, refused } = receive({ format: 'ndjson' }, '1\n{"a":\n2\n\nx\n3');
    expect(io.values).toEqual([1, 2, 3]);
    expect(refused).toEqual([
      ['{"a":', 2],
      ['x', 5],
    ]);
    expect(io.metas[0]).toEqual({ contentType: 'x/y' });
  });
  test('of csv loses only the rows that are bad', () => {
    const { io, refused } = receive({ format: 'csv' }, 'a,b\n1,2\n3\n"4\n",5\n6,7\n');
    expect(io.values).toEqual([
      { a: '1', b: '2' },
      { a: '4\n', b: '5' },
      { a: '6', b: '7' },
    ]);
    expect(refused).toEqual([['3', 3]]);
  });
  test('of csv with a broken header is one dead letter', () => {
    const { io, refused } = receive({ format: 'csv' }, 'a,a\n1,2\n3,4\n');
    expect(io.values).toEqual([]);
    expect(refused).toEqual([['a,a\n1,2\n3,4\n', 1]]);
  });
  test('without a record is a good read', () => {
    expect(receive({ format: 'ndjson' }, '\n\n').io.state.goodReads).toBe(1);
    expect(receive({ format: 'csv' }, 'a,b\n').io.state.goodReads).toBe(1);
    expect(receive({ format: 'ndjson' }, 'x\n').io.state.goodReads).toBe(0);
  });
  test('comes in pieces and tells where there is no room', () => {
    const rows = LIMITS.mergeQuantumRecords * 2 + 10;
    const { io, rooms } = receive({ format: 'ndjson' }, '1\n'.repeat(rows), LIMITS.mergeQuantumRecords + 1);
    expect(io.values).toHaveLength(rows);
    expect(rooms).toEqual([true, false, false]);
  });
});

describe('a list whose elements are the records', () => {
  test('gives each element', () => {
    const { io } = receive({ format: 'json', items: 'each' }, '[1,{"a":2},[3]]');
    expect(io.values).toEqual([1, { a: 2 }, [3]]);
  });
  test('is a good read if empty', () => {
    expect(receive({ format: 'json', items: 'each' }, '[]').io.state.goodReads).toBe(1);
  });
  test('that is none, or no JSON, is a dead letter', () => {
    expect(receive({ format: 'json', items: 'each' }, '{"a":1}').refused).toEqual([['{"a":1}', undefined]]);
    expect(receive({ format: 'json', items: 'each' }, '[1,').refused).toEqual([['[1,', undefined]]);
  });
});

test('any other payload is decoded by the engine as a whole', () => {
  expect(receive({ format: 'json' }, '[1,2]').io.values).toEqual([[1, 2]]);
  expect(receive({ format: 'json' }, '[1,').refused).toHaveLength(1);
  expect(receive({ format: 'text' }, 'a\nb').io.values).toEqual(['a\nb']);
  expect(receive({ format: (payload) => [payload.length, 'x'] }, 'abc').io.values).toEqual([3, 'x']);
});
