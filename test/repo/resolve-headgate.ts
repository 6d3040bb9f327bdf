/** Makes `import 'headgate'` mean the sources of this tree, for examples written as a user writes them. */

import { registerHooks } from 'node:module';

const ENTRIES: Readonly<Record<string, string>> = {
  headgate: new URL('../../src/index.ts', import.meta.url).href,
  'headgate/testing': new URL('../../src/testing.ts', import.meta.url).href,
};

registerHooks({
  resolve(specifier, context, next) {
    const url = ENTRIES[specifier];
    return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
  },
});
