/** The files of the project as they lie in the tree, without what is installed or made. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

const LEFT_OUT = new Set([
  'node_modules',
  'dist',
  '.git',
  '.vitest',
  'coverage',
  'package-lock.json',
  'LICENSE',
]);
const TEXT = /\.(?:ts|js|mjs|json|md|html|css|sh|yaml|yml|toml)$|\/run$|^\.gitignore$/;

/** Text by path relative to the root. */
export function projectFiles(): Map<string, string> {
  const files = new Map<string, string>();
  const walk = (folder: string) => {
    for (const entry of readdirSync(join(PROJECT_ROOT, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (LEFT_OUT.has(entry.name) || path === 'demos/data' || entry.name.startsWith('.tmp-')) continue;
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile() && TEXT.test(path))
        files.set(path, readFileSync(join(PROJECT_ROOT, path), 'utf8'));
    }
  };
  walk('');
  return files;
}
