/** Observables for users. RxJS turns a throw in a subscriber into an uncaught exception, which ends the
 *  process; here it is reported and the subscriber goes on, also behind operators. */

import { Observable, type Observer, type Operator, type Subscription } from 'rxjs';

type Report = (error: unknown) => void;

export class GuardedObservable<Value> extends Observable<Value> {
  readonly #report: Report;

  constructor(origin: Observable<unknown>, report: Report) {
    super();
    this.source = origin;
    this.#report = report;
  }

  /** Called by every operator: what comes out of one is guarded, too. */
  override lift<Result>(operator?: Operator<Value, Result>): Observable<Result> {
    const lifted = new GuardedObservable<Result>(this, this.#report);
    lifted.operator = operator as unknown as Operator<unknown, Result>;
    return lifted;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<Value>> | ((value: Value) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    const observer: Partial<Observer<Value>> =
      typeof observerOrNext === 'function' || observerOrNext === null || observerOrNext === undefined
        ? {
            ...(observerOrNext ? { next: observerOrNext } : {}),
            ...(error ? { error } : {}),
            ...(complete ? { complete } : {}),
          }
        : observerOrNext;
    // A subscriber of an operator is part of the chain; its errors travel down the chain and are caught at
    // the end.
    if ('isStopped' in observer) return super.subscribe(observer);
    return super.subscribe({
      next: (value) => this.#attempt(() => observer.next?.(value)),
      error: (thrown: unknown) => {
        if (observer.error) this.#attempt(() => observer.error?.(thrown));
        else this.#report(thrown);
      },
      complete: () => this.#attempt(() => observer.complete?.()),
    });
  }

  #attempt(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#report(error);
    }
  }
}
