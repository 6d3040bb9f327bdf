/** How far the opening of a link has come: for the message of a connect timeout, which names the address and
 *  the step that was not answered. */

import { socketAddress } from './open-socket.ts';

export interface ProgressPlan {
  readonly url: URL;
  readonly isSecure: boolean;
  readonly defaultPort: number;
  /** The answers of the far end once the connection stands, in order, as `CONNACK`. */
  readonly answers: readonly string[];
}

export class ConnectProgress {
  readonly #place: string;
  readonly #answers: readonly string[];
  #steps = 0;

  constructor({ url, isSecure, defaultPort, answers }: ProgressPlan) {
    const { host, port } = socketAddress(url, isSecure, defaultPort);
    this.#place = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#answers = isSecure ? ['end of the TLS handshake', ...answers] : answers;
  }

  /** The connection stands, or the next answer has come. */
  readonly advance = (): void => {
    this.#steps++;
  };

  /** The missing answer, as `connected to 10.0.0.7:1883, but no CONNACK`. */
  readonly describe = (): string => {
    if (this.#steps === 0) return `no connection to ${this.#place}`;
    const missing = this.#answers[this.#steps - 1] ?? 'open link';
    return `connected to ${this.#place}, but no ${missing}`;
  };
}
