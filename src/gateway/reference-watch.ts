/** Watches the files that references of the configuration lead to: passwords, tokens, certificates. They are
 *  looked at by `stat`, once a second, through links: so a file that is replaced, and a folder that a link is
 *  turned to (as Kubernetes does), are seen alike. A change is told once the file has stood still from one
 *  look to the next; one that is away says nothing. */

import { stat } from 'node:fs/promises';
import { fileVersion } from '../../storage/file/bounded-file.ts';
import type { Clock, TimerHandle } from '../domain/clock.ts';

export interface ReferenceWatchOptions {
  readonly clock: Clock;
  /** The files that the running version was read from, each with its version then. Called at every check. */
  readonly files: () => ReadonlyMap<string, string>;
  /** One or more of them say something else now. */
  readonly onChange: () => void;
  /** The version of a file now, null for one that is away; must not reject. Default: of the file system. */
  readonly versionOf?: (path: string) => Promise<string | null>;
}

export interface ReferenceWatch {
  close(): void;
}

const LOOK_INTERVAL_MS = 1_000;

export function watchReferences(options: ReferenceWatchOptions): ReferenceWatch {
  const { clock, files, onChange, versionOf = versionOnDisk } = options;
  /** Versions seen at the last look that are not those that were read. */
  let seen: ReadonlyMap<string, string> = new Map();
  /** Versions that were told: what was only touched is not told again. */
  const told = new Map<string, string>();
  let isClosed = false;
  let timer: TimerHandle = undefined;

  const look = async () => {
    const known = files();
    const changed = new Map<string, string>();
    for (const [path, version] of known) {
      const current = await versionOf(path);
      if (current !== null && current !== version && told.get(path) !== current) changed.set(path, current);
    }
    // It may have been read meanwhile.
    const isSame = files() === known;
    const settled = [...changed].filter(([path, version]) => seen.get(path) === version);
    seen = isSame ? changed : new Map();
    if (isClosed) return;
    if (isSame && settled.length > 0 && settled.length === changed.size) {
      for (const [path, version] of settled) told.set(path, version);
      onChange();
    }
    arm();
  };
  const arm = () => {
    timer = clock.setTimeout(() => void look(), LOOK_INTERVAL_MS);
  };

  arm();
  return {
    close() {
      isClosed = true;
      clock.clearTimeout(timer);
    },
  };
}

function versionOnDisk(path: string): Promise<string | null> {
  return stat(path).then(fileVersion, () => null);
}
