/** Refuses sources that would read what the engine writes, and sinks that would write what a source reads. */

import { claimedFile, isOfArchive, isOfDatabase, isOfFileSink } from '../../actors/support/own-files.ts';
import type { EngineOptions } from '../config/engine-options.ts';
import { addressOf } from '../domain/address.ts';
import type { ErrorFacts } from '../domain/errors.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';

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
  files: OwnFiles,
  sinks: Iterable<SinkOwner>,
): ErrorFacts | null {
  const { readsFile: path } = source;
  const what = path === undefined ? null : ownFile({ path }, files, sinks);
  if (what === null) return null;
  return invalid(
    `source "${addressOf(source)}": option "path": "${path}" is ${what} of this engine; read another file`,
  );
}

/** Why no source may read a file that it has opened; null if one may. The path may lead elsewhere by now. */
export function openFileProblem(file: NamedFile, files: OwnFiles, sinks: Iterable<SinkOwner>): string | null {
  const what = ownFile(file, files, sinks);
  if (what === null) return null;
  return `"${file.path}" is ${what} of this engine now; turn the link back, or read another file`;
}

interface NamedFile {
  readonly path: string;
  /** Of the open file. */
  readonly identity?: string;
}

interface SinkOwner {
  readonly spec: SinkSpec;
}

/** Names the file of the engine's own that this one is; null: it is none. */
function ownFile(
  { path, identity }: NamedFile,
  { database, archiveFolder }: OwnFiles,
  sinks: Iterable<SinkOwner>,
): string | null {
  if (database !== null && isOfDatabase(path, database, identity)) return 'the database';
  if (archiveFolder !== null && isOfArchive(path, archiveFolder)) return 'the archive';
  for (const { spec } of sinks) {
    const output = claimedFile(spec.claim);
    if (output !== null && isOfFileSink(path, output, identity))
      return `the output of sink "${addressOf(spec)}"`;
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

function invalid(message: string): ErrorFacts {
  return { code: 'HG_OPTION_INVALID', message };
}
