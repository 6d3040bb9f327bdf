/** Answers to what never became a request: written on the bare connection. */

import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HeadgateError } from '../domain/errors.ts';
import { COMMON_HEADERS } from './request-guard.ts';
import { PROBLEM_TYPE, problemOf, type Problem } from './problem.ts';

/** Writes a problem and ends the connection. */
export function endWithProblem(socket: Duplex, { status, headers, body }: Problem): void {
  socket.on('error', () => {});
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const text = JSON.stringify(body);
  const fields = {
    ...COMMON_HEADERS,
    ...headers,
    'content-type': PROBLEM_TYPE,
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`, () =>
    socket.destroy(),
  );
}

/** Errors of Node's parser, and its time-outs. Any other error is the connection's: where TLS was
 *  never agreed on, an answer would wait for it for ever. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
  const isOfRequest = error.code === LATE || error.code?.startsWith('HPE_') === true;
  if (!isOfRequest || !socket.writable) {
    socket.destroy();
    return;
  }
  endWithProblem(socket, problemOf(brokenRequest(error.code)));
}

/** The body of a request does not come. */
export function answerLateRequest(socket: Duplex): void {
  endWithProblem(socket, problemOf(brokenRequest(LATE)));
}

/** The body of an upload comes slower than it may. */
export function answerSlowUpload(socket: Duplex): void {
  const message = 'the body came slower than http.limits.uploadBytesPerSecondMin; send it in parts';
  endWithProblem(socket, problemOf(new HeadgateError('HG_HTTP_TIMEOUT', message)));
}

const LATE = 'ERR_HTTP_REQUEST_TIMEOUT';

function brokenRequest(code: string | undefined): HeadgateError {
  if (code === 'HPE_HEADER_OVERFLOW' || code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') {
    const message = 'the headers are larger than http.limits.headerBytesMax';
    return new HeadgateError('HG_HTTP_HEADERS_TOO_LARGE', message);
  }
  if (code === LATE) {
    const message = 'the request was not complete within http.limits.requestTimeoutMs';
    return new HeadgateError('HG_HTTP_TIMEOUT', message);
  }
  return new HeadgateError('HG_HTTP_MALFORMED', 'the request is no HTTP/1.1');
}
