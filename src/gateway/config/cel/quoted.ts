/** Reads the literals of texts and of bytes: `"…"`, `'…'`, three quotes, raw (`r"…"`), bytes (`b"…"`). */

import { SyntaxProblem } from './syntax.ts';

const START = /([rRbB]{0,2})("""|'''|"|')/y;

/** @throws SyntaxProblem */
export function readQuoted(text: string, start: number): { value: string | Uint8Array; end: number } {
  START.lastIndex = start;
  const [opening = '', prefix = '', quote = ''] = START.exec(text) ?? [];
  const isRaw = /r/i.test(prefix);
  const from = start + opening.length;
  const until = closingOf(text, from, quote, isRaw);
  if (until < 0) throw new SyntaxProblem('the text in quotes does not end', start);
  const inner = text.slice(from, until);
  const end = until + quote.length;
  if (!/b/i.test(prefix)) return { value: isRaw ? inner : unescaped(inner, from), end };
  return { value: isRaw ? new TextEncoder().encode(inner) : unescapedBytes(inner, from), end };
}

function closingOf(text: string, from: number, quote: string, isRaw: boolean): number {
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '\\' && !isRaw) at++;
    else if (quote.length === 1 && (character === '\n' || character === '\r')) return -1;
    else if (text.startsWith(quote, at)) return at;
  }
  return -1;
}

const ESCAPE = /\\(?:[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g;
const SIMPLE: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  ...{ '\\': '\\', '?': '?', '"': '"', "'": "'", '`': '`' },
};

/** The replacement of one escape: a text, or the number of a byte or character. */
type Piece = string | { readonly byte: number } | { readonly point: number };

function pieceOf([all, hex, octal, short, long, simple]: RegExpExecArray, offset: number): Piece {
  if (hex !== undefined) return { byte: Number.parseInt(hex, 16) };
  if (octal !== undefined) return { byte: Number.parseInt(octal, 8) };
  const code = short ?? long;
  if (code !== undefined) {
    const point = Number.parseInt(code, 16);
    if (point <= 0x10_ff_ff && !(point >= 0xd8_00 && point <= 0xdf_ff)) return { point };
  } else if (SIMPLE[simple as string] !== undefined) return SIMPLE[simple as string] as string;
  throw new SyntaxProblem(`"${all}" is no escape of CEL; write "\\\\" for a backslash`, offset);
}

function piecesOf(inner: string, offset: number): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  for (const found of inner.matchAll(ESCAPE)) {
    pieces.push(inner.slice(done, found.index), pieceOf(found, offset + found.index));
    done = found.index + found[0].length;
  }
  return [...pieces, inner.slice(done)];
}

function unescaped(inner: string, offset: number): string {
  if (!inner.includes('\\')) return inner;
  return piecesOf(inner, offset)
    .map((piece) => {
      if (typeof piece === 'string') return piece;
      return String.fromCodePoint('byte' in piece ? piece.byte : piece.point);
    })
    .join('');
}

function unescapedBytes(inner: string, offset: number): Uint8Array {
  const encoder = new TextEncoder();
  const parts = piecesOf(inner, offset).map((piece) => {
    if (typeof piece === 'string') return encoder.encode(piece);
    if ('byte' in piece) return Uint8Array.of(piece.byte);
    throw new SyntaxProblem('bytes take no "\\u"; write "\\x" and two digits', offset);
  });
  return new Uint8Array(parts.flatMap((part) => [...part]));
}
