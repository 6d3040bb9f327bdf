/** Tokens as text. What is kept of one is its digest: a token is 256 random bits, which nobody can guess, so
 *  that a slow hash would protect nothing and cost every request. */

import { createHash } from 'node:crypto';

export const HASH_PREFIX = 'sha256:';

/** Random bytes of a token. */
export const TOKEN_BYTES = 32;

/** Tells what a token is for, to people and to scanners of leaked secrets. */
const TOKEN_PREFIX = 'hg_';

/** A token of `random` bytes. */
export function tokenOf(random: Uint8Array): string {
  return TOKEN_PREFIX + Buffer.from(random).toString('base64url');
}

/** What the configuration keeps of a token. */
export function hashOf(token: string): string {
  return HASH_PREFIX + digestOf(token).toString('hex');
}

export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** The digest in a stored hash; null for what is none. */
export function storedDigest(hash: string): Buffer | null {
  const hex = hash.startsWith(HASH_PREFIX) ? hash.slice(HASH_PREFIX.length) : '';
  return /^[0-9a-f]{64}$/i.test(hex) ? Buffer.from(hex, 'hex') : null;
}
