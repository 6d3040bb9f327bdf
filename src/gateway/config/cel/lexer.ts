/** Cuts an expression into tokens. */

import { LIMITS } from '../../../domain/limits.ts';
import { readQuoted } from './quoted.ts';
import { SyntaxProblem } from './syntax.ts';
import { Uint } from './values.ts';

export interface Token {
  /** `name`: an identifier; `quoted`: one in backquotes; `int`: digits whose sign is not known yet; `end`:
   *  the end of the text; otherwise an operator or a word of the language. */
  readonly type: 'name' | 'quoted' | 'literal' | 'int' | 'operator' | 'end';
  readonly text: string;
  readonly value?: unknown;
  readonly start: number;
}

const SPACE = /(?:[ \t\r\n\f]+|\/\/[^\n]*)*/y;
const NUMBER =
  /0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+[uU]?/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /==|!=|<=|>=|&&|\|\||\.\?|[-+*/%<>!?:.,()[\]{}]/y;
const QUOTED_NAME = /`[A-Za-z0-9_.\-/ ]+`/y;
const STRING_START = /(?:[rR][bB]?|[bB][rR]?)?["']/y;

/** @throws SyntaxProblem */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += match(SPACE, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const { token, end } = tokenAt(text, at);
    tokens.push(token);
    at = end;
  }
  return [...tokens, { type: 'end', text: '', start: text.length }];
}

function match(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function tokenAt(text: string, start: number): { token: Token; end: number } {
  if (match(STRING_START, text, start) !== undefined) {
    const { value, end } = readQuoted(text, start);
    return { token: { type: 'literal', text: text.slice(start, end), value, start }, end };
  }
  const number = match(NUMBER, text, start);
  if (number !== undefined) return { token: numberToken(number, start), end: start + number.length };
  const name = match(NAME, text, start);
  if (name !== undefined) return { token: { type: 'name', text: name, start }, end: start + name.length };
  const quoted = match(QUOTED_NAME, text, start);
  if (quoted !== undefined) {
    return { token: { type: 'quoted', text: quoted.slice(1, -1), start }, end: start + quoted.length };
  }
  const operator = match(OPERATOR, text, start);
  if (operator === undefined) throw unexpected(text, start);
  return { token: { type: 'operator', text: operator, start }, end: start + operator.length };
}

function numberToken(text: string, start: number): Token {
  const isHex = /^0[xX]/.test(text);
  if (/[uU]$/.test(text)) {
    const value = BigInt(text.slice(0, -1));
    if (BigInt.asUintN(64, value) !== value) throw new SyntaxProblem(`${shown(text)} is too large`, start);
    return { type: 'literal', text, value: new Uint(value), start };
  }
  if (!isHex && /[.eE]/.test(text)) return { type: 'literal', text, value: Number(text), start };
  return { type: 'int', text, value: BigInt(text), start };
}

/** Characters that other languages have where CEL has another operator. */
const HINTS: Readonly<Record<string, string>> = {
  '=': 'to compare, write "=="',
  '&': 'to combine conditions, write "&&"',
  '|': 'to combine conditions, write "||"',
  '`': 'a name in backquotes ends with a backquote, and holds letters, digits, "_", ".", "-", "/" and spaces',
};

function unexpected(text: string, start: number): SyntaxProblem {
  const [character = ''] = text.slice(start, start + 2);
  const hint = HINTS[character];
  const advice = hint === undefined ? '' : `; ${hint}`;
  return new SyntaxProblem(`unexpected "${character}"${advice}`, start);
}

export function shown(text: string): string {
  return text.length > LIMITS.expressionShownCharsMax
    ? `${text.slice(0, LIMITS.expressionShownCharsMax - 1)}…`
    : text;
}
