/** References in the texts of a configuration: `${NAME}` and `${NAME:-default}` to the environment, `$${` for
 *  the two characters themselves, and `file:PATH` to the content of a file. Examples are left as they are. */

import { resolve } from 'node:path';
import { fileProblem, fileVersion, readBoundedText } from '../../../storage/file/bounded-file.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { Path } from './placed-text.ts';
import { isSecretPath, mapValues } from './secrets.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReferenceContext {
  readonly env: Environment;
  /** The folder that relative paths are seen from. */
  readonly folder: string;
}

export interface Resolved {
  readonly value: unknown;
  /** The files that were read, absolute, each with its version at that moment. */
  readonly files: ReadonlyMap<string, string>;
  /** Texts that came from references, by `pathKey`. */
  readonly referred: ReadonlyMap<string, string>;
  readonly problems: readonly { readonly path: Path; readonly message: string }[];
}

export const pathKey = (path: Path): string => JSON.stringify(path.map(String));

/** Replaces every reference. One that leads nowhere is a problem, and its text stays. */
export function resolveReferences(value: unknown, context: ReferenceContext): Resolved {
  const referred = new Map<string, string>();
  const files = new Map<string, string>();
  const problems: { path: Path; message: string }[] = [];
  const walk = (inner: unknown, path: Path): unknown => {
    if (typeof inner === 'string') {
      const problem = (message: string) => void problems.push({ path, message });
      const made = resolveText(inner, path, { ...context, files }, problem);
      if (made !== inner && !isEscapeOnly(inner)) referred.set(pathKey(path), made);
      return made;
    }
    if (Array.isArray(inner)) return inner.map((item, index) => walk(item, [...path, index]));
    if (typeof inner !== 'object' || inner === null) return inner;
    return mapValues(inner, (item, name) =>
      path.length === 0 && name === 'examples' ? item : walk(item, [...path, name]),
    );
  };
  return { value: walk(value, []), files, referred, problems };
}

const VARIABLE = /\$\$\{|\$\{([^}]*)\}?/g;
const NAME_AND_DEFAULT = /^([A-Za-z_]\w*)(?::-(.*))?$/s;
const FILE = 'file:';

function isEscapeOnly(text: string): boolean {
  return !text.startsWith(FILE) && [...text.matchAll(VARIABLE)].every(([whole]) => whole === '$${');
}

function resolveText(
  text: string,
  path: Path,
  { env, folder, files }: ReferenceContext & { readonly files: Map<string, string> },
  problem: (message: string) => void,
): string {
  const filled = text.replaceAll(VARIABLE, (whole, inner: string | undefined) => {
    if (whole === '$${') return '${';
    const [, name = '', fallback] = NAME_AND_DEFAULT.exec(inner ?? '') ?? [];
    if (name === '' || !whole.endsWith('}')) {
      problem(`"${whole}" is no reference; write \${NAME}, \${NAME:-default}, or $\${ for the characters`);
      return whole;
    }
    const given = env[name];
    if (given !== undefined && (given !== '' || fallback === undefined)) return given;
    if (fallback !== undefined) return fallback;
    problem(`the environment variable ${name} is not set; set it, or write \${${name}:-default}`);
    return whole;
  });
  if (!filled.startsWith(FILE)) return filled;
  const file = filled.slice(FILE.length);
  try {
    const whole = resolve(folder, file);
    const onRead = (version: string) => void files.set(whole, version);
    return readSmallFile(whole, { mustBePrivate: isSecretPath(path), onRead }).replace(/\r?\n$/, '');
  } catch (error) {
    problem(`the file "${file}" ${fileProblem(error)}`);
    return text;
  }
}

/** Permissions that a file of secrets must not have: anything to others, and to its group more than reading.
 *  Kubernetes lets the group read (fsGroup), and makes that group the service's own. */
const TOO_OPEN = 0o037;
/** Docker mounts its secrets so, in a folder of the container: no user may write them, and who may read them
 *  is decided outside. */
const MOUNTED = 0o444;

/** Reads a file that a configuration names.
 *  @throws Error whose message, by {@link fileProblem}, goes on after the name of the file. */
export function readSmallFile(
  path: string,
  { mustBePrivate, onRead }: { readonly mustBePrivate: boolean; readonly onRead?: (version: string) => void },
): string {
  return readBoundedText(path, {
    bytesMax: LIMITS.secretBytesMax,
    refuse: (stat) => {
      const { mode } = stat;
      onRead?.(fileVersion(stat));
      if (!mustBePrivate || process.platform === 'win32' || (mode & TOO_OPEN) === 0) return null;
      if ((mode & 0o777) === MOUNTED) return null;
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      return `holds a secret and is open to other users (mode ${shown}); chmod 600 it`;
    },
  });
}
