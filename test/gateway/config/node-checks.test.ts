/** A configuration that a YAML parser accepts, and that means something else than its author sees. */

import { describe, expect, test } from 'vitest';
import { problemsOf } from './config-rig.ts';

const TAG = 'remove it, and write a map, a list, text or a number';

describe('a tag that makes another type of a value is refused where it stands:', () => {
  test.each([
    ['sources: !!set { a }', `1:16: the tag !!set has no meaning here; ${TAG}`],
    ['sources: !!omap [ a: { type: push } ]', `1:17: the tag !!omap has no meaning here; ${TAG}`],
    ['sources: !!pairs [ a: { type: push } ]', `1:18: the tag !!pairs has no meaning here; ${TAG}`],
    ['storage: { path: !!binary aGVsbG8= }', `1:27: the tag !!binary has no meaning here; ${TAG}`],
    ['storage: { path: !!timestamp 2026-01-01 }', `1:30: the tag !!timestamp has no meaning here; ${TAG}`],
    [
      'storage: { path: !env DB }',
      '1:18: the tag !env has no meaning here; an environment variable is ${NAME}, a file ${file:PATH}',
    ],
  ])('%s', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test('those of the core schema say what the value is anyway', () => {
    expect(problemsOf('!!map { engine: { seed: !!int 7 }, storage: { path: !!str edge.db } }')).toEqual([]);
  });
});

describe('an alias without an anchor says how text is written:', () => {
  test.each([
    ['sources: { a: { type: mqtt, url: "mqtt://h", topics: *all } }', '1:54'],
    ['sources: *all', '1:10'],
    ['x: *all\ny: &all 1', '1:4'],
  ])('%s', (text, place) => {
    const told = `${place}: *all refers to no anchor before it; put it in quotes ("*all") where it is text`;
    expect(problemsOf(text)).toContain(told);
  });

  test('a star alone, too', () => {
    expect(problemsOf('x: [*]')[0]).toMatch(/^1:\d: is no YAML: .*; put "\*" in quotes where it is text$/);
  });
});

describe('what cannot be seen is refused by its code:', () => {
  const hidden = (code: string) =>
    `holds the character U+${code}, which cannot be seen; remove it, or put the text in quotes`;
  test.each([
    ['a byte order mark before a later key', 'engine: {}\n\uFEFFsinks: {}', `2:1: ${hidden('FEFF')}`],
    ['a zero-width space in a key', 'eng\u200Bine: {}', `1:1: ${hidden('200B')}`],
    ['a mark of direction in a value', 'storage: { path: edge\u202E.db }', `1:18: ${hidden('202E')}`],
    ['a soft hyphen', 'storage: { path: ed\u00ADge.db }', `1:18: ${hidden('00AD')}`],
    ['no-break spaces as indentation', 'engine:\n\u00A0\u00A0seed: 1', `2:1: ${hidden('00A0')}`],
    ['a no-break space behind a value', 'storage: { path: edge.db\u00A0 }', `1:18: ${hidden('00A0')}`],
  ])('%s', (_, text, problem) => {
    expect(problemsOf(text)).toContain(problem);
  });

  test('text in quotes may hold any', () => {
    expect(problemsOf('storage: { path: "ed\u00ADge\u200B.db" }')).toEqual([]);
  });
});

test.each(['“edge.db”', '‘edge.db’', '«edge.db»', '„edge.db“'])('%s is not in quotes', (value) => {
  const [first = ''] = value;
  const [problem] = problemsOf(`storage: { path: ${value} }`);
  expect(problem).toBe(`1:18: begins or ends with ${first}, which quotes nothing; write ' or "`);
});

test('lines that end with a carriage return alone are named', () => {
  expect(problemsOf('engine: {}\rsinks: {}')).toEqual([
    '1:11: ends a line with a carriage return alone; save it with line feeds (LF, or CR LF)',
  ]);
  expect(problemsOf('engine: {}\r\nsinks: {}\r\n')).toEqual([]);
});
