/** Watches what the configuration is made of: its file, and the files that it refers to. */

import type { Clock } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import { watchConfig } from './config-watch.ts';
import { watchReferences } from './reference-watch.ts';

export interface WatchInputsOptions {
  /** The configuration; null where it came from no file. */
  readonly path: string | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** Files that the running version was read from, each with its version. */
  readonly references: () => ReadonlyMap<string, string>;
  readonly onFile: () => void;
  readonly onReference: () => void;
}

/** Resolves once every later change will be told. */
export async function watchInputs(options: WatchInputsOptions): Promise<AsyncDisposable> {
  const { path, clock, log, references, onFile, onReference } = options;
  const ofReferences = watchReferences({ clock, files: references, onChange: onReference });
  const onError = (error: unknown) => {
    const next = 'send SIGHUP after a change, or restart the gateway';
    log.warn({ file: path, error: messageOf(error), next }, 'the file cannot be watched');
  };
  const ofFile = path === null ? null : await watchConfig(path, { onChange: onFile, onError });
  return {
    async [Symbol.asyncDispose]() {
      ofReferences.close();
      await ofFile?.close();
    },
  };
}
