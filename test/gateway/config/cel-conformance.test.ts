/** Expressions give what the conformance data of CEL says, but for the differences that docs/expressions.md
 *  lists with their reasons and counts. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PROJECT_ROOT } from '../../support/project-files.ts';
import { skipNote } from '../../support/skip-note.ts';
import {
  conformanceMissing,
  CORE_SECTIONS,
  FURTHER_SECTIONS,
  runSection,
  type Outcome,
} from './cel-conformance.ts';

const MESSAGE = /\b(?:google\.protobuf\.\w*Value|(?:Nested)?TestAllTypes)\s*\{/;

/** For each row of the documentation, the tests that belong to it. */
const DIFFERENCES: Readonly<Record<string, (outcome: Outcome) => boolean>> = {
  'Messages of protocol buffers': ({ expression, difference }) =>
    MESSAGE.test(expression.replaceAll(/\/\/[^\n]*/g, '')) || difference === 'needs a message: object_value',
  'Unknown names beside `\\|\\|`': ({ difference }) =>
    /unknown variable|there is no (?:function|method)/.test(difference ?? ''),
  'Operands of `&&` and `\\|\\|` that are written out and no bool': ({ difference }) =>
    /take true or false, and here is/.test(difference ?? ''),
  'Order of integers and doubles near 2^63': ({ expression }) =>
    /^dyn\(922337203685477580[78](?:\.0)?\) [<>]=? 922337203685477580[78]/.test(expression),
  '`%` of doubles': ({ expression }) => expression === '47.5 % 5.5',
  Containers: ({ name }) => name.startsWith('namespace/'),
};

/** The rows of the table of differences: what differs, tests of the core, further tests, why. */
function documentedCounts(): Record<string, [core: number, further: number]> {
  const page = readFileSync(join(PROJECT_ROOT, 'docs/expressions.md'), 'utf8');
  const rows = page.matchAll(/^\| (.+?) \| (\d+) \| (\d+) \| .+ \|$/gm);
  return Object.fromEntries(
    [...rows].map(([, row = '', core, further]) => [row, [Number(core), Number(further)]]),
  );
}

describe.skipIf(conformanceMissing !== null)(
  `the conformance data of CEL${skipNote(conformanceMissing)}`,
  () => {
    const core = CORE_SECTIONS.flatMap(runSection);
    const further = FURTHER_SECTIONS.flatMap(runSection);
    const differing = (outcomes: readonly Outcome[]) =>
      outcomes.filter(({ difference }) => difference !== null);

    test('is there as a whole', () => {
      expect([core.length, further.length]).toEqual([772, 963]);
    });

    test('differs for documented reasons only', () => {
      const others = differing([...core, ...further]).filter(
        (outcome) => !Object.values(DIFFERENCES).some((belongs) => belongs(outcome)),
      );
      expect(others).toEqual([]);
    });

    test('differs as often as the documentation says', () => {
      const count = (outcomes: readonly Outcome[], row: string) =>
        differing(outcomes).filter((outcome) => rowOf(outcome) === row).length;
      const rowOf = (outcome: Outcome) => Object.keys(DIFFERENCES).find((row) => DIFFERENCES[row]?.(outcome));
      const counts = Object.keys(DIFFERENCES).map((row) => [row, [count(core, row), count(further, row)]]);
      expect(documentedCounts()).toEqual(Object.fromEntries(counts));
    });
  },
);
