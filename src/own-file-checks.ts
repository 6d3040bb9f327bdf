/** Refuses sources that would read what the engine writes, and sinks that would write what a source reads. */

import { claimedFile, isOfArchive, isOfDatabase, isOfFileSink } from '../actors/own-files.ts';
import type { EngineOptions } from './config/engine-options.ts';
import { addressOf } from './domain/address.ts';
import type { ErrorFacts } from './domain/errors.ts';
import type { SinkSpec } from './domain/sink.ts';
import type { SourceSpec } from './domain/source.ts';

export interface OwnFiles {
  /** Null where nothing is stored in a file. */
  readonly database: string | null;
  readonly archiveFolder: string | null;
}

/** The files of an engine with these options. */
export function ownFilesOf({ storage }: EngineOptions, database: string | null): OwnFiles {
  return { database, archiveFolder: storage.retention.timeline?.archiveFolder ?? null };
}

/** Why `source` cannot be registered; null if it can. */
export function ownFileProblem(
  source: SourceSpec,
  { database, archiveFolder }: OwnFiles,
  sinks: Iterable<{ readonly spec: SinkSpec }>,
): ErrorFacts | null {
  const { readsFile: path } = source;
  if (path === undefined) return null;
  const name = addressOf(source);
  if (database !== null && isOfDatabase(path, database)) return refused(name, path, 'the database');
  if (archiveFolder !== null && isOfArchive(path, archiveFolder)) return refused(name, path, 'the archive');
  for (const { spec } of sinks) {
    const output = claimedFile(spec.claim);
    if (output === null || !isOfFileSink(path, output)) continue;
    return refused(name, path, `the output of sink "${addressOf(spec)}"`);
  }
  return null;
}

/** Why `sink` cannot be registered; null if it can. */
export function sinkFileProblem(
  sink: SinkSpec,
  { database, archiveFolder }: OwnFiles,
  sources: Iterable<{ readonly spec: SourceSpec }>,
): ErrorFacts | null {
  const output = claimedFile(sink.claim);
  if (output === null) return null;
  const name = addressOf(sink);
  const isDatabase = database !== null && isOfDatabase(output, database);
  if (isDatabase || (archiveFolder !== null && isOfArchive(output, archiveFolder))) {
    const what = isDatabase ? 'the database' : 'the archive';
    const advice = 'give the sink a file of its own';
    return invalid(`sink "${name}": option "path": "${output}" is ${what} of this engine; ${advice}`);
  }
  for (const { spec } of sources) {
    if (spec.readsFile === undefined || !isOfFileSink(spec.readsFile, output)) continue;
    const problem = `source "${addressOf(spec)}" reads "${spec.readsFile}", which this sink would write`;
    return invalid(`sink "${name}": ${problem}; give it a file of its own`);
  }
  return null;
}

function refused(name: string, path: string, what: string): ErrorFacts {
  return invalid(`source "${name}": option "path": "${path}" is ${what} of this engine; read another file`);
}

function invalid(message: string): ErrorFacts {
  return { code: 'HG_OPTION_INVALID', message };
}
