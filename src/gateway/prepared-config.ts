/** A version of the configuration, ready to run: read, checked, and everything made of it that may be
 *  refused.  Nothing of it runs yet. */

import type { CreateEngineOptions } from '../engine/engine.ts';
import { formatAddress } from '../domain/address.ts';
import { messageOf } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';
import { requireSafeAddress } from '../http/exposure.ts';
import type { HttpOptions } from '../http/http-deps.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { readConfig, type ReadConfigResult } from './config/read-config.ts';
import { readConfigInThread } from './config/read-in-thread.ts';
import { maskAll } from './config/secrets.ts';
import { engineOptionsOf, buildSink, buildSource } from './config/specs.ts';
import type { ConfigFormat, ConfigProblem } from './gateway-control.ts';
import { mapInPieces, runAtOnce, runInTurns, type Interruptible, type Pause } from './turns.ts';

export interface PreparedConfig {
  readonly config: GatewayConfig;
  /** The whole text it was read from, with its secrets. */
  readonly text: string;
  readonly format: ConfigFormat;
  /** Files that references led to, absolute, each with its version when it was read. */
  readonly files: ReadonlyMap<string, string>;
  /** As it was written, secrets masked. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly digest: string;
  /** Settings that are valid and seldom intended. */
  readonly warnings: readonly ConfigProblem[];
  /** What no line of the log may show. */
  readonly secrets: readonly string[];
  /** By the name each has in the file. */
  readonly sources: ReadonlyMap<string, SourceSpec>;
  readonly sinks: ReadonlyMap<string, SinkSpec>;
  /** All that `createEngine` takes, but for clock and logger; of it, what records go through can be changed
   *  while the engine runs. */
  readonly engine: CreateEngineOptions;
}

export interface ConfigText {
  readonly text: string;
  readonly format: ConfigFormat;
  /** Null where it came from no file: paths are then seen from the working folder. */
  readonly file: string | null;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Epoch milliseconds. */
  readonly nowMs?: number;
  /** Where the HTTP server listens, if it does already: its tokens may change, it does not. */
  readonly listening?: HttpOptions;
}

/** Returns everything that is wrong, where something is. Never throws. */
export function prepareConfig(
  given: ConfigText,
  { listening, ...surroundings }: Surroundings,
): PreparedConfig | readonly ConfigProblem[] {
  const { text, format, file } = given;
  return runAtOnce(preparing(given, readConfig(text, { format, file, ...surroundings }), listening));
}

/** As {@link prepareConfig}, without stopping the event loop, however large the text is.
 *  @throws HeadgateError HG_CONFIG_INVALID where the thread that reads it ends. */
export async function prepareConfigInTurns(
  given: ConfigText,
  { listening, ...surroundings }: Surroundings,
  pause: Pause,
): Promise<PreparedConfig | readonly ConfigProblem[]> {
  const { text, format, file } = given;
  const reading = await readConfigInThread(text, { format, file, ...surroundings });
  return runInTurns(preparing(given, reading, listening), pause);
}

function* preparing(
  { text, format, file }: ConfigText,
  reading: ReadConfigResult,
  listening: HttpOptions | undefined,
): Interruptible<PreparedConfig | readonly ConfigProblem[]> {
  if (!reading.ok) return reading.problems;
  const { config, document, digest, secrets, warnings, files } = reading;
  const problems: ConfigProblem[] = [];
  const attempt = <Made>(path: string, make: () => Made): Made | null => {
    try {
      return make();
    } catch (error) {
      const message = maskAll(messageOf(error), secrets);
      problems.push({ file, line: null, column: null, path, message });
      return null;
    }
  };
  const scope = { folder: config.folder };
  const sources = yield* specs(
    'sources',
    config.sources,
    (id, entry) => buildSource(id, entry, scope),
    attempt,
  );
  const sinks = yield* specs('sinks', config.sinks, (id, entry) => buildSink(id, entry, scope), attempt);
  const engine = attempt('stages', () => engineOptionsOf(config));
  if (config.http.enabled) {
    attempt('http', () => requireSafeAddress(listening ?? config.http, config.auth.tokens.length));
  }
  if (engine === null || problems.length > 0) return problems;
  return { text, format, files, config, document, digest, secrets, warnings, sources, sinks, engine };
}

export function isProblems(
  prepared: PreparedConfig | readonly ConfigProblem[],
): prepared is readonly ConfigProblem[] {
  return Array.isArray(prepared);
}

/** The names of the sources that must be connected for the gateway to be ready. */
export function requiredSourcesOf({ config, sources }: PreparedConfig): string[] {
  return [...sources].flatMap(([id, { tenant, id: sourceId }]) =>
    config.sources[id]?.required === true ? [formatAddress({ tenant, sourceId })] : [],
  );
}

function* specs<Entry, Spec>(
  section: string,
  entries: Readonly<Record<string, Entry>>,
  make: (id: string, entry: Entry) => Spec,
  attempt: <Made>(path: string, make: () => Made) => Made | null,
): Interruptible<ReadonlyMap<string, Spec>> {
  const made = yield* mapInPieces(
    Object.entries(entries),
    LIMITS.configEntriesPerTurn,
    ([id, entry]) => [id, attempt(`${section}.${id}`, () => make(id, entry))] as const,
  );
  return new Map(made.filter((one): one is [string, NonNullable<Spec>] => one[1] !== null));
}
