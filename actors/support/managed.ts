/** The one way this project writes a leaf actor. XState does not run a callback actor's cleanup when its code
 *  throws, and an error in a timer or promise of it ends the process; here, whatever happens, what was
 *  acquired is released once, in reverse order, and the failure reaches the parent as a fact. */

import { fromCallback, type AnyEventObject, type CallbackActorLogic } from 'xstate';

export interface Scope<Fact, Command = AnyEventObject> {
  /** Tells the parent. Ignored once the actor is closed. */
  send(fact: Fact): void;
  /** Hears the parent. A throw in `handler` fails the actor. */
  receive(handler: (command: Command) => void): void;
  /** Releases something when the actor closes, whichever way; last come, first served. */
  onClose(release: () => void): void;
  /** Wraps a callback that others will call: a throw or rejection in it fails the actor, and it is silent
   *  once closed. */
  guard<Args extends unknown[]>(callback: (...args: Args) => unknown): (...args: Args) => void;
  readonly isClosed: boolean;
}

/** Makes a leaf actor of `run`. `failure` says how the parent hears of a defect in it. */
export function managed<
  Input,
  Fact extends { type: string },
  Command extends AnyEventObject = AnyEventObject,
>(
  failure: (error: unknown) => Fact,
  run: (scope: Scope<Fact, Command>, input: Input) => void,
): CallbackActorLogic<AnyEventObject, Input> {
  return fromCallback<AnyEventObject, Input>(({ input, sendBack, receive }) => {
    const scope = new ManagedScope<Fact, Command>(failure, sendBack, receive);
    try {
      run(scope, input);
    } catch (error) {
      scope.fail(error);
    }
    return () => scope.close();
  });
}

class ManagedScope<Fact extends { type: string }, Command extends AnyEventObject> implements Scope<
  Fact,
  Command
> {
  readonly #failure: (error: unknown) => Fact;
  readonly #sendBack: (fact: Fact) => void;
  readonly #receive: (handler: (event: AnyEventObject) => void) => void;
  #releases: readonly (() => void)[] = NOTHING;
  #isClosed = false;

  constructor(
    failure: (error: unknown) => Fact,
    sendBack: (fact: Fact) => void,
    receive: (handler: (event: AnyEventObject) => void) => void,
  ) {
    this.#failure = failure;
    this.#sendBack = sendBack;
    this.#receive = receive;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(fact: Fact): void {
    if (!this.#isClosed) this.#sendBack(fact);
  }

  receive(handler: (command: Command) => void): void {
    this.#receive(this.guard(handler as (event: AnyEventObject) => void));
  }

  onClose(release: () => void): void {
    if (this.#isClosed) release();
    else this.#releases = [release, ...this.#releases];
  }

  guard<Args extends unknown[]>(callback: (...args: Args) => unknown): (...args: Args) => void {
    return (...args) => {
      if (this.#isClosed) return;
      try {
        const outcome = callback(...args);
        if (outcome instanceof Promise) outcome.catch((error: unknown) => this.fail(error));
      } catch (error) {
        this.fail(error);
      }
    };
  }

  fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#sendBack(this.#failure(error));
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const release of this.#releases) {
      try {
        release();
      } catch {
        // What is released is on its way out; the others still have to go.
      }
    }
    this.#releases = NOTHING;
  }
}

const NOTHING: readonly (() => void)[] = [];
