/** Sends many messages with a bounded number of them unanswered. */

/** Calls `send` for 0, 1, … `count` − 1, in that order, with at most `windowMax` of the promises pending.
 *  Resolves when all have resolved; rejects with the first that rejects, and sends no more. */
export async function sendInWindow(
  count: number,
  windowMax: number,
  send: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      try {
        await send(next++);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(windowMax, count) }, lane));
}
