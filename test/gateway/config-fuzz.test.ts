/** A file that is cut off or damaged in any way neither opens the gateway nor removes what runs. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressesIn, continuityProblems, lastingSections } from '../../src/gateway/continuity-rules.ts';
import { isProblems, prepareConfig, type PreparedConfig } from '../../src/gateway/prepared-config.ts';

const TEXT = `storage: { path: edge.db }
auth:
  tokens:
    - name: panel
      hash: sha256:${'a'.repeat(64)}
      scopes: [admin]
http: { port: 8484 }
sources:
  door: { type: push }
  hall:
    type: mqtt
    url: mqtt://127.0.0.1:1883
    topics: hall/+
stages:
  - filter: record.data.n > 10
limits:
  global: { recordsPerSecondMax: 5000, policy: delay }
sinks:
  archive: { type: file, path: archive.ndjson }
  cloud:
    type: http
    url: http://127.0.0.1:1234/records
`;

const prepare = (text: string) => prepareConfig({ text, format: 'yaml', file: null }, { env: {} });
const running = prepare(TEXT) as PreparedConfig;
const known = { tokensSeen: true, sections: lastingSections(running), text: TEXT };

/** The version that a gateway would run instead; null where it goes on with the one it has. */
function accepted(text: string): PreparedConfig | null {
  const next = prepare(text);
  return isProblems(next) || continuityProblems(known, next, 'file').length > 0 ? null : next;
}

const all = [...addressesIn(running).sources, ...addressesIn(running).sinks];
const missing = (next: PreparedConfig) => {
  const { sources, sinks } = addressesIn(next);
  return all.filter((one) => !sources.includes(one) && !sinks.includes(one));
};

test('a valid file is accepted', () => {
  expect(all).toEqual(['door', 'hall', 'archive', 'cloud']);
  expect(accepted(TEXT)).not.toBeNull();
});

test('no beginning of it opens the gateway; none that ends within a line changes anything', () => {
  const survivors: string[] = [];
  for (let length = 0; length < TEXT.length; length++) {
    const text = TEXT.slice(0, length);
    const next = accepted(text);
    if (next === null) continue;
    survivors.push(text.slice(-10));
    expect(next.config.auth.tokens).toHaveLength(1);
    // Only a file that ends with a line can say that the last sink is gone; its cursor is kept then.
    if (missing(next).length > 0) expect([text.slice(-1), TEXT[length]]).toContain('\n');
  }
  expect(survivors.length).toBeLessThan(6);
});

const mutation = fc.record({
  at: fc.nat(TEXT.length - 1),
  cut: fc.nat(200),
  put: fc.oneof(
    fc.constantFrom('', '#', '\n', ' ', ':', '{}', '---\n', 'null', '\t', '\u0000', '"', '[]', '&a', '*a'),
    fc.string({ maxLength: 5 }),
  ),
});

test('no damage to it opens the gateway or leaves out a section', { tags: 'full' }, () => {
  let survivors = 0;
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      const text = mutations.reduce(
        (before, { at, cut, put }) => before.slice(0, at) + put + before.slice(at + cut),
        TEXT,
      );
      const next = accepted(text);
      if (next === null) return;
      survivors++;
      expect(next.config.auth).toMatchObject({ open: false });
      expect(next.config.auth.tokens.length).toBeGreaterThan(0);
      for (const section of known.sections) expect(Object.hasOwn(next.document, section)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
  expect(survivors).toBeGreaterThan(0);
});
