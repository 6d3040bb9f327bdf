/** The globs and folders that file sources look for rotated files in: they must not name what this gateway
 *  writes itself, and should not name what another source reads. */

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { filesOfArchive, filesOfDatabase, filesOfSink } from '../../../actors/support/own-files.ts';
import { realPathOf } from '../../../actors/support/real-path.ts';
import { isGlob, placeMatcher } from '../../../actors/sources/file/rotated-places.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { Finding } from './problems.ts';

/** An entry of the option `rotated` of a source. */
interface Place {
  readonly sourceId: string;
  readonly path: Finding['path'];
  readonly place: string;
  /** The file that the source reads. */
  readonly current: string;
}

/** A file that an entry should not name: as it is written, and behind links. */
interface NamedFile {
  readonly names: readonly string[];
  readonly what: string;
}

/** Entries that name a file of this gateway's own: it would read what it writes. */
export function rotatedFindings(config: GatewayConfig): Finding[] {
  const places = placesOf(config);
  if (places.length === 0) return [];
  const { found } = conflicts(places, ownFiles(config));
  return found.map(({ place: { path, place }, file }) => ({
    path,
    message: `"${place}" matches "${file.names[0]}", which is ${file.what}; ${NARROWER}`,
  }));
}

/** Entries that name the file of another source, and those that are files. */
export function rotatedWarnings(config: GatewayConfig): Finding[] {
  const places = placesOf(config);
  if (places.length === 0) return [];
  const files = Object.entries(config.sources).flatMap(([id, entry]) =>
    entry.type === 'file' ? [named(entry.path, id)] : [],
  );
  const { found, isCutShort } = conflicts(places, files);
  const warnings = found.map(({ place: { path, place }, file }): Finding => {
    const rule = `source "${file.what}" reads it, and its lines would come from both`;
    return { path, message: `"${place}" matches "${file.names[0]}": ${rule}; ${NARROWER}` };
  });
  for (const { path, place } of places) {
    if (isGlob(place) || statSync(place, { throwIfNoEntry: false })?.isFile() !== true) continue;
    const advice = `name the folder, or a glob such as "${place}*"`;
    warnings.push({ path, message: `"${place}" is a file, and nothing is looked for in it; ${advice}` });
  }
  if (isCutShort) {
    const message = 'there are too many to compare each "rotated" with the files of all other sources';
    warnings.push({ path: ['sources'], message });
  }
  return warnings;
}

const NARROWER = 'narrow the glob to the rotated files of this source, or keep them in a folder of their own';

function placesOf({ sources }: GatewayConfig): Place[] {
  return Object.entries(sources).flatMap(([sourceId, entry]) =>
    entry.type === 'file'
      ? (entry.rotated ?? []).map((place, index) => ({
          ...{ sourceId, place, current: entry.path },
          path: ['sources', sourceId, 'rotated', index],
        }))
      : [],
  );
}

function ownFiles({ storage, sinks, file }: GatewayConfig): NamedFile[] {
  const folder = storage.retention.timeline?.archiveFolder;
  const outputs = Object.entries(sinks).flatMap(([id, entry]) =>
    entry.type === 'file'
      ? filesOfSink(entry.path).map((path, n) =>
          named(path, n === 0 ? `written by sink "${id}"` : `as sink "${id}" names its rotated files`),
        )
      : [],
  );
  return [
    ...filesOfDatabase(storage.path).map((path) =>
      named(path, 'the database of this gateway, or stands beside it'),
    ),
    ...(folder === undefined ? [] : filesOfArchive(folder)).map((path) =>
      named(path, 'as the archive of the timeline names its files'),
    ),
    ...(file === null ? [] : [named(file, 'its configuration file')]),
    ...outputs,
  ];
}

function named(path: string, what: string): NamedFile {
  return { names: [...new Set([resolve(path), realPathOf(path)])], what };
}

interface Conflict {
  readonly place: Place;
  readonly file: NamedFile;
}

/** The first file that each entry should not name. The work is bounded: of a glob only those files are looked
 *  at that begin as it does. */
function conflicts(
  places: readonly Place[],
  files: readonly NamedFile[],
): { readonly found: readonly Conflict[]; readonly isCutShort: boolean } {
  const sorted = files
    .flatMap((file) => file.names.map((name) => ({ name, file })))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  let comparisonsLeft = LIMITS.rotatedComparisonsMax;
  const found: Conflict[] = [];
  for (const place of places) {
    const { literal, matches } = placeMatcher(place.place, place.current);
    const own = new Set(named(place.current, '').names);
    for (let at = firstFrom(sorted, literal); at < sorted.length; at++) {
      const { name, file } = sorted[at] as (typeof sorted)[number];
      if (!name.startsWith(literal)) break;
      if (comparisonsLeft-- === 0) return { found, isCutShort: true };
      if (own.has(name) || !matches(name)) continue;
      found.push({ place, file });
      break;
    }
  }
  return { found, isCutShort: false };
}

/** The index of the first name that does not come before `text`. */
function firstFrom(sorted: readonly { readonly name: string }[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as { name: string }).name < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
