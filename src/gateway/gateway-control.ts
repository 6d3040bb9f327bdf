/** What the rest of the process may ask of the running gateway: the API, the control topic and the live view
 *  hold this and nothing else of it. */

import type { Engine } from '../engine/engine.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';

export interface GatewayControl {
  readonly engine: Engine;
  /** When it was started: wall time in epoch milliseconds, and monotonic time, which durations go by. */
  readonly started: { readonly atMs: number; readonly monoMs: number };
  configuration(): RunningConfiguration;
  /** What is wrong with a configuration; empty where it could be applied. Changes nothing. */
  validate(text: string, format: ConfigFormat): Promise<readonly ConfigProblem[]>;
  /** Makes the difference to the running configuration real. Never throws: a new version that is invalid, or
   *  that fails, leaves the old one running. With `persist` it also replaces the file, atomically. */
  apply(text: string, options: ApplyOptions): Promise<ReloadOutcome>;
  readiness(): Readiness;
  /** A source as the configuration writes it (`{ type, … }`).
   *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID with `details.field` */
  sourceSpec(id: string, entry: unknown): SourceSpec;
  sinkSpec(id: string, entry: unknown): SinkSpec;
}

export interface ApplyOptions {
  readonly format: ConfigFormat;
  readonly origin: ReloadOrigin;
  /** Whoever asks for it, by name: the timeline keeps it. */
  readonly by?: string;
  readonly persist?: boolean;
}

export type ConfigFormat = 'yaml' | 'json';

export type ReloadOrigin = 'start' | 'file' | 'signal' | 'api' | 'mqtt';

export interface RunningConfiguration {
  /** Rises by one with every change that was applied. */
  readonly version: number;
  /** SHA-256 of the resolved configuration without secrets, hex. */
  readonly digest: string;
  /** Null where nothing was read from a file. */
  readonly file: string | null;
  /** As it was written, with secrets masked as `"***"`. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly lastReload: ReloadOutcome | null;
}

/** One thing that is wrong, and where. */
export interface ConfigProblem {
  readonly file: string | null;
  /** From 1; null where the place is not known. */
  readonly line: number | null;
  readonly column: number | null;
  /** `sources.plc-7.intervalMs`; empty for the whole. */
  readonly path: string;
  readonly message: string;
  /** The nearest right name of a misspelled one. */
  readonly suggestion?: string;
}

export interface ReloadOutcome {
  readonly atMs: number;
  readonly origin: ReloadOrigin;
  /** `unchanged`: it says what runs already. `refused`: it is invalid. `failed`: a part of it could not be
   *  made real, and what had been changed was taken back. */
  readonly outcome: 'applied' | 'unchanged' | 'refused' | 'failed';
  readonly version: number;
  readonly changes: readonly ConfigChange[];
  readonly problems: readonly ConfigProblem[];
  /** Settings that differ and count only from the next start on. */
  readonly needsRestart: readonly string[];
}

export interface ConfigChange {
  /** `sources.plc-7`, `limits.global`, `stages`. */
  readonly path: string;
  readonly action: 'added' | 'changed' | 'removed';
  /** Fields that differ, for a change; values never: they may be secret. */
  readonly fields?: readonly string[];
}

export interface Readiness {
  readonly isReady: boolean;
  /** What is not ready, and what to do. */
  readonly reasons: readonly { readonly code: string; readonly subject: string; readonly message: string }[];
}
