import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // The json report (.vitest/json/output.json) is what .ci/run counts.
    reporters: ['default', 'json'],
  },
});
