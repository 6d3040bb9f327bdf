/** Reads the text format of protocol buffers, as far as the conformance data of CEL needs it. */

/** A message: for each field its values, in their order. */
export type TextMessage = Readonly<Record<string, readonly TextValue[]>>;
/** Numbers, booleans and names of enums stay as they are written; strings are bytes. */
export type TextValue = TextMessage | TextBytes | string;
export interface TextBytes {
  readonly bytes: Buffer;
}

const TOKEN = /\s+|#[^\n]*|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|[-+\w.]+|\[[\w./]+\](?=\s*[:{])|[^]/gy;

/** @throws Error where the text is none */
export function parseTextproto(text: string): TextMessage {
  const tokens = (text.match(TOKEN) ?? []).filter((token) => !/^(?:\s|#)/.test(token));
  let at = 0;

  function message(end: string | undefined): TextMessage {
    const fields: Record<string, TextValue[]> = {};
    for (;;) {
      const name = tokens[at++];
      if (name === end) return fields;
      if (name === undefined) throw new Error(`the text ends before "${end}"`);
      if (name === ';' || name === ',') continue;
      if (tokens[at] === ':') at++;
      const values = (fields[name] ??= []);
      if (tokens[at] !== '[') values.push(value());
      else values.push(...list());
    }
  }

  function list(): TextValue[] {
    const values: TextValue[] = [];
    at++;
    while (tokens[at] !== ']') {
      if (tokens[at] === ',') at++;
      else values.push(value());
    }
    at++;
    return values;
  }

  function value(): TextValue {
    const token = tokens[at++] as string;
    if (token === '{') return message('}');
    if (!/^["']/.test(token)) return token;
    const parts = [bytesOf(token)];
    while (/^["']/.test(tokens[at] ?? '')) parts.push(bytesOf(tokens[at++] as string));
    return { bytes: Buffer.concat(parts) };
  }

  return message(undefined);
}

const ESCAPE = /\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/g;
const SIMPLE: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
};

function bytesOf(token: string): Buffer {
  const inner = token.slice(1, -1);
  const parts: Buffer[] = [];
  let done = 0;
  for (const { 0: all, index, 1: hex, 2: octal, 3: short, 4: long, 5: plain } of inner.matchAll(ESCAPE)) {
    parts.push(Buffer.from(inner.slice(done, index)));
    done = index + all.length;
    const code = hex ?? short ?? long;
    if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) parts.push(Buffer.from([Number.parseInt(octal, 8)]));
    else if (code !== undefined) parts.push(Buffer.from(String.fromCodePoint(Number.parseInt(code, 16))));
    else parts.push(Buffer.from(SIMPLE[plain as string] ?? (plain as string)));
  }
  parts.push(Buffer.from(inner.slice(done)));
  return Buffer.concat(parts);
}
