/** Runs the conformance data of CEL (https://github.com/google/cel-spec, tests/simple/testdata) on the
 *  expressions of the configuration. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beginBudget } from '../../../src/gateway/config/cel/budget.ts';
import { compile } from '../../../src/gateway/config/cel/compile.ts';
import { equals } from '../../../src/gateway/config/cel/equality.ts';
import { MapBuilder } from '../../../src/gateway/config/cel/map-builder.ts';
import { parse } from '../../../src/gateway/config/cel/parser.ts';
import { Scope } from '../../../src/gateway/config/cel/scope.ts';
import { CelType, EvaluationError, kindOf, Uint } from '../../../src/gateway/config/cel/values.ts';
import { SyntaxProblem } from '../../../src/gateway/config/cel/syntax.ts';
import { PROJECT_ROOT } from '../../support/project-files.ts';
import { parseTextproto, type TextBytes, type TextMessage, type TextValue } from '../../support/textproto.ts';

const FOLDER = join(PROJECT_ROOT, '../shared/corpora/cel-spec');

export const conformanceMissing: string | null = existsSync(FOLDER)
  ? null
  : 'the conformance data of CEL is not there (../shared/corpora/cel-spec)';

/** The sections that every implementation should pass. */
export const CORE_SECTIONS: readonly string[] = [
  ...['basic', 'comparisons', 'fields', 'fp_math', 'integer_math', 'lists', 'logic', 'macros'],
  ...['plumbing', 'string'],
];
export const FURTHER_SECTIONS: readonly string[] = [
  ...[
    'bindings_ext',
    'conversions',
    'encoders_ext',
    'macros2',
    'math_ext',
    'namespace',
    'optionals',
    'parse',
  ],
  ...['string_ext', 'timestamps'],
];

export interface Outcome {
  /** `section/group/test`. */
  readonly name: string;
  readonly expression: string;
  /** The difference from the expected value; null where there is none. */
  readonly difference: string | null;
}

/** A value of a test that is a message of protocol buffers. */
class MessageValue extends Error {}

export function runSection(name: string): Outcome[] {
  const file = parseTextproto(readFileSync(join(FOLDER, `${name}.textproto`), 'utf8'));
  return messages(file, 'section').flatMap((section) =>
    messages(section, 'test').map((test) => ({
      name: `${name}/${textOf(section, 'name')}/${textOf(test, 'name')}`,
      expression: textOf(test, 'expr'),
      difference: differenceOf(test),
    })),
  );
}

function differenceOf(test: TextMessage): string | null {
  const wantsError = test['eval_error'] !== undefined || test['any_eval_errors'] !== undefined;
  const [typed] = messages(test, 'typed_result');
  const [plain = typed === undefined ? undefined : message(typed, 'result')] = messages(test, 'value');
  if (typed !== undefined && plain === undefined) return compileProblem(test);
  let got: unknown;
  try {
    got = evaluate(test);
  } catch (error) {
    if (error instanceof MessageValue) return `needs a message: ${error.message}`;
    const isOwn = error instanceof EvaluationError || error instanceof SyntaxProblem;
    return wantsError && isOwn ? null : `failed: ${String(error)}`;
  }
  if (wantsError) return `gave ${shown(got)}, where an error is expected`;
  try {
    const wanted = plain === undefined ? true : valueOf(plain);
    return isSame(got, wanted) ? null : `gave ${shown(got)}, expected ${shown(wanted)}`;
  } catch (error) {
    return `needs a message: ${(error as Error).message}`;
  }
}

/** A test of the types alone. */
function compileProblem(test: TextMessage): string | null {
  try {
    compile(parse(textOf(test, 'expr')), scopeOf(test));
    return null;
  } catch (error) {
    return String(error);
  }
}

function scopeOf(test: TextMessage): Scope {
  const bound = messages(test, 'bindings').map((binding) => textOf(binding, 'key'));
  const declared = messages(test, 'type_env').map((declaration) => textOf(declaration, 'name'));
  return new Scope(Object.fromEntries([...bound, ...declared].map((name) => [name, null])));
}

function evaluate(test: TextMessage): unknown {
  const variables = Object.fromEntries(
    messages(test, 'bindings').map((binding) => [
      textOf(binding, 'key'),
      valueOf(message(message(binding, 'value'), 'value')),
    ]),
  );
  const { run } = compile(parse(textOf(test, 'expr')), scopeOf(test));
  beginBudget();
  return run({ variables, slots: [] });
}

function messages(parent: TextMessage, field: string): TextMessage[] {
  return (parent[field] ?? []) as TextMessage[];
}

function message(parent: TextMessage, field: string): TextMessage {
  const [first] = messages(parent, field);
  if (first === undefined) throw new MessageValue(`no ${field}`);
  return first;
}

function textOf(parent: TextMessage, field: string): string {
  const [first] = parent[field] ?? [];
  return first === undefined ? '' : (first as TextBytes).bytes.toString();
}

const ENDLESS: Readonly<Record<string, number>> = {
  ...{ inf: Infinity, infinity: Infinity, '-inf': -Infinity, '-infinity': -Infinity, nan: NaN },
};

function valueOf(value: TextMessage): unknown {
  const [[kind, [first]]] = Object.entries(value) as unknown as [[string, [TextValue]]];
  switch (kind) {
    case 'int64_value':
      return BigInt(first as string);
    case 'uint64_value':
      return new Uint(BigInt(first as string));
    case 'double_value':
      return ENDLESS[(first as string).toLowerCase()] ?? Number(first);
    case 'string_value':
      return (first as TextBytes).bytes.toString();
    case 'bytes_value':
      return new Uint8Array((first as TextBytes).bytes);
    case 'bool_value':
      return first === 'true';
    case 'null_value':
      return null;
    case 'type_value':
      return new CelType((first as TextBytes).bytes.toString());
    case 'list_value':
      return messages(first as TextMessage, 'values').map(valueOf);
    case 'map_value':
      return mapOf(first as TextMessage);
    default:
      throw new MessageValue(kind);
  }
}

function mapOf(value: TextMessage): object {
  const map = new MapBuilder();
  for (const entry of messages(value, 'entries')) {
    map.add(valueOf(message(entry, 'key')), valueOf(message(entry, 'value')));
  }
  return map.build();
}

/** Equal, and of the same kind; not a number is the same as itself. */
function isSame(got: unknown, wanted: unknown): boolean {
  beginBudget();
  if (kindOf(got) !== kindOf(wanted)) return false;
  return equals(got, wanted) || (Number.isNaN(got) && Number.isNaN(wanted));
}

function shown(value: unknown): string {
  const json = JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'bigint' ? `${inner}n` : inner,
  );
  return `${kindOf(value)} ${json}`;
}
