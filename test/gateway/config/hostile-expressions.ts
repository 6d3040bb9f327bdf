/** Expressions, patterns and records that are made to take long. */

const LIST = Array.from({ length: 20_000 }, (_, n) => n);
const LONG = 'a'.repeat(500_000);

function nested(depth: number): unknown {
  let value: unknown = 0;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

export const HOSTILE_DATA = {
  list: LIST,
  big: Array.from({ length: 200_000 }, (_, n) => n),
  lists: Array.from({ length: 200 }, () => LIST.slice(0, 200)),
  huge: '1'.repeat(100_000),
  long: LONG,
  back: `${'a'.repeat(125_000)}b${'a'.repeat(125_000)}`,
  words: Array.from({ length: 5_000 }, (_, n) => `word ${n}`),
  texts: Array.from({ length: 2_000 }, () => 'x'.repeat(500)),
  map: Object.fromEntries(LIST.map((n) => [`k${n}`, n])),
  other: Object.fromEntries(LIST.map((n) => [`k${n}`, n])),
  objects: Array.from({ length: 5_000 }, (_, n) => ({ n, inner: { text: 'x'.repeat(20) } })),
  deep: nested(20_000),
  pairs: '😀'.repeat(100_000),
  zones: Array.from({ length: 1_000 }, (_, n) => `Nowhere/Zone${n}`),
  moments: Array.from({ length: 20_000 }, () => '2026-01-01T00:00:00.123456Z'),
  bytes: new Uint8Array(1_000_000),
  spaces: ' '.repeat(900_000),
};

/** Each holds the one before it twice. */
const DOUBLED = 'abcdefghijklmnopqrstuvw'
  .split('')
  .reduceRight(
    (inner, name, index) =>
      `cel.bind(${name}, [${index === 0 ? '1, 1' : `${String.fromCharCode(96 + index)}, ${String.fromCharCode(96 + index)}`}], ${inner})`,
    'w',
  );

const times = (count: number, text: string, operator: string) =>
  Array.from({ length: count }, () => text).join(` ${operator} `);

/** Operations that look at a large value from end to end. Two hundred of each must spend the budget. */
const LARGE_LOOKS: readonly string[] = [
  'record.data.list == record.data.list',
  'record.data.map == record.data.other',
  'record.data.long == record.data.long + ""',
  'record.data.bytes == record.data.bytes + b""',
  'record.data.long < record.data.long + "b"',
  'record.data.bytes < record.data.bytes + b"b"',
  '-1 in record.data.list',
  'record.data.long + "b"',
  'record.data.list + [1]',
  'record.data.bytes + b"b"',
  'size(record.data.map)',
  'size(record.data.pairs)',
  'record.data.long.contains("b")',
  'record.data.long.contains("abab")',
  'record.data.long.contains("ababab")',
  'record.data.long.indexOf("b", 1)',
  'record.data.long.lastIndexOf("b")',
  'record.data.long.lastIndexOf("ababab", 499999)',
  'record.data.long.split("b")',
  'record.data.long.replace("b", "c")',
  'record.data.long.startsWith(record.data.long)',
  'record.data.long.endsWith(record.data.long)',
  'record.data.long.charAt(0)',
  'record.data.long.substring(1)',
  'record.data.pairs.charAt(90000)',
  'record.data.long.lowerAscii()',
  'record.data.long.upperAscii()',
  'record.data.spaces.trim()',
  'record.data.list.reverse()',
  'record.data.words.join()',
  'strings.quote(record.data.long)',
  '"%s".format([record.data.long])',
  '"%s".format([record.data.list])',
  '"%s".format([record.data.map])',
  '"%x".format([record.data.bytes])',
  'bytes(record.data.long)',
  'string(record.data.bytes)',
  'record.data.bytes.hex()',
  'record.data.bytes.base64()',
  'base64.encode(record.data.bytes)',
  'base64.decode(record.data.long)',
  'double(record.data.huge)',
  'math.greatest(record.data.list)',
  'record.data.map.exists(k, k == "k0")',
  'record.data.list.exists(x, x < 0)',
];

/** By the outcome that each must have with {@link HOSTILE_DATA}. */
export const HOSTILE_EXPRESSIONS: Readonly<Record<'done' | 'spent' | 'failed', readonly string[]>> = {
  done: [
    'record.data.long.contains(record.data.back)',
    'record.data.long.indexOf(record.data.back)',
    'record.data.long.lastIndexOf(record.data.back)',
    'record.data.long.split(record.data.back)',
    'record.data.long.startsWith(record.data.back)',
    'record.data.huge.lowerAscii() == record.data.huge',
    'record.data.huge.indexOf("2")',
    'record.data.huge == record.data.huge + "1"',
    'record.data.objects == record.data.objects',
    'record.data.pairs.charAt(99999)',
    'record.data.list.map(x, x + 1)',
    'record.data',
  ],
  spent: [
    ...LARGE_LOOKS.map((look) => `record.data.lists.all(l, dyn(${look}) != null)`),
    'record.data.long.replace(record.data.back, "x")',
    'record.data.long.reverse()',
    'record.data.map == record.data.other',
    'record.data.list.map(x, record.data.list.map(y, x * y))',
    'record.data.list.all(x, record.data.list.all(y, x == y || true))',
    'record.data.list.exists(x, record.data.list.exists(y, y < 0))',
    'record.data.list.filter(x, x in record.data.list)',
    'record.data.list.filter(x, x == 1 || x in record.data.list)',
    'record.data.lists.map(x, record.data.lists.map(y, x == y))',
    'record.data.big.map(x, x + x + x + x)',
    'record.data.list.all(x, x >= 0 && record.data.map.all(k, k in record.data.map))',
    'record.data.words.map(w, record.data.huge.contains(w))',
    'record.data.words.all(w, !(w + record.data.huge == ""))',
    'record.data.words.map(w, record.data.words.join(w))',
    'record.data.list.map(x, record.data.huge.split("1"))',
    'record.data.list.map(x, timestamp("2026-01-01T00:00:00Z").getHours("Europe/Vienna"))',
    'record.data.zones.exists(z, timestamp("2026-01-01T00:00:00Z").getHours(z) == 1)',
    'record.data.list.exists(x, record.data.missing == 1)',
    'record.data.list.all(x, size(record.data.map) > 1)',
    'record.data.long.split("")',
    'record.data.long.replace("", "-")',
    'record.data.texts.join(record.data.huge)',
    'record.data.spaces.trim()',
    'record.data.moments.map(m, timestamp(m))',
    '"%x".format([record.data.bytes + record.data.bytes])',
    times(220, 'record.data.big', '+'),
    times(200, 'record.data.bytes', '+'),
    times(100, 'record.data.map == record.data.other', '&&'),
    `[${times(100, 'record.data.big', ',')}]`,
    `{"a": ${times(80, 'record.data.long', '+')}}`,
    `[${times(200, 'record.data.long', ',')}]`,
    '[record.data.big, record.data.map, record.data.objects, record.data.words]',
    'record.data.words.filter(w, w.matches("^(w+o*r*)+$"))',
    'record.data.list.all(x, -record.data.map == 1)',
    'record.data.list.all(x, record.data.map < 1)',
    DOUBLED,
    `${DOUBLED} == ${DOUBLED}`,
    `"%s".format([${DOUBLED}])`,
    'cel.bind(a, record.data.long + record.data.long, cel.bind(b, a + a + a + a, cel.bind(c, b + b + b + b, c + c)))',
    'record.data.list.transformMapEntry(i, v, {string(i): v})',
  ],
  failed: [
    'record.data.deep == record.data.deep',
    '[record.data.deep]',
    '"%s".format([record.data.deep])',
    'duration(record.data.huge)',
    'timestamp(record.data.huge)',
    'int(record.data.huge)',
    'record.data.long.matches("a")',
    'record.data.list.map(x, record.data.map && true)',
  ],
};

/** Patterns that take exponential or high polynomial time where they are run by going back, and such as have very many
 *  states. */
export const HOSTILE_PATTERNS: readonly string[] = [
  ...['(a+)+$', '(a*)*$', '(a|a)*$', '(a|aa)+$', '(a|a?)+$', '([a-zA-Z]+)*$', '(.*a){20}$', '(.*)*x'],
  ...['(a?){30}a{30}', 'a*a*a*a*a*b', '.*.*.*.*=.*', '\\\\s+$', '^(([a-z])+.)+[A-Z]([a-z])+$', '(x+x+)+y'],
  ...['((a+)+)+!', '(a{0,50}){20}b', '^(\\\\w+\\\\s?)*$', '(?:a+){2,}b', '(.+)+\\\\z', '(?i)(a|b|ab)*c'],
  ...['[a-z]*[a-z0-9]*[a-z0-9_]*\\\\$', '(\\\\d+)*\\\\.(\\\\d+)*x', '^(a|b)*a(a|b){60}c$'],
  ...['^(a|b)*a(a|b){500}c$', '^(?:(?:a?b?){30}){30}c', '^((a|b|ab|ba){0,9}){100}c$'],
  '^([a-zA-Z0-9])(([\\\\-.]|[_]+)?([a-zA-Z0-9]+))*(@){1}[a-z0-9]+[.]{1}(([a-z]{2,3})|([a-z]{2,3}[.]{1}[a-z]{2,3}))$',
];

export const HOSTILE_TEXTS: readonly string[] = ['a', 'aA!', 'x', ' ', '1', 'a.', 'abbabaab', 'abcx'].map(
  (unit) => `${unit.repeat(8_190 / unit.length)}cx`,
);
