/** Bodies that are wanted, and those that are not any more: their request was answered before all of it had
 *  come.
 *
 *  Whoever sends it may look for the answer only when it has sent everything, so that what is small is read
 *  away and the connection goes on. Of what is large no more is read after a while; its sender keeps the
 *  connection long enough to find the answer, since one that is closed over unread bytes at once takes the
 *  answer with it. Then it is cut. A connection that will be cut is said to close (`Connection: close`), so
 *  that no other request is sent over it, and its writing half ends with the answer. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../domain/clock.ts';
import { LIMITS } from '../domain/limits.ts';

/** Asks for the body, where its sender waits for that (`Expect: 100-continue`). To be called by who is about
 *  to read it: what is refused before need not be sent. */
export function sendContinue({ headers }: IncomingMessage, response: ServerResponse): void {
  if (headers.expect !== undefined) response.writeContinue();
}

/** To be called before the answer is written: what Node finds unread when that is sent, it reads away without
 *  a bound. */
export function discardBody(request: IncomingMessage, response: ServerResponse, clock: Clock): void {
  if (request.complete || request.destroyed) return;
  if (!isSmall(request) && !response.headersSent) {
    response.setHeader('connection', 'close');
    const { socket } = request;
    // Node closes both halves once such an answer is out, and bytes that come then would take it back.
    socket.destroySoon = () => socket.end();
  }
  let bytes = 0;
  const timer = clock.setTimeout(() => request.destroy(), LIMITS.httpLingerMsMax);
  const done = () => clock.clearTimeout(timer);
  // An emitter without a listener for errors takes the process down.
  request.on('error', () => {});
  request.unpipe();
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > LIMITS.httpLingerBytesMax) request.pause();
  });
  request.once('end', () => {
    if (isSmall(request)) done();
  });
  request.once('close', done);
  request.resume();
}

/** Whether all of it is read away. */
function isSmall({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? Infinity) <= LIMITS.httpLingerBytesMax;
}
