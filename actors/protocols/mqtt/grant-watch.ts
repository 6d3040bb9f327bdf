/** Watches what a broker makes of a connection from one link to the next: what it does not grant is an alert,
 *  once for each set of differences; links that it closes soon after their opening point to another client
 *  with the same client id. */

import { HeadgateError } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { clientIdClash, shownUrl } from './errors.ts';
import type { ResolvedConnection } from './options.ts';

export interface GrantWatch {
  /** A link was opened. */
  connected(differences: readonly string[]): void;
  /** Filters were subscribed to. */
  subscribed(differences: readonly string[]): void;
  /** A link was closed, so long after its opening; null: it was never opened. Returns the error to tell. */
  closed(error: Error, stoodMs: number | null): Error;
}

/** A link that was closed within so long, and so many of them in a row, make the suspicion. */
const SHORT_MS = 30_000;
const SHORT_LINKS_MIN = 3;
/** MQTT 5: session taken over. */
const TAKEN_OVER = 0x8e;

/** `speaker` gives a run that may speak for the connection. */
export function watchGrants(
  { url, clientId }: Pick<ResolvedConnection, 'url' | 'clientId'>,
  speaker: () => Pick<SourceIo, 'alert'> | undefined,
): GrantWatch {
  const place = shownUrl(url);
  const told = new Set<string>();
  let shortLinks = 0;
  let clashTold = false;

  const tell = (differences: readonly string[]): void => {
    const fresh = differences.filter((difference) => !told.has(difference));
    if (fresh.length === 0) return;
    for (const difference of fresh) told.add(difference);
    const message = `the broker ${place} grants less than it was asked for: ${fresh.join('; ')}`;
    speaker()?.alert('BROKER_GRANTED_LESS', message, { url: place, differences: fresh });
  };
  const tellClash = (message: string): void => {
    if (clashTold) return;
    clashTold = true;
    speaker()?.alert('CLIENT_ID_CLASH', message, { url: place, clientId });
  };

  return {
    connected: tell,
    subscribed: tell,
    closed(error, stoodMs) {
      const details = error instanceof HeadgateError ? error.details : {};
      if (details['reasonCode'] === TAKEN_OVER) {
        tellClash(error.message);
        return error;
      }
      // A broker that restarts, or a network that breaks, shows in other ways, too: refusals, resets.
      const isShort = stoodMs !== null && stoodMs < SHORT_MS && details['closedByPeer'] === true;
      shortLinks = isShort ? shortLinks + 1 : 0;
      if (shortLinks === 0) clashTold = false;
      if (clientId === '' || shortLinks < SHORT_LINKS_MIN) return error;
      const clash = clientIdClash(url, clientId, shortLinks);
      tellClash(clash.message);
      return clash;
    },
  };
}
