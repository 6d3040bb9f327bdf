/** The syntax tree of an expression. `start` is the offset at which the text of a node begins, in
 *  characters. */

export type Syntax =
  | { readonly op: 'literal'; readonly value: unknown; readonly start: number }
  | NameSyntax
  | SelectSyntax
  | IndexSyntax
  | CallSyntax
  | { readonly op: 'not' | 'negate'; readonly operand: Syntax; readonly start: number }
  | BinarySyntax
  | ConditionalSyntax
  | { readonly op: 'list'; readonly items: readonly ListItem[]; readonly start: number }
  | { readonly op: 'map'; readonly entries: readonly MapEntry[]; readonly start: number };

/** `absolute`: `.name`, a variable of the expression even where a loop has one of that name. */
export interface NameSyntax {
  readonly op: 'name';
  readonly name: string;
  readonly absolute: boolean;
  readonly start: number;
}

/** `operand.field`, or `operand.?field`. */
export interface SelectSyntax {
  readonly op: 'select';
  readonly operand: Syntax;
  readonly field: string;
  readonly optional: boolean;
  readonly start: number;
  /** Where its last name begins. */
  readonly nameStart: number;
}

/** `operand[index]`, or `operand[?index]`. */
export interface IndexSyntax {
  readonly op: 'index';
  readonly operand: Syntax;
  readonly index: Syntax;
  readonly optional: boolean;
  readonly start: number;
}

/** `name(args)`, or `receiver.name(args)`. */
export interface CallSyntax {
  readonly op: 'call';
  readonly name: string;
  readonly receiver: Syntax | null;
  readonly args: readonly Syntax[];
  readonly start: number;
  readonly nameStart: number;
}

export interface BinarySyntax {
  readonly op: 'binary';
  readonly operator: BinaryOperator;
  readonly left: Syntax;
  readonly right: Syntax;
  readonly start: number;
}

export interface ConditionalSyntax {
  readonly op: 'conditional';
  readonly condition: Syntax;
  readonly whenTrue: Syntax;
  readonly whenFalse: Syntax;
  readonly start: number;
}

/** `optional`: `[?value]`, left out where the value is an optional without one. */
interface ListItem {
  readonly value: Syntax;
  readonly optional: boolean;
}

interface MapEntry extends ListItem {
  readonly key: Syntax;
}

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%';
export type OrderOperator = '<' | '<=' | '>' | '>=';
export type BinaryOperator = ArithmeticOperator | OrderOperator | '==' | '!=' | 'in' | '&&' | '||';

/** The text is no valid expression. */
export class SyntaxProblem extends Error {
  /** Where, in characters from the beginning. */
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}
