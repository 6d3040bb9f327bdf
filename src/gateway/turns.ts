/** Long work in pieces, so that the event loop has a turn between two of them: requests are answered while a
 *  large configuration is compared and carried out. */

/** Work that yields wherever it may be interrupted. */
export type Interruptible<Result> = Generator<undefined, Result, undefined>;

/** Resolves after the event loop had a turn. */
export type Pause = () => Promise<void>;

/** Does the work without an interruption. */
export function runAtOnce<Result>(work: Interruptible<Result>): Result {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

/** Does the work with a pause at each interruption. Rejects with what the work throws. */
export async function runInTurns<Result>(work: Interruptible<Result>, pause: Pause): Promise<Result> {
  let step = work.next();
  while (step.done !== true) {
    await pause();
    step = work.next();
  }
  return step.value;
}

/** Maps each item by `change`, with a turn of the event loop after every `perTurn` of them. */
export function* mapInPieces<Item, Result>(
  items: Iterable<Item>,
  perTurn: number,
  change: (item: Item) => Result,
): Interruptible<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    if (results.length > 0 && results.length % perTurn === 0) yield;
    results.push(change(item));
  }
  return results;
}
