/** What is made of a configuration is made in pieces. */

import { expect, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { prepareConfig, prepareConfigInTurns } from '../../src/gateway/prepared-config.ts';

const ENTRIES = 1_000;

test('a large configuration is made ready in turns, and the result is the same', async () => {
  const entries = Array.from({ length: ENTRIES }, (_, n) => `  s${n}: { type: push }`).join('\n');
  const text = { text: `sources:\n${entries}`, format: 'yaml', file: null } as const;
  let pauses = 0;
  const pause = () => Promise.resolve(void pauses++);
  const inTurns = await prepareConfigInTurns(text, { env: {} }, pause);
  expect(pauses).toBe(ENTRIES / LIMITS.configEntriesPerTurn - 1);
  const atOnce = prepareConfig(text, { env: {} });
  const { sources, engine: _, ...rest } = atOnce as Exclude<typeof atOnce, readonly unknown[]>;
  expect(inTurns).toMatchObject(rest);
  expect([...(inTurns as { sources: typeof sources }).sources.keys()]).toEqual([...sources.keys()]);
});
