/** The one way this project writes a leaf actor. XState does not run a callback actor's cleanup when its code throws, and
 *  an error in a timer or promise of it ends the process; here, whatever happens, what was acquired is released once, in
 *  reverse order, and the failure reaches the parent as a fact. */

import { fromCallback, type AnyEventObject, type CallbackActorLogic } from 'xstate';

export interface Scope<Fact, Command = AnyEventObject> {
  /** Tells the parent. Ignored once the actor is closed. */
  send(fact: Fact): void;
  /** Hears the parent. A throw in `handler` fails the actor. */
  receive(handler: (command: Command) => void): void;
  /** Releases something when the actor closes, whichever way; last come, first served. */
  onClose(release: () => void): void;
  /** Wraps a callback that others will call: a throw or rejection in it fails the actor, and it is silent once closed. */
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
    const releases: (() => void)[] = [];
    let closed = false;

    const close = () => {
      if (closed) return;
      closed = true;
      for (const release of releases.splice(0).reverse()) {
        try {
          release();
        } catch {
          // What is released is on its way out; the others still have to go.
        }
      }
    };
    const fail = (error: unknown) => {
      if (closed) return;
      sendBack(failure(error));
      close();
    };
    const guard =
      <Args extends unknown[]>(callback: (...args: Args) => unknown) =>
      (...args: Args): void => {
        if (closed) return;
        try {
          const outcome = callback(...args);
          if (outcome instanceof Promise) outcome.catch(fail);
        } catch (error) {
          fail(error);
        }
      };
    const scope: Scope<Fact, Command> = {
      send: (fact) => {
        if (!closed) sendBack(fact);
      },
      receive: (handler) => receive(guard(handler as (event: AnyEventObject) => void)),
      onClose: (release) => {
        if (closed) release();
        else releases.push(release);
      },
      guard,
      get isClosed() {
        return closed;
      },
    };
    guard(() => run(scope, input))();
    return close;
  });
}
