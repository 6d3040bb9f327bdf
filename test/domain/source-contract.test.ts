/** The contract of a source, as types: what code of a user's must and may give, and what it gets. The
 *  compiler checks it; the check runs with the tests. */

import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { defineSource, simulatedSource } from '../../src/index.ts';
import type { SourceIo, SourceLogic, SourceSpec } from '../../src/domain/source.ts';

test('a stream is an async iterable or a promise, and nothing else', () => {
  expectTypeOf<ReturnType<SourceLogic['stream']>>().toEqualTypeOf<AsyncIterable<unknown> | Promise<void>>();
  const kind = { type: 'x', stream: async () => {} };
  expectTypeOf(defineSource(kind)({ id: 'a' })).toEqualTypeOf<SourceSpec>();
  // @ts-expect-error a kind without a stream
  expectTypeOf(defineSource<Record<never, never>>).toBeCallableWith({ type: 'x' });
  // @ts-expect-error a stream that gives a list
  expectTypeOf(defineSource<Record<never, never>>).toBeCallableWith({ type: 'x', stream: () => [1] });
});

test('the options of a kind are typed by its schema', () => {
  const tick = defineSource({
    type: 'tick',
    options: { everyMs: z.number() },
    async *stream(io, options) {
      expectTypeOf(io).toEqualTypeOf<SourceIo>();
      expectTypeOf(options.everyMs).toEqualTypeOf<number>();
      yield 1;
    },
  });
  expectTypeOf(tick).toBeCallableWith({ id: 'a', everyMs: 1 });
  // @ts-expect-error a text where a number is wanted
  expectTypeOf(tick).toBeCallableWith({ id: 'a', everyMs: '1' });
  // @ts-expect-error the id is missing
  expectTypeOf(tick).toBeCallableWith({ everyMs: 1 });
});

test('what a source gets cannot be changed, and its calls say whether there is room', () => {
  expectTypeOf<SourceIo['emit']>().returns.toEqualTypeOf<boolean>();
  expectTypeOf<SourceIo['emitAll']>().returns.toEqualTypeOf<boolean>();
  expectTypeOf<SourceIo['receive']>().returns.toEqualTypeOf<boolean>();
  expectTypeOf<SourceIo['room']>().returns.toEqualTypeOf<Promise<void>>();
  expectTypeOf<SourceIo['cursor']>().toEqualTypeOf<string | null>();
  expectTypeOf<Readonly<SourceSpec>>().toEqualTypeOf<SourceSpec>();
  expectTypeOf(simulatedSource({ id: 'a', intervalMs: 1 })).toEqualTypeOf<SourceSpec>();
});
