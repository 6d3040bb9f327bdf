/** The file a gateway is configured by: read whole, replaced whole, and remembered, so that one that was only
 *  touched is told from one that says something new. */

import { chmodSync, closeSync, openSync, realpathSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { fileProblem, readBoundedText } from '../../storage/file/bounded-file.ts';
import { replaceFile } from '../../storage/file/durable-file.ts';
import { HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ConfigFormat, ConfigProblem } from './gateway-control.ts';
import type { ConfigText } from './prepared-config.ts';

export class ConfigFile {
  readonly path: string;
  /** JSON where its name ends in `.json`, else YAML. */
  readonly format: ConfigFormat;
  /** What it said when it was last read or written. */
  #text: string | null = null;

  constructor(path: string) {
    this.path = path;
    this.format = extname(path).toLowerCase() === '.json' ? 'json' : 'yaml';
  }

  /** @throws HeadgateError HG_CONFIG_INVALID where it cannot be read. */
  read(): ConfigText {
    try {
      this.#text = this.#load();
    } catch (error) {
      throw new HeadgateError(
        'HG_CONFIG_INVALID',
        `the configuration cannot be read: "${this.path}" ${fileProblem(error)}; name a file that is there ` +
          'and readable, or write one with `headgate init`',
        { cause: error },
      );
    }
    return { text: this.#text, format: this.format, file: this.path };
  }

  /** Whether it says something else than when it was last read or written. A file that is away says
   *  nothing. */
  saysNew(): boolean {
    try {
      return this.#load() !== this.#text;
    } catch {
      return false;
    }
  }

  #load(): string {
    return readBoundedText(this.path, { bytesMax: LIMITS.configBytesMax });
  }

  /** Why it cannot take a configuration written so; null where it can. */
  problemWith(format: ConfigFormat): ConfigProblem | null {
    // JSON is YAML, but not the other way round.
    if (this.format === 'yaml' || format === 'json') return null;
    const message = 'the file is JSON; send the configuration as JSON';
    return { file: this.path, line: null, column: null, path: '', message };
  }

  /** Puts a new text in its place: after a power cut there is the old one or the new one. Who may read it
   *  stays as it was; a symlink goes on leading to the file it led to.
   *  @throws Error of the file system. */
  replace(text: string): void {
    const real = realpathSync(this.path);
    const mode = statSync(real).mode & 0o777;
    // Made first with the rights it is to have: it may hold what others must not read.
    closeSync(openSync(`${real}${UNFINISHED}`, 'w', 0o600));
    chmodSync(`${real}${UNFINISHED}`, mode);
    replaceFile(real, text, UNFINISHED);
    this.#text = text;
  }
}

const UNFINISHED = '.headgate-new';
