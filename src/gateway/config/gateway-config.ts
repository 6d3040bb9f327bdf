/** The resolved configuration, as the gateway runs it: paths absolute, files read, limits handed to the
 *  sources they are for. */

import { dirname, isAbsolute, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { moduleReference } from './modules.ts';
import { fileProblem } from '../../../storage/file/bounded-file.ts';
import { messageOf } from '../../domain/errors.ts';
import { readSmallFile } from './references.ts';
import type { Finding } from './problems.ts';
import type { ParsedConfig } from './gateway-schema.ts';
import type { SinkEntry } from './sink-entries.ts';
import type { SourceEntry } from './source-entries.ts';

export interface GatewayConfig extends Omit<ParsedConfig, '$schema' | 'http' | 'auth'> {
  /** The file it was read from, absolute; null where there is none. */
  readonly file: string | null;
  /** The folder that relative paths were seen from. */
  readonly folder: string;
  readonly http: Omit<ParsedConfig['http'], 'tls'> & {
    /** PEM. */
    readonly tls: { readonly cert: string; readonly key: string } | null;
  };
  readonly auth: { readonly tokens: readonly ConfiguredToken[]; readonly open: boolean };
}

export interface ConfiguredToken {
  readonly name: string;
  /** `sha256:` and 64 hex digits. */
  readonly hash: string;
  readonly scopes: readonly ('read' | 'ingest' | 'operate' | 'admin')[];
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs: number | null;
  readonly sources: readonly string[] | null;
}

/** The file, absolute, and the folder that its relative paths are seen from. */
export function configPlace(
  file: string | null,
  workingFolder: string,
): { readonly file: string | null; readonly folder: string } {
  const absolute = file === null ? null : resolve(workingFolder, file);
  return { file: absolute, folder: absolute === null ? workingFolder : dirname(absolute) };
}

/** Makes the configuration of one that fits the schema. Files that cannot be read are findings. */
export function resolveConfig(
  parsed: ParsedConfig,
  file: string | null,
  workingFolder: string,
): {
  readonly config: GatewayConfig;
  readonly findings: readonly Finding[];
  /** Files that were read, absolute, each with its version at that moment. */
  readonly files: ReadonlyMap<string, string>;
} {
  const findings: Finding[] = [];
  const files = new Map<string, string>();
  const place = configPlace(file, workingFolder);
  const { folder } = place;
  const { $schema: _, http, auth, storage, sources, sinks, stages, ...kept } = parsed;
  const { tls, ...httpKept } = http;
  const config: GatewayConfig = {
    ...kept,
    ...place,
    storage: storageIn(storage, folder),
    sources: mapEntries(sources, (entry) => sourceIn(entry, parsed.limits.perSource, folder)),
    sinks: mapEntries(sinks, (entry) => sinkIn(entry, folder)),
    stages: stages.map((entry) =>
      entry.module === undefined ? entry : { ...entry, module: moduleIn(entry.module, folder) },
    ),
    http: { ...httpKept, tls: tls === null ? null : readTls(tls, folder, { findings, files }) },
    auth: { open: auth.open, tokens: auth.tokens.map(tokenOf) },
  };
  return { config, findings, files };
}

type Entries<Entry> = Record<string, Entry>;

function mapEntries<Entry>(entries: Entries<Entry>, change: (entry: Entry) => Entry): Entries<Entry> {
  return Object.fromEntries(Object.entries(entries).map(([id, entry]) => [id, change(entry)]));
}

function pathIn(path: string, folder: string): string {
  return path === ':memory:' || isAbsolute(path) ? path : resolve(folder, path);
}

function moduleIn(text: string, folder: string): string {
  const { file, name } = moduleReference(text, folder);
  return `${file}#${name}`;
}

function storageIn(storage: ParsedConfig['storage'], folder: string): ParsedConfig['storage'] {
  const { timeline } = storage.retention;
  const archived =
    timeline === null ? null : { ...timeline, archiveFolder: pathIn(timeline.archiveFolder, folder) };
  return {
    ...storage,
    path: pathIn(storage.path, folder),
    retention: { ...storage.retention, timeline: archived },
  };
}

function sourceIn(
  entry: SourceEntry,
  perSource: ParsedConfig['limits']['perSource'],
  folder: string,
): SourceEntry {
  if (entry.type === 'module') return { ...entry, module: moduleIn(entry.module, folder) };
  const limited = { ...entry, rateLimit: entry.rateLimit ?? perSource };
  if (limited.type === 'file') {
    const rotated = limited.rotated?.map((place) => pathIn(place, folder));
    return { ...limited, path: pathIn(limited.path, folder), ...(rotated === undefined ? {} : { rotated }) };
  }
  if ('decode' in limited && typeof limited.decode === 'object') {
    return { ...limited, decode: { module: moduleIn(limited.decode.module, folder) } };
  }
  return limited;
}

function sinkIn(entry: SinkEntry, folder: string): SinkEntry {
  if (entry.type === 'file') return { ...entry, path: pathIn(entry.path, folder) };
  if (entry.type === 'module') return { ...entry, module: moduleIn(entry.module, folder) };
  if (entry.type === 'function') return { ...entry, deliver: moduleIn(entry.deliver, folder) };
  return entry;
}

function readTls(
  { certFile, keyFile }: NonNullable<ParsedConfig['http']['tls']>,
  folder: string,
  { findings, files }: { readonly findings: Finding[]; readonly files: Map<string, string> },
): { cert: string; key: string } {
  const read = (path: string, field: string, mustBePrivate: boolean): string => {
    try {
      const whole = resolve(folder, path);
      const onRead = (version: string) => void files.set(whole, version);
      const text = readSmallFile(whole, { mustBePrivate, onRead });
      if (text.includes('-----BEGIN ')) return text;
      findings.push({ path: ['http', 'tls', field], message: `the file "${path}" holds no PEM` });
    } catch (error) {
      findings.push({ path: ['http', 'tls', field], message: `the file "${path}" ${fileProblem(error)}` });
    }
    return '';
  };
  const tls = { cert: read(certFile, 'certFile', false), key: read(keyFile, 'keyFile', true) };
  if (tls.cert === '' || tls.key === '') return tls;
  try {
    createSecureContext(tls);
  } catch (error) {
    const reason = messageOf(error).replace(/^.*:/s, '').trim();
    const message = `the key and the certificate cannot be used together: ${reason}; replace both`;
    findings.push({ path: ['http', 'tls'], message });
  }
  return tls;
}

function tokenOf({ expiresAt, ...token }: ParsedConfig['auth']['tokens'][number]): ConfiguredToken {
  return { ...token, expiresAtMs: expiresAt === null ? null : Date.parse(expiresAt) };
}
