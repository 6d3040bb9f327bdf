/** Addresses that mean something else than they seem to: with characters in a name or password that end the
 *  part they stand in, and passwords that are written out. No message repeats one: it may be secret. */

import type { Path } from './placed-text.ts';
import type { Finding } from './problems.ts';
import { pathKey } from './references.ts';

const SCHEME = /^\s*[a-z][a-z0-9+.-]*:\/\//i;

/** Sections that hold addresses of others. */
const SECTIONS: readonly string[] = ['sources', 'sinks', 'control', 'metrics'];

export interface UrlFindings {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** `referred` says which values came from references: these are not written out. */
export function urlFindings(value: unknown, referred: ReadonlyMap<string, unknown>): UrlFindings {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const walk = (inner: unknown, path: Path): void => {
    if (typeof inner === 'string') {
      if (!SCHEME.test(inner) || !isAddressField(path)) return;
      const message = escapeProblem(inner);
      if (message !== null) problems.push({ path, message });
      else if (hasPassword(inner) && !referred.has(pathKey(path)))
        warnings.push({ path, message: WRITTEN_OUT });
    } else if (typeof inner === 'object' && inner !== null) {
      const isList = Array.isArray(inner);
      for (const [name, item] of Object.entries(inner)) walk(item, [...path, isList ? Number(name) : name]);
    }
  };
  if (typeof value === 'object' && value !== null) {
    for (const section of SECTIONS) walk((value as Record<string, unknown>)[section], [section]);
  }
  return { problems, warnings };
}

/** Whether an address is expected there; texts such as `will.payload` may hold any. */
function isAddressField(path: Path): boolean {
  const name = [...path].reverse().find((part) => typeof part === 'string');
  return name === 'url' || name === 'urls' || name === 'servers';
}

const WRITTEN_OUT =
  'holds a password that is written out; take it from the environment (${NAME}) or a file ' +
  '(password: file:PATH)';

/** The characters that must be escaped in an address; null where there are none. */
export function escapeProblem(url: string): string | null {
  if (url !== url.trim()) return 'begins or ends with white space';
  if (/[\s\\]/.test(url)) return 'holds white space or a backslash; write them as %20 and %5C, or correct it';
  const rest = url.slice(url.indexOf('://') + 3);
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? '';
  const tail = rest.slice(authority.length);
  // What looks like name and password ended at one of these characters, and the host stands behind it.
  const isCut = tail.includes('@') && (isWithoutPath(url) || authority.includes('@') || !hasPort(authority));
  if (isCut) return ESCAPE;
  const credentials = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : '';
  if (credentials.includes('@')) return ESCAPE;
  if (/%(?![0-9a-f]{2})/i.test(credentials)) return ESCAPE;
  try {
    decodeURIComponent(credentials);
    return null;
  } catch {
    return ESCAPE;
  }
}

const ESCAPE =
  'the name or password in it holds a character that must be escaped: "@" is %40, "/" %2F, "?" %3F, ' +
  '"#" %23, ":" %3A, "%" %25; or give them as username and password where the entry has these fields';

/** Whether what stands behind the host, if anything, can be a port. */
function hasPort(authority: string): boolean {
  // The colons of an IPv6 address begin no port.
  return !/:(?!\d*$)/.test(authority.replace(/\[[^\]]*\]/, ''));
}

/** Whether an address of this scheme ends with its host. */
function isWithoutPath(url: string): boolean {
  return /^(?:mqtts?|nats|tls):/i.test(url);
}

function hasPassword(url: string): boolean {
  return (URL.parse(url)?.password ?? '') !== '';
}
