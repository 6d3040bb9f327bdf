/** TypeScript text with comments and the insides of strings blanked out, so that a rule about code is not
 *  set off by what is merely said. Lines and columns stay where they were. */

/** After one of these a slash begins a regular expression, not a division. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|await|yield|throw))\s*$/;

export function codeOnly(text: string): string {
  const out: string[] = [];
  let at = 0;
  /** Depth of braces at which each open template literal resumes. */
  const templates: number[] = [];
  let braces = 0;

  const blank = (end: number) => {
    out.push(text.slice(at, end).replaceAll(/[^\n]/g, ' '));
    at = end;
  };
  const keep = () => {
    out.push(text[at] as string);
    at++;
  };
  /** Blanks the inside of a template up to its end or its next `${`. */
  const template = () => {
    let end = at;
    while (end < text.length && text[end] !== '`' && !text.startsWith('${', end))
      end += text[end] === '\\' ? 2 : 1;
    blank(Math.min(end, text.length));
    if (text.startsWith('${', at)) {
      keep();
      keep();
      templates.push(braces);
      braces++;
    } else if (at < text.length) keep();
  };

  while (at < text.length) {
    const character = text[at] as string;
    if (text.startsWith('//', at)) blank(endOr(text, text.indexOf('\n', at)));
    else if (text.startsWith('/*', at)) blank(endOr(text, text.indexOf('*/', at + 2), 2));
    else if (character === "'" || character === '"') {
      keep();
      blank(closing(text, at, character));
      if (at < text.length) keep();
    } else if (character === '`') {
      keep();
      template();
    } else if (character === '/' && BEFORE_REGEX.test(out.slice(-40).join(''))) {
      keep();
      blank(closingRegex(text, at));
      if (at < text.length) keep();
    } else {
      keep();
      if (character === '{') braces++;
      if (character === '}' && --braces === templates.at(-1)) {
        templates.pop();
        template();
      }
    }
  }
  return out.join('');
}

function endOr(text: string, found: number, length = 0): number {
  return found < 0 ? text.length : found + length;
}

/** Where the string that is open at `from` ends: at its quote, or where the line does. */
function closing(text: string, from: number, quote: string): number {
  let end = from;
  while (end < text.length && text[end] !== quote && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1;
  return Math.min(end, text.length);
}

function closingRegex(text: string, from: number): number {
  let end = from;
  let inClass = false;
  while (end < text.length && text[end] !== '\n') {
    if (text[end] === '\\') end++;
    else if (text[end] === '[') inClass = true;
    else if (text[end] === ']') inClass = false;
    else if (text[end] === '/' && !inClass) break;
    end++;
  }
  return Math.min(end, text.length);
}
