/** Refuses a Node that cannot run the engine. src/index.ts imports this first: on older versions the SQLite
 *  binding ends the process with a segmentation fault, and nothing that runs later could say why. */

import { HeadgateError } from './domain/errors.ts';

/** The same number stands in package.json under `engines`. */
export const NODE_MAJOR_MIN = 24;

/** @throws HeadgateError HG_NODE_VERSION if `version` (as `process.versions.node` has it) is too old. */
export function checkNodeVersion(version: string): void {
  const major = Number.parseInt(version, 10);
  if (major >= NODE_MAJOR_MIN) return;
  throw new HeadgateError(
    'HG_NODE_VERSION',
    `Headgate needs Node.js ${NODE_MAJOR_MIN} or newer; this is ${version}. ` +
      `Install it from https://nodejs.org, or run \`npm install node@${NODE_MAJOR_MIN}\` in your project.`,
    { details: { needed: NODE_MAJOR_MIN, found: version } },
  );
}

checkNodeVersion(process.versions.node);
