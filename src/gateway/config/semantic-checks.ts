/** What no single field of a configuration shows: fields that do not go together, names and files that are
 *  used twice, doors that would stand open. */

import { databaseFinder, isOfArchive, outputFinder } from '../../../actors/support/own-files.ts';
import { engineOptionsSchema } from '../../config/engine-options.ts';
import { resolveOptions } from '../../config/resolve-options.ts';
import { addressOf, DEFAULT_TENANT, formatAddress, parseAddress } from '../../domain/address.ts';
import { HeadgateError } from '../../domain/errors.ts';
import type { Path } from './placed-text.ts';
import { exposureFindings } from './exposure-checks.ts';
import type { GatewayConfig } from './gateway-config.ts';
import { moduleProblem } from './modules.ts';
import type { Finding } from './problems.ts';
import { rotatedFindings } from './rotated-checks.ts';
import { buildSink, buildSource } from './specs.ts';
import { engineOptionsOf } from './stage-specs.ts';

export function semanticFindings(config: GatewayConfig): Finding[] {
  return [
    ...engineFindings(config),
    ...entryFindings('sources', config.sources, (id, entry) => buildSource(id, entry)),
    ...entryFindings('sinks', config.sinks, (id, entry) => buildSink(id, entry)),
    ...moduleFindings(config),
    ...stageNameFindings(config),
    ...fileFindings(config),
    ...rotatedFindings(config),
    ...clientFindings(config),
    ...tokenFindings(config),
    ...exposureFindings(config),
    ...removedFindings(config),
  ];
}

/** Where the option of an engine stands in the configuration. */
const PLACES: readonly (readonly [option: string, path: Path])[] = [
  ['timeline.path', ['storage', 'path']],
  ['timeline', ['storage', 'path']],
  ['records', ['storage', 'records']],
  ['storage', ['storage']],
  ['rateLimit', ['limits', 'global']],
  ['burst', ['burst']],
  ['health', ['engine', 'health']],
  ['reconnectsPerSecondMax', ['engine', 'reconnectsPerSecondMax']],
  ['seed', ['engine', 'seed']],
];

/** What the engine itself would say. */
function engineFindings(config: GatewayConfig): Finding[] {
  try {
    resolveOptions(engineOptionsSchema, engineOptionsOf({ ...config, stages: [] }), 'engine');
    return [];
  } catch (error) {
    const { field, message } = optionProblem(error);
    const place = PLACES.find(([option]) => field === option || field.startsWith(`${option}.`));
    const rest = place === undefined ? [] : field.slice(place[0].length).split('.').filter(Boolean);
    return [{ path: [...(place?.[1] ?? []), ...rest], message }];
  }
}

/** What the factory of each kind would say. Code of the user's is not loaded for that. */
function entryFindings<Entry extends { readonly type: string }>(
  section: string,
  entries: Readonly<Record<string, Entry>>,
  build: (id: string, entry: Entry) => unknown,
): Finding[] {
  return Object.entries(entries).flatMap(([id, entry]) => {
    if (namesCode(entry)) return [];
    try {
      build(id, entry);
      return [];
    } catch (error) {
      const { field, message } = optionProblem(error);
      return [{ path: [section, id, ...fieldPath(field)], message }];
    }
  });
}

function namesCode(entry: { readonly type: string; readonly decode?: unknown }): boolean {
  return entry.type === 'module' || entry.type === 'function' || typeof entry.decode === 'object';
}

/** The option that an error speaks of, and what it says of it. */
function optionProblem(error: unknown): { field: string; message: string } {
  // The name or password has no percent-encoding: url-checks.ts reports the address.
  if (error instanceof URIError) return { field: 'url', message: 'cannot be decoded' };
  if (!(error instanceof HeadgateError)) throw error;
  const named = error.details['field'];
  const field = typeof named === 'string' ? named : '';
  const [, said = error.message] = /option "[^"]*": (.*)$/s.exec(error.message) ?? [];
  return { field: field === '(the whole)' ? '' : field, message: said };
}

function fieldPath(field: string): Path {
  return field === '' ? [] : field.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

function moduleFindings({ sources, sinks, stages, folder }: GatewayConfig): Finding[] {
  const named: [path: Path, module: string][] = [];
  for (const [id, entry] of Object.entries(sources)) {
    if (entry.type === 'module') named.push([['sources', id, 'module'], entry.module]);
    else if ('decode' in entry && typeof entry.decode === 'object') {
      named.push([['sources', id, 'decode', 'module'], entry.decode.module]);
    }
  }
  for (const [id, entry] of Object.entries(sinks)) {
    if (entry.type === 'module') named.push([['sinks', id, 'module'], entry.module]);
    if (entry.type === 'function') named.push([['sinks', id, 'deliver'], entry.deliver]);
  }
  for (const [index, { module }] of stages.entries()) {
    if (module !== undefined) named.push([['stages', index, 'module'], module]);
  }
  return named.flatMap(([path, module]) => {
    const message = moduleProblem(module, folder);
    return message === null ? [] : [{ path, message }];
  });
}

/** Names that a user gave; those the engine makes are made different by it. */
function stageNameFindings({ stages }: GatewayConfig): Finding[] {
  return doubles(
    stages.flatMap(({ name, queue }, index): [Path, string][] => [
      ...(name === undefined ? [] : [[['stages', index, 'name'], name] as [Path, string]]),
      ...(queue === undefined ? [] : [[['stages', index, 'queue', 'name'], queue.name] as [Path, string]]),
    ]),
    (name) => `another stage is called "${name}"; choose another name`,
  );
}

function fileFindings({ sources, sinks, storage, file: own }: GatewayConfig): Finding[] {
  const written: [Path, string][] = [[['storage', 'path'], storage.path]];
  for (const [id, entry] of Object.entries(sinks)) {
    if (entry.type === 'file') written.push([['sinks', id, 'path'], entry.path]);
  }
  const read = Object.entries(sources).flatMap(([id, entry]): [Path, string][] =>
    entry.type === 'file' ? [[['sources', id, 'path'], entry.path]] : [],
  );
  const found = doubles(
    written,
    (path) => `"${path}" is written by another part; give each a file of its own`,
  );
  const folder = storage.retention.timeline?.archiveFolder;
  const isDatabase = databaseFinder(storage.path);
  const isOutput = outputFinder(written.slice(1).map(([, output]) => output));
  const isOfEngine = (file: string) =>
    isDatabase(file) || (folder !== undefined && isOfArchive(file, folder));
  const isConfiguration = own === null ? () => false : outputFinder([own]);
  const taken = [...written, ...read].filter(([, file]) => isConfiguration(file));
  const both = [
    ...read.filter(([, file]) => isOfEngine(file) || isOutput(file)),
    // That of the database itself is told as a double.
    ...written.slice(1).filter(([, file]) => file !== storage.path && isOfEngine(file)),
  ];
  return [
    ...found,
    ...taken.map(([path, file]) => ({
      path,
      message: `"${file}" is the configuration file; give this part a file of its own`,
    })),
    ...both.map(([path, file]) => ({ path, message: `"${file}" is written by this gateway itself` })),
  ];
}

/** A broker throws a client off when another one comes with the same id. */
function clientFindings({ sources, sinks, control }: GatewayConfig): Finding[] {
  const clients: [Path, string][] = [];
  const note = (path: Path, link: { url: string; clientId?: string | undefined }) => {
    const host = URL.parse(link.url)?.host;
    if (link.clientId !== undefined && host !== undefined) {
      clients.push([[...path, 'clientId'], `${link.clientId} at ${host}`]);
    }
  };
  for (const [id, entry] of Object.entries(sources)) if (entry.type === 'mqtt') note(['sources', id], entry);
  for (const [id, entry] of Object.entries(sinks)) if (entry.type === 'mqtt') note(['sinks', id], entry);
  if (control.mqtt !== null) note(['control', 'mqtt'], control.mqtt);
  return doubles(
    clients,
    () => 'another client of the same broker has this id; one would throw the other off',
  );
}

function tokenFindings({ auth, http }: GatewayConfig): Finding[] {
  const at = (index: number, field: string): Path => ['auth', 'tokens', index, field];
  const names = auth.tokens.map(({ name }, index): [Path, string] => [at(index, 'name'), name]);
  const hashes = auth.tokens.map(({ hash }, index): [Path, string] => [at(index, 'hash'), hash]);
  const origins = http.allowedOrigins.flatMap((origin, index): Finding[] =>
    URL.parse(origin)?.origin === origin
      ? []
      : [
          {
            path: ['http', 'allowedOrigins', index],
            message: 'must be an origin such as https://scada.example',
          },
        ],
  );
  return [
    ...doubles(names, (name) => `another token is called "${name}"`),
    ...doubles(hashes, () => 'another token has the same hash'),
    ...origins,
  ];
}

/** Names that are listed as removed and still configured: one of the two is a mistake. */
function removedFindings({ removed, sources, sinks }: GatewayConfig): Finding[] {
  const found = (
    section: 'sources' | 'sinks',
    entries: Readonly<Record<string, { readonly type: string; readonly tenant?: string }>>,
  ) => {
    const present = new Set(
      Object.entries(entries).map(([id, { tenant = DEFAULT_TENANT }]) => addressOf({ id, tenant })),
    );
    return removed[section].flatMap((id, index): Finding[] =>
      present.has(formatAddress(parseAddress(id)))
        ? [
            {
              path: ['removed', section, index],
              message: `"${id}" stands under ${section}, too; remove it from one of the two`,
            },
          ]
        : [],
    );
  };
  return [...found('sources', sources), ...found('sinks', sinks)];
}

function doubles(named: readonly [Path, string][], message: (name: string) => string): Finding[] {
  const seen = new Set<string>();
  return named.flatMap(([path, name]) => {
    if (seen.has(name)) return [{ path, message: message(name) }];
    seen.add(name);
    return [];
  });
}
