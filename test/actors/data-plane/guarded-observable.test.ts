/** What users' subscribers do must stay with them: a throw harms no other subscriber, and not the process. */

import {
  concatMap,
  config,
  filter,
  firstValueFrom,
  lastValueFrom,
  map,
  mergeMap,
  of,
  share,
  Subject,
  take,
  tap,
  toArray,
  type Observable,
} from 'rxjs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { GuardedObservable } from '../../../actors/data-plane/guarded-observable.ts';

function guarded() {
  const origin = new Subject<number>();
  const reports: unknown[] = [];
  const uncaught: unknown[] = [];
  config.onUnhandledError = (error) => uncaught.push(error);
  onTestFinished(() => {
    config.onUnhandledError = null;
  });
  const values$ = new GuardedObservable<number>(origin, (error) => reports.push(error));
  return { origin, reports, uncaught, values$ };
}

/** Resolves after RxJS has thrown what it was left with, which it does in a timer of its own. */
const afterUncaught = () => new Promise((resolve) => setTimeout(resolve));

const oops = new Error('oops');
const throwOn =
  (bad: number, seen: number[] = []) =>
  (value: number) => {
    seen.push(value);
    if (value === bad) throw oops;
  };

test('without a guard, a throw in a subscriber is nobody’s', async () => {
  const { origin, uncaught } = guarded();
  origin.subscribe(throwOn(2));
  for (const value of [1, 2, 3]) origin.next(value);
  await afterUncaught();
  expect(uncaught).toEqual([oops]);
});

describe('a subscriber that throws', () => {
  type Case = [string, (values$: GuardedObservable<number>, next: (value: number) => void) => unknown];
  const cases: Case[] = [
    ['a function', (values$, next) => values$.subscribe(next)],
    ['an observer', (values$, next) => values$.subscribe({ next })],
    ['behind map', (values$, next) => values$.pipe(map((value) => value)).subscribe(next)],
    [
      'behind many operators',
      (values$, next) =>
        values$
          .pipe(
            filter(() => true),
            map((value) => value),
            mergeMap((value) => of(value)),
            concatMap((value) => of(value)),
            take(100),
          )
          .subscribe(next),
    ],
  ];
  test.each(cases)('(%s) misses nothing but what it threw at, and goes on', async (_, subscribe) => {
    const { origin, reports, uncaught, values$ } = guarded();
    const [before, own, after]: number[][] = [[], [], []];
    values$.subscribe((value) => before?.push(value));
    subscribe(values$, throwOn(2, own));
    values$.pipe(map((value) => value)).subscribe((value) => after?.push(value));
    for (const value of [1, 2, 3]) origin.next(value);
    await afterUncaught();
    expect([before, own, after]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    expect(reports).toEqual([oops]);
    expect(uncaught).toEqual([]);
  });

  test('in its end or its error handler harms nobody', async () => {
    for (const finish of ['complete', 'error'] as const) {
      const { origin, reports, uncaught, values$ } = guarded();
      const ends: string[] = [];
      const observer = {
        complete: () => {
          throw oops;
        },
        error: () => {
          throw oops;
        },
      };
      values$.subscribe(observer);
      values$.subscribe({ complete: () => ends.push('complete'), error: () => ends.push('error') });
      origin[finish](new Error('the end'));
      await afterUncaught();
      expect([ends, reports, uncaught]).toEqual([[finish], [oops], []]);
    }
  });
});

describe('an operator that throws', () => {
  test('ends its own chain, is told to the error handler, and leaves the others alone', async () => {
    const { origin, reports, uncaught, values$ } = guarded();
    const [errors, others]: [unknown[], number[]] = [[], []];
    values$.pipe(tap(throwOn(2))).subscribe({ error: (error) => errors.push(error) });
    values$.subscribe((value) => others.push(value));
    for (const value of [1, 2, 3]) origin.next(value);
    await afterUncaught();
    expect([errors, others, reports, uncaught]).toEqual([[oops], [1, 2, 3], [], []]);
  });

  test.each<[string, (values$: Observable<number>) => unknown]>([
    ['subscribed with a function', (values$) => values$.subscribe(() => {})],
    ['subscribed with nothing', (values$) => values$.subscribe()],
    ['subscribed with an observer', (values$) => values$.subscribe({ next: () => {} })],
    ['shared', (values$) => values$.pipe(share()).subscribe(() => {})],
  ])('is reported where nobody handles errors (%s)', async (_, subscribe) => {
    const { origin, reports, uncaught, values$ } = guarded();
    subscribe(
      values$.pipe(
        map(throwOn(2)),
        map(() => 0),
      ),
    );
    for (const value of [1, 2, 3]) origin.next(value);
    await afterUncaught();
    expect([reports, uncaught]).toEqual([[oops], []]);
  });
});

describe('a guarded observable is an observable like any other', () => {
  test('that can be left', () => {
    const { origin, values$ } = guarded();
    const seen: number[] = [];
    const subscription = values$.subscribe((value) => seen.push(value));
    origin.next(1);
    subscription.unsubscribe();
    origin.next(2);
    expect(seen).toEqual([1]);
    expect(origin.observed).toBe(false);
  });

  test('that leaves its origin when an operator has had enough', () => {
    const { origin, values$ } = guarded();
    values$.pipe(take(1)).subscribe();
    origin.next(1);
    expect(origin.observed).toBe(false);
  });

  test('that can be awaited', async () => {
    const { origin, values$ } = guarded();
    const [first, all] = [firstValueFrom(values$), lastValueFrom(values$.pipe(toArray()))];
    origin.next(1);
    origin.next(2);
    origin.complete();
    expect([await first, await all]).toEqual([1, [1, 2]]);
  });

  test('whose observer keeps its this', () => {
    const { origin, values$ } = guarded();
    const observer = {
      seen: [] as number[],
      next(value: number) {
        this.seen.push(value);
      },
    };
    values$.subscribe(observer);
    origin.next(7);
    expect(observer.seen).toEqual([7]);
  });

  test('that can feed a subject', () => {
    const { origin, values$ } = guarded();
    const relay = new Subject<number>();
    const seen: (number | string)[] = [];
    relay.subscribe({ next: (value) => seen.push(value), complete: () => seen.push('complete') });
    values$.subscribe(relay);
    origin.next(1);
    origin.complete();
    expect(seen).toEqual([1, 'complete']);
  });

  test('whose operators are guarded, too', () => {
    const { values$ } = guarded();
    expect(values$.pipe(map((value) => value))).toBeInstanceOf(GuardedObservable);
  });

  test('that may be subscribed with three functions', () => {
    const { origin, values$ } = guarded();
    const seen: unknown[] = [];
    values$.subscribe(
      (value) => seen.push(value),
      (error) => seen.push(error),
      () => seen.push('complete'),
    );
    values$.subscribe(null, (error) => seen.push(error));
    origin.next(1);
    origin.error(oops);
    expect(seen).toEqual([1, oops, oops]);
  });
});
