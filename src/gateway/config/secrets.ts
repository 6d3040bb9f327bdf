/** Which values of a configuration are secret, and how they are kept out of everything that is shown: the
 *  document, messages, the digest. */

import { createHash } from 'node:crypto';
import type { Path } from './placed-text.ts';

export const MASK = '***';

/** Characters from which on a part of the path of an address may be a key. */
const PATH_KEY_CHARS_MIN = 16;

/** Fields whose text is a secret wherever they stand. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
  ...['password', 'passphrase', 'token', 'bearer', 'secret', 'creds', 'apikey', 'api_key', 'key'],
]);
/** `key` is one where it is the key of a certificate. */
const KEY_OWNERS: ReadonlySet<PropertyKey> = new Set(['tls']);

/** Whether what stands at `path` is secret whatever it says. All headers are: any may bear credentials. */
export function isSecretPath(path: Path): boolean {
  const name = String(path.at(-1)).toLowerCase();
  const owner = path.at(-2);
  if (owner === 'headers') return true;
  if (name === 'key') return owner !== undefined && KEY_OWNERS.has(owner);
  return SECRET_FIELDS.has(name);
}

/** Whether what stands at `path` may hold a secret among other things, so that it is not shown: what is sent
 *  along, whatever its form. */
function mayHoldSecret(path: Path): boolean {
  const [section, , field] = path;
  if (section !== 'sources' && section !== 'sinks') return false;
  // Only code of the user's knows what its options mean.
  if (field === 'options') return path.length > 3;
  return field === 'body' || field === 'subscribe' || (field === 'will' && path[3] === 'payload');
}

/** Whether what stands at `path` is the hash of a token: shown to whoever may change it, and nobody else. */
function isTokenHash(path: Path): boolean {
  return path[0] === 'auth' && path[1] === 'tokens' && path.at(-1) === 'hash';
}

/** The address without user, password and query; null where it has none of them, or is no address. */
function withoutCredentials(text: string): string | null {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  if (url === null || (url.username === '' && url.password === '' && url.search === '')) return null;
  const [scheme = '', rest = ''] = text.split(/(?<=:\/\/)/);
  const bare = rest.replace(/^[^/?#]*@/, `${MASK}@`).replace(/\?.*$/s, `?${MASK}`);
  return scheme + bare;
}

/** The secret parts of a text that stands at `path`: all of it, or credentials in an address. */
function secretsIn(text: string, path: Path): string[] {
  if (isSecretPath(path)) return [text];
  const masked = withoutCredentials(text);
  const url = masked === null ? null : URL.parse(text);
  if (url === null) return [];
  const raw = /:\/\/[^/?#@]*?:([^/?#]*)@/.exec(text)?.[1] ?? '';
  const basic = url.password === '' ? '' : basicOf(decoded(url.username), decoded(url.password));
  return [raw, url.password, decoded(url.password), basic, url.search.slice(1)].filter((part) => part !== '');
}

/** Name and password as HTTP sends them: a far end that repeats a request repeats these. */
function basicOf(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A reference: what it says is no secret, what it leads to may be one. */
const REFERENCES_ALONE = /^(?:\$\{[A-Za-z_]\w*\}|file:[^\s]+)$/;

/** The document as it was written, with `***` in the place of secrets. References stay: they name where a
 *  secret is, not what it is. */
export function maskDocument(value: unknown, path: Path = []): unknown {
  if (typeof value === 'string') {
    if (REFERENCES_ALONE.test(value)) return value;
    if (mayHoldSecret(path)) return MASK;
    if (isSecretPath(path))
      return /^\$\{[A-Za-z_]\w*:-/.test(value) ? value.replace(/:-.*$/s, `:-${MASK}}`) : MASK;
    return withoutCredentials(value) ?? value;
  }
  if (Array.isArray(value)) return value.map((item, index) => maskDocument(item, [...path, index]));
  if (typeof value !== 'object' || value === null) return isSecretPath(path) && value !== null ? MASK : value;
  return mapValues(value, (inner, name) => maskDocument(inner, [...path, name]));
}

/** Where a document holds `***` in the place of a secret: it was shown somewhere, and comes back as it was
 *  shown. */
export function maskedPlaces(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') {
    const isMasked =
      isSecretPath(path) || isTokenHash(path) || mayHoldSecret(path)
        ? /^\*\*\*$|:-\*\*\*\}$/.test(value)
        : MASKED_ADDRESS.test(value);
    return isMasked ? [path] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  const parts: (readonly [number | string, unknown])[] = Array.isArray(value)
    ? value.map((inner: unknown, index) => [index, inner] as const)
    : Object.entries(value);
  return parts.flatMap(([name, inner]) => maskedPlaces(inner, [...path, name]));
}

const MASKED_ADDRESS = /^[a-z][a-z0-9+.-]*:\/\/(?:\*\*\*@|[^?]*\?\*\*\*$)/i;

/** Shorter ones would be found in every message. */
const SECRET_CHARS_MIN = 3;

/** What secrets were met, so that no message repeats one. */
export class SecretBook {
  readonly #secrets = new Set<string>();
  #sorted: readonly string[] | null = null;

  /** What may not be shown, the longest first: one may be the beginning of another. */
  get all(): readonly string[] {
    this.#sorted ??= [...this.#secrets].sort((a, b) => b.length - a.length);
    return this.#sorted;
  }

  add(secret: string): void {
    for (const part of [secret, JSON.stringify(secret).slice(1, -1)]) {
      if (part.length >= SECRET_CHARS_MIN) this.#secrets.add(part);
      this.#sorted = null;
    }
  }

  /** Notes what a reference stood for. Of an address the host is no secret: an error that does not name it
   *  is of no use. Parts of its path that are long enough to be keys are, as in the addresses of webhooks. */
  addReferred(value: string): void {
    const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? URL.parse(value) : null;
    if (url === null) this.add(value);
    else for (const part of url.pathname.split('/')) if (part.length >= PATH_KEY_CHARS_MIN) this.add(part);
  }

  /** Notes every secret in a configuration whose references are resolved. */
  addAllOf(value: unknown, path: Path = []): void {
    if (typeof value === 'string') for (const secret of secretsIn(value, path)) this.add(secret);
    else if (typeof value === 'object' && value !== null) {
      const { username, password } = value as { readonly username?: unknown; readonly password?: unknown };
      if (typeof username === 'string' && typeof password === 'string') this.add(basicOf(username, password));
      for (const [name, inner] of Object.entries(value)) this.addAllOf(inner, [...path, name]);
    }
  }

  /** The message with `***` in the place of every secret. */
  mask(message: string): string {
    return maskAll(message, this.all);
  }
}

/** The message with `***` in the place of each of these, the longest of which come first. */
export function maskAll(message: string, secrets: readonly string[]): string {
  let masked = message;
  for (const secret of secrets) masked = masked.replaceAll(secret, MASK);
  return masked;
}

/** SHA-256 over a resolved configuration without its secrets: a digest is shown to whoever may read, and a
 *  weak secret could be guessed from it. `isReferred` says which values came from references. */
export function digestOf(value: unknown, isReferred: (path: Path) => boolean): string {
  // One path for all: of thousands of sources, most of the time would go into copies of it.
  const path: (string | number)[] = [];
  const at = (name: string | number, inner: unknown): string => {
    path.push(name);
    const text = canonical(inner);
    path.pop();
    return text;
  };
  const canonical = (inner: unknown): string => {
    if (typeof inner === 'string') {
      const isSecret = isSecretPath(path) || isTokenHash(path) || mayHoldSecret(path) || isReferred(path);
      return JSON.stringify(isSecret || withoutCredentials(inner) !== null ? MASK : inner);
    }
    if (Array.isArray(inner)) return `[${inner.map((item, index) => at(index, item)).join()}]`;
    if (typeof inner !== 'object' || inner === null) return JSON.stringify(inner) ?? 'null';
    const names = Object.keys(inner).sort();
    const pairs = names.map(
      (name) => `[${JSON.stringify(name)},${at(name, (inner as Record<string, unknown>)[name])}]`,
    );
    return `[${pairs.join()}]`;
  };
  return createHash('sha256').update(canonical(value)).digest('hex');
}

/** A map of the same names. A name such as `__proto__` stays one of its own. */
export function mapValues(
  map: object,
  change: (value: unknown, name: string) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, change(value, name)]));
}
