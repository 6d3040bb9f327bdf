import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RingBuffer } from '../../src/pipeline/ring-buffer.ts';
import { heapBytes } from './fixture.ts';

const action = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 0, max: 25 }) }),
  fc.record({ kind: fc.constant('shift' as const), count: fc.constant(1) }),
);

describe('a ring buffer', () => {
  test('does what an array of bounded length does', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(action, { maxLength: 60, size: 'max' }),
        (capacity, actions) => {
          const ring = new RingBuffer<number>(capacity);
          const model: number[] = [];
          let next = 0;
          for (const { kind, count } of actions) {
            if (kind === 'push') {
              for (let pushes = 0; pushes < count; pushes++) {
                const fits = model.length < capacity;
                expect(ring.push(next)).toBe(fits);
                if (fits) model.push(next);
                next++;
              }
            } else if (kind === 'take') {
              expect(ring.take(count)).toEqual(model.splice(0, count));
            } else {
              expect(ring.shift()).toBe(model.shift());
            }
            expect(ring.size).toBe(model.length);
            expect(ring.room).toBe(capacity - model.length);
            expect(ring.peek()).toBe(model[0]);
          }
        },
      ),
      { numRuns: 500 },
    ));

  test('of a vast capacity costs what it holds, not what it could hold', async () => {
    const before = await heapBytes();
    // So many that what else the process allocates meanwhile is a few bytes for each.
    const rings = Array.from({ length: 20_000 }, () => new RingBuffer<number>(1_000_000));
    for (const ring of rings) ring.push(1);
    expect(((await heapBytes()) - before) / rings.length).toBeLessThan(500);
  });

  test('lets go of what was taken', async () => {
    const ring = new RingBuffer<object>(8);
    const refs = ['shifted', 'taken', 'kept'].map((name) => {
      const item = { name };
      ring.push(item);
      return new WeakRef(item);
    });
    ring.shift();
    ring.take(1);
    await heapBytes();
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, { name: 'kept' }]);
    expect(ring.size).toBe(1);
  });
});
