/** A sensor with an HTTP server of its own, on a free port of the loopback interface, that fails now and
 *  then as sensors do: it answers 503, resets the connection, or answers too late. */

import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HttpSensorOptions {
  /** Gives the next measurement. */
  read(): unknown;
  /** Share of requests that fail, 0 to 1. */
  readonly failRate: number;
  /** A number in [0, 1) a call: seeded, so that the same requests fail again. */
  random(): number;
  /** How late a late answer comes, milliseconds. */
  readonly lateAnswerMs: number;
}

export interface HttpSensor extends AsyncDisposable {
  readonly url: string;
  /** Requests so far, and those of them that were made to fail. */
  counts(): { requests: number; failed: number };
  /** Cuts the connections that stand and closes the server. Safe to call twice. */
  close(): Promise<void>;
}

const FAILURES = ['status', 'reset', 'late'] as const;
type Failure = (typeof FAILURES)[number];

export async function startHttpSensor(options: HttpSensorOptions): Promise<HttpSensor> {
  const counts = { requests: 0, failed: 0 };
  const server = createServer((_request, response) => {
    counts.requests++;
    if (options.random() >= options.failRate) {
      answer(response, options.read());
      return;
    }
    counts.failed++;
    fail(response, FAILURES[Math.floor(options.random() * FAILURES.length)] ?? 'status', options);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  let closing: Promise<void> | undefined;
  const closeAll = async () => {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const close = () => (closing ??= closeAll());
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/reading`,
    counts: () => ({ ...counts }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function answer(response: ServerResponse, reading: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reading));
}

function fail(response: ServerResponse, failure: Failure, options: HttpSensorOptions): void {
  if (failure === 'status') {
    response.writeHead(503, { 'content-type': 'text/plain' }).end('the sensor is busy\n');
  } else if (failure === 'reset') {
    response.socket?.resetAndDestroy();
  } else {
    const late = setTimeout(() => answer(response, options.read()), options.lateAnswerMs);
    response.once('close', () => clearTimeout(late));
  }
}
