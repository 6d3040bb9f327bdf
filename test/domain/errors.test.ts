import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/domain/error-codes.ts';
import { errorFacts, HeadgateError, messageOf, remedyOf, type ErrorCode } from '../../src/domain/errors.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

describe('the table of codes', () => {
  test('names each HG_AREA_WHAT', () => {
    for (const code of CODES) expect(code).toMatch(/^HG_[A-Z]+(?:_[A-Z]+)+$/);
  });
  test('says of each what it means, in a sentence', () => {
    for (const code of CODES) expect(ERROR_CODES[code].meaning).toMatch(/^[A-Z].{15,}\.$/);
  });
  test('gives each a remedy', () => {
    for (const code of CODES) expect(['retry', 'drop', 'stop']).toContain(ERROR_CODES[code].remedy);
  });
});

describe('an error', () => {
  test.each(CODES)('%s has the remedy of its row', (code) => {
    const error = new HeadgateError(code, 'what to do');
    expect([error.code, error.remedy, remedyOf(error)]).toEqual([
      code,
      ERROR_CODES[code].remedy,
      ERROR_CODES[code].remedy,
    ]);
  });
  test('may have a remedy of its own', () =>
    expect(new HeadgateError('HG_LINK_LOST', 'm', { remedy: 'stop' }).remedy).toBe('stop'));
  test('is an Error with a name, a message and a stack', () => {
    const error = new HeadgateError('HG_LINK_LOST', 'the link was lost');
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe('HeadgateError: the link was lost');
    expect(error.stack).toContain('errors.test.ts');
  });
  test('carries details and a cause, if it has them', () => {
    const cause = new Error('ECONNRESET');
    const error = new HeadgateError('HG_LINK_LOST', 'm', { details: { host: 'h' }, cause });
    expect([error.details, error.cause]).toEqual([{ host: 'h' }, cause]);
    expect(new HeadgateError('HG_LINK_LOST', 'm').details).toEqual({});
    expect('cause' in new HeadgateError('HG_LINK_LOST', 'm')).toBe(false);
  });
});

const unprintable = Object.create(null) as object;
const lying = new Error('x');
Object.defineProperty(lying, 'message', {
  get() {
    throw new Error('no message for you');
  },
});
const numbered = Object.assign(new Error('x'), { message: 42 });

describe('facts of whatever was thrown', () => {
  const check = (thrown: unknown, code: string, message: string | RegExp) => {
    const facts = errorFacts(thrown, 'HG_STAGE_THREW');
    expect(facts.code).toBe(code);
    expect(facts.message).toMatch(message);
    expect(typeof facts.message).toBe('string');
    expect(JSON.parse(JSON.stringify(facts))).toEqual(facts);
  };
  test('an error of ours keeps its code', () =>
    check(new HeadgateError('HG_LINK_LOST', 'gone'), 'HG_LINK_LOST', 'gone'));
  test('another error gets the fallback', () =>
    check(new RangeError('too far'), 'HG_STAGE_THREW', 'too far'));
  test('an error without a message says its name', () =>
    check(new TypeError(''), 'HG_STAGE_THREW', 'TypeError'));
  test('a string is its own message', () => check('no', 'HG_STAGE_THREW', 'no'));
  test('nothing is something', () => check(undefined, 'HG_STAGE_THREW', 'undefined'));
  test('null is something', () => check(null, 'HG_STAGE_THREW', 'null'));
  test('a symbol can be printed', () => check(Symbol('s'), 'HG_STAGE_THREW', /Symbol\(s\)/));
  test('what cannot be printed is said so', () => check(unprintable, 'HG_STAGE_THREW', /cannot be printed/));
  test('a message that throws when read is said so', () =>
    check(lying, 'HG_STAGE_THREW', /cannot be printed/));
  test('a message that is a number becomes text', () => check(numbered, 'HG_STAGE_THREW', '42'));
  test('by default take it for a crash of a source', () =>
    expect(errorFacts(new Error('x'))).toEqual({ code: 'HG_SOURCE_CRASHED', message: 'x' }));
});

describe('the remedy of what was thrown', () => {
  test('is none where nobody classified it', () => {
    for (const thrown of [new Error('x'), 'x', undefined, null, { remedy: 'retry' }]) {
      expect(remedyOf(thrown)).toBeUndefined();
    }
  });
});

describe('the message of what was thrown', () => {
  test('is text, whatever it was', () => {
    for (const thrown of [
      1,
      'x',
      unprintable,
      lying,
      numbered,
      () => 1,
      [1],
      new HeadgateError('HG_LINK_LOST', 'm'),
    ]) {
      expect(typeof messageOf(thrown)).toBe('string');
    }
  });
});
