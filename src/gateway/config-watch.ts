/** Watches the configuration file. It is looked at by `stat`, once a second: unlike events of the file system
 *  that also sees a symlink that was turned to another folder (as Kubernetes does), works on network file
 *  systems, and is not woken by every write of a database that lies in the same folder. What is told is that
 *  the file may have changed; whether its content has is for the one who reads it. */

import { watch } from 'chokidar';

export interface ConfigWatchOptions {
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
  /** Time from one look to the next, milliseconds. */
  readonly intervalMs?: number;
}

const LOOK_INTERVAL_MS = 1_000;
/** A file that was just written is read once its size has stood still for so long. */
const SETTLE_MS = 200;
const SETTLE_LOOK_MS = 50;

export interface ConfigWatch {
  close(): Promise<void>;
}

/** Resolves once every later change will be told. A file that is deleted says nothing until it is there
 *  again. */
export function watchConfig(file: string, options: ConfigWatchOptions): Promise<ConfigWatch> {
  const { onChange, onError, intervalMs = LOOK_INTERVAL_MS } = options;
  const watcher = watch(file, {
    usePolling: true,
    interval: intervalMs,
    awaitWriteFinish: { stabilityThreshold: SETTLE_MS, pollInterval: SETTLE_LOOK_MS },
    atomic: true,
    ignoreInitial: true,
  });
  watcher.on('add', onChange).on('change', onChange).on('error', onError);
  return new Promise((resolve) => {
    watcher.on('ready', () => resolve({ close: () => watcher.close() }));
  });
}
