/** A number of places that clients share: uploads, WebSockets, live streams, requests.
 *
 *  A client may hold as many places as are left free. One that is alone gets half of them, a second one half
 *  of the rest, and so on: however many places a few clients occupy, and for however long, another one finds
 *  a place. */

import type { Principal } from './http-deps.ts';
import { clientOf } from './remote-address.ts';

export class FairPlaces {
  readonly #placesMax: number;
  readonly #held = new Map<string, number>();
  #taken = 0;

  constructor(placesMax: number) {
    this.#placesMax = placesMax;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Returns how to give the place back, which may be called more than once; null where there is none for
   *  this client. */
  take(client: string): (() => void) | null {
    const held = this.#held.get(client) ?? 0;
    if (held >= this.#placesMax - this.#taken) return null;
    this.#held.set(client, held + 1);
    this.#taken++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken--;
      const left = (this.#held.get(client) ?? 1) - 1;
      if (left === 0) this.#held.delete(client);
      else this.#held.set(client, left);
    };
  }
}

/** The key of one client: a token, wherever it is used; without tokens, an address. */
export function clientKey({ name }: Principal, remoteAddress: string | undefined): string {
  return name === 'anonymous' ? `address ${clientOf(remoteAddress)}` : `token ${name}`;
}
