#!/usr/bin/env node
/** The command `headgate`. In the package it runs what was built. In a clone of the repository it runs the sources,
 *  on the Node that came with the packages where the system's own is too old for them. */

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 24;
const isClone = existsSync(new URL('../../package-lock.json', import.meta.url));
const main = new URL(isClone ? 'headgate.ts' : '../../dist/src/cli/headgate.js', import.meta.url);
const packagedNode = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const isTooOld = Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN;

if (isClone && isTooOld && existsSync(packagedNode)) {
  const args = [fileURLToPath(main), ...process.argv.slice(2)];
  const child = spawn(packagedNode, args, { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; the gateway takes two signals within a second for one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`headgate: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  await import(main.href);
}
