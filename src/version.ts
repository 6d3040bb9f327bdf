/** The version of this package, as package.json has it. */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** From src/ the package's own file is one folder up, from dist/src/ two. */
function readVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const { name, version } = require(path) as { name: string; version: string };
      if (name === 'headgate') return version;
    } catch {
      // Not there: the other one is.
    }
  }
  return 'unknown';
}

export const VERSION: string = readVersion();
