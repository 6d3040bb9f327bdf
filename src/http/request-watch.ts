/** Tells of each request once it is over, by the template of its route, never by the path that was asked for:
 *  paths bear ids, and there is no end of them. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../domain/clock.ts';
import type { HttpDeps } from './http-deps.ts';

export class RequestWatch {
  readonly #clock: Clock;
  readonly #tell: HttpDeps['observeRequest'];
  readonly #routes = new WeakMap<IncomingMessage, string>();

  constructor({ clock, observeRequest }: Pick<HttpDeps, 'clock' | 'observeRequest'>) {
    this.#clock = clock;
    this.#tell = observeRequest;
  }

  /** To be called when a request comes in. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const tell = this.#tell;
    if (tell === undefined) return;
    const beganMs = this.#clock.monotonicMs();
    response.once('close', () => {
      tell({
        method: request.method ?? '',
        route: this.#routes.get(request) ?? null,
        // One that went before it was answered has no status.
        statusCode: response.headersSent ? response.statusCode : 0,
        seconds: (this.#clock.monotonicMs() - beganMs) / 1_000,
      });
    });
  }

  /** Where it led: `/api/sources/{id}`. */
  routed(request: IncomingMessage, template: string): void {
    this.#routes.set(request, template);
  }
}
