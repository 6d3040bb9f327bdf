/** Makes the syntax tree of an expression: the grammar of CEL without messages of protocol buffers. */

import { LIMITS } from '../../../domain/limits.ts';
import { shown, tokensOf, type Token } from './lexer.ts';
import { SyntaxProblem, type BinaryOperator, type Syntax } from './syntax.ts';

/** From the loosest to the tightest; `? :` is looser, signs and members are tighter. */
const LEVELS: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
];

const RESERVED = new Set([
  ...['as', 'break', 'const', 'continue', 'else', 'for', 'function', 'if', 'import', 'let', 'loop'],
  ...['package', 'namespace', 'return', 'var', 'void', 'while'],
]);
const LITERALS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** @throws SyntaxProblem */
export function parse(text: string): Syntax {
  return new Parser(tokensOf(text)).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #nodes = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): Syntax {
    const tree = this.#expression();
    const next = this.#next();
    if (next.type !== 'end') throw this.#unexpected(next);
    return tree;
  }

  #next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #isNext(operator: string): boolean {
    const { type, text } = this.#next();
    return type === 'operator' && text === operator;
  }

  #skip(operator: string): boolean {
    const isNext = this.#isNext(operator);
    if (isNext) this.#at++;
    return isNext;
  }

  #expect(operator: string): void {
    if (!this.#skip(operator)) throw this.#unexpected(this.#next(), `"${operator}"`);
  }

  #unexpected({ type, text, start }: Token, wanted?: string): SyntaxProblem {
    if (type === 'end') return new SyntaxProblem('it ends too soon', start);
    const expected = wanted === undefined ? '' : `; expected ${wanted}`;
    return new SyntaxProblem(`unexpected "${shown(text)}"${expected}`, start);
  }

  #node<Node extends Syntax>(node: Node): Node {
    if (++this.#nodes > LIMITS.expressionNodesMax) {
      throw new SyntaxProblem(`has more than ${LIMITS.expressionNodesMax} parts; use a module`, node.start);
    }
    return node;
  }

  #nested<Result>(parse: () => Result): Result {
    if (++this.#depth > LIMITS.expressionDepthMax) {
      const { start } = this.#next();
      throw new SyntaxProblem(`nests more than ${LIMITS.expressionDepthMax} deep; use a module`, start);
    }
    const result = parse();
    this.#depth--;
    return result;
  }

  #expression(): Syntax {
    return this.#nested(() => {
      const condition = this.#binary(0);
      if (!this.#skip('?')) return condition;
      const whenTrue = this.#binary(0);
      this.#expect(':');
      const whenFalse = this.#expression();
      return this.#node({ op: 'conditional', condition, whenTrue, whenFalse, start: condition.start });
    });
  }

  #binary(level: number): Syntax {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (;;) {
      const { type, text } = this.#next();
      const operator = operators.find((one) => one === text);
      const isOperator =
        operator !== undefined && (type === 'operator' || (type === 'name' && text === 'in'));
      if (!isOperator) return left;
      this.#at++;
      const right = this.#binary(level + 1);
      left = this.#node({ op: 'binary', operator, left, right, start: left.start });
    }
  }

  #unary(): Syntax {
    const { start } = this.#next();
    if (this.#skip('!')) {
      const operand = this.#nested(() => this.#unary());
      return this.#node({ op: 'not', operand, start });
    }
    if (!this.#isNext('-')) return this.#member();
    const after = this.#tokens[this.#at + 1] as Token;
    // The sign is part of the number: the smallest integer has no positive counterpart.
    if (after.type === 'int' || typeof after.value === 'number') return this.#member();
    this.#at++;
    const operand = this.#nested(() => this.#unary());
    return this.#node({ op: 'negate', operand, start });
  }

  #member(): Syntax {
    let operand = this.#primary();
    for (;;) {
      if (this.#skip('.')) operand = this.#select(operand, false);
      else if (this.#skip('.?')) operand = this.#select(operand, true);
      else if (this.#skip('[')) {
        const optional = this.#skip('?');
        const index = this.#expression();
        this.#expect(']');
        operand = this.#node({ op: 'index', operand, index, optional, start: operand.start });
      } else return operand;
    }
  }

  #select(operand: Syntax, optional: boolean): Syntax {
    const { type, text, start } = this.#next();
    const isName = type === 'quoted' || (type === 'name' && !LITERALS.has(text) && text !== 'in');
    if (!isName) throw this.#unexpected(this.#next(), 'the name of a field');
    this.#at++;
    if (!optional && type === 'name' && this.#skip('(')) {
      const args = this.#args();
      const begin = operand.start;
      return this.#node({ op: 'call', name: text, receiver: operand, args, start: begin, nameStart: start });
    }
    return this.#node({
      op: 'select',
      operand,
      field: text,
      optional,
      start: operand.start,
      nameStart: start,
    });
  }

  #primary(): Syntax {
    const token = this.#next();
    this.#at++;
    const { type, text, start } = token;
    if (type === 'literal') return this.#node({ op: 'literal', value: token.value, start });
    if (type === 'int') return this.#int(token.value as bigint, start);
    if (type === 'name') return this.#named(token);
    if (type === 'operator') {
      if (text === '-') return this.#negative(start);
      if (text === '(') {
        const inner = this.#expression();
        this.#expect(')');
        return inner;
      }
      if (text === '[') return this.#node({ op: 'list', items: this.#items(), start });
      if (text === '{') return this.#node({ op: 'map', entries: this.#entries(), start });
      if (text === '.' && this.#next().type === 'name') {
        this.#at++;
        return this.#named(this.#tokens[this.#at - 1] as Token, true);
      }
    }
    throw this.#unexpected(token);
  }

  #negative(start: number): Syntax {
    const { value } = this.#next();
    this.#at++;
    return typeof value === 'bigint'
      ? this.#int(-value, start)
      : this.#node({ op: 'literal', value: -(value as number), start });
  }

  #int(value: bigint, start: number): Syntax {
    if (BigInt.asIntN(64, value) === value) return this.#node({ op: 'literal', value, start });
    throw new SyntaxProblem(`${shown(String(value))} does not fit into 64 bits`, start);
  }

  #named({ text, start }: Token, absolute = false): Syntax {
    if (LITERALS.has(text)) return this.#node({ op: 'literal', value: LITERALS.get(text), start });
    if (RESERVED.has(text) || text === 'in') {
      throw new SyntaxProblem(`"${text}" is a word of the language, not a name`, start);
    }
    if (this.#skip('(')) {
      const args = this.#args();
      return this.#node({ op: 'call', name: text, receiver: null, args, start, nameStart: start });
    }
    return this.#node({ op: 'name', name: text, absolute, start });
  }

  #args(): Syntax[] {
    if (this.#skip(')')) return [];
    const args = [this.#expression()];
    while (this.#skip(',')) args.push(this.#expression());
    this.#expect(')');
    return args;
  }

  #items() {
    const items: { value: Syntax; optional: boolean }[] = [];
    while (!this.#skip(']')) {
      const optional = this.#skip('?');
      items.push({ value: this.#expression(), optional });
      if (!this.#isNext(']')) this.#expect(',');
    }
    return items;
  }

  #entries() {
    const entries: { key: Syntax; value: Syntax; optional: boolean }[] = [];
    while (!this.#skip('}')) {
      const optional = this.#skip('?');
      const key = this.#expression();
      this.#expect(':');
      entries.push({ key, value: this.#expression(), optional });
      if (!this.#isNext('}')) this.#expect(',');
    }
    return entries;
  }
}
