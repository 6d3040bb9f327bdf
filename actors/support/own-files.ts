/** The files that an engine writes. A source that read one of them would feed the engine with its own output,
 *  for as long as the disk lasts. */

import { basename, dirname, extname, join } from 'node:path';
import { identitiesOf, realPathOf } from './real-path.ts';

/** Suffixes of the files beside a database. */
const DATABASE_SUFFIXES = ['', '-wal', '-shm', '-observer', '-mark', '-lock'];

/** The part that a file sink puts between stem and extension of the files it rotates. */
const ROTATED = /\.\d{6,15}\.\d{8}T\d{6}Z(?=(?:\.[^.]*)?$)/;

/** Asks about a path, and about the open file of this identity, if one is given. */
type FileTest = (path: string, identity?: string) => boolean;

const FILE_CLAIM = 'file:';

/** The file behind a sink's claim, null where it claims none. */
export function claimedFile(claim: string | undefined): string | null {
  return claim?.startsWith(FILE_CLAIM) === true ? claim.slice(FILE_CLAIM.length) : null;
}

/** Whether `path` is the database `file`, or what SQLite and the engine keep beside it. `identity`: of an
 *  open file, as `fileIdentity` gives it; `path` may lead to another one by now. */
export function isOfDatabase(path: string, file: string, identity?: string): boolean {
  return databaseFinder(file)(path, identity);
}

/** As {@link isOfDatabase}, for many paths: what belongs to the database is looked at once. */
export function databaseFinder(file: string): FileTest {
  const real = realPathOf(file);
  const known = new Set(DATABASE_SUFFIXES.flatMap((suffix) => identitiesOf(`${real}${suffix}`)));
  return (path, identity = '') => known.has(identity) || identitiesOf(path).some((one) => known.has(one));
}

/** The files of a database, by name; none of one in memory. */
export function filesOfDatabase(file: string): string[] {
  return file === ':memory:' ? [] : DATABASE_SUFFIXES.map((suffix) => `${file}${suffix}`);
}

/** The output of a file sink, and a file as its rotation names them. */
export function filesOfSink(output: string): string[] {
  const extension = extname(output);
  const stem = output.slice(0, output.length - extension.length);
  return [output, `${stem}.000001.20260101T000000Z${extension}`];
}

/** A file as the archive of the timeline names them. */
export function filesOfArchive(folder: string): string[] {
  return [join(folder, 'timeline-00000000-0000-0000-0000-000000000000-000000000001-000000001000.ndjson')];
}

/** Whether `path` is the output of a file sink, or one of its rotated files. */
export function isOfFileSink(path: string, output: string, identity?: string): boolean {
  return outputFinder([output])(path, identity);
}

/** Whether a path is one of these outputs of file sinks, or one of their rotated files. Each output is looked
 *  at once, however many paths are asked for. */
export function outputFinder(outputs: readonly string[]): FileTest {
  const known = new Set(outputs.flatMap(identitiesOf));
  return (path, identity = '') => {
    if (known.has(identity)) return true;
    const real = realPathOf(path);
    const rotatedFrom = join(dirname(real), basename(real).replace(ROTATED, ''));
    return known.has(rotatedFrom) || identitiesOf(path).some((one) => known.has(one));
  };
}

/** Whether `path` lies in the folder of the timeline's archive. */
export function isOfArchive(path: string, folder: string): boolean {
  return dirname(realPathOf(path)) === realPathOf(join(folder, '.'));
}
