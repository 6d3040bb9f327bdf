/** Kept sessions of sources that were taken out of the configuration while the engine was off: their brokers
 *  go on queueing, and no source is there to say good-bye. They are looked for once, when sources have had
 *  their time to be registered. */

import { parseSession } from '../../actors/sources/mqtt/kept-session.ts';
import { formatAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { RunPersistence } from './run-persistence.ts';

/** From the start of the engine until a source that is not there counts as removed. */
const REGISTERED_WITHIN_MS = 30_000;

export class LeftSessions {
  readonly #clock: Clock;
  readonly #books: RunPersistence;
  readonly #isRegistered: (name: string) => boolean;
  readonly #dueMonoMs: number;
  /** Of sources that an earlier run knew: address and cursor. Null once they were looked at. */
  #known: readonly (readonly [name: string, cursor: string])[] | null;

  /** `cursors`: by tenant and source, as the database had them at the start. */
  constructor(
    clock: Clock,
    cursors: ReadonlyMap<string, string>,
    books: RunPersistence,
    isRegistered: (name: string) => boolean,
  ) {
    this.#clock = clock;
    this.#books = books;
    this.#isRegistered = isRegistered;
    this.#dueMonoMs = clock.monotonicMs() + REGISTERED_WITHIN_MS;
    const known = [...cursors].filter(([, cursor]) => parseSession(cursor) !== null);
    this.#known = known.map(([key, cursor]) => [nameOf(key), cursor] as const);
  }

  /** Called at each sample of health. */
  look(): void {
    if (this.#known === null || this.#clock.monotonicMs() < this.#dueMonoMs) return;
    const known = this.#known;
    this.#known = null;
    for (const [source, cursor] of known) {
      const session = parseSession(cursor);
      if (session === null || this.#isRegistered(source)) continue;
      const { url, clientId } = session;
      const message =
        `the broker ${url} may go on queueing for the kept session "${clientId}" of source "${source}", ` +
        'which is not registered any more; end it by connecting once with that client id and a clean session';
      const facts = { event: 'BROKER_SESSION_LEFT', severity: 'warning', sourceId: source } as const;
      const details = { url, clientId };
      this.#books.alerts.raise(
        { ...facts, timestamp: this.#clock.wallMs(), message, details },
        'registry',
        this.#books.observer.lastRowOf('registry'),
      );
    }
  }
}

function nameOf(key: string): string {
  const at = key.indexOf('/');
  return formatAddress({ tenant: key.slice(0, at), sourceId: key.slice(at + 1) });
}
