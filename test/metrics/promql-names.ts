/** Which metrics and labels a PromQL expression names. Knows the words of the language and little of its
 *  grammar: enough for expressions that Prometheus itself can read. */

const KEYWORDS: ReadonlySet<string> = new Set([
  ...[
    'by',
    'without',
    'on',
    'ignoring',
    'group_left',
    'group_right',
    'and',
    'or',
    'unless',
    'offset',
    'bool',
  ],
]);
const WORD = /[a-zA-Z_:][a-zA-Z0-9_:]*/g;
const LABEL_LIST = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;
const SELECTOR = /\{([^}]*)\}/g;

export function metricsIn(expression: string): string[] {
  const bare = withoutStrings(expression)
    .replaceAll(SELECTOR, ' ')
    .replaceAll(LABEL_LIST, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/(?<![\w:.])\d[\w.]*/g, ' ');
  const names = [...bare.matchAll(WORD)].filter(({ 0: word, index }) => {
    const isCall = /^\s*\(/.test(bare.slice(index + word.length));
    return !isCall && !KEYWORDS.has(word);
  });
  return [...new Set(names.map(([word]) => word))];
}

export function labelsIn(expression: string): string[] {
  const bare = withoutStrings(expression);
  const lists = [...bare.matchAll(SELECTOR), ...bare.matchAll(LABEL_LIST)];
  return [...new Set(lists.flatMap(([, list = '']) => list.match(WORD) ?? []))];
}

function withoutStrings(expression: string): string {
  return expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
}
