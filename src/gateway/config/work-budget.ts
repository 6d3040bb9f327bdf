/** Counts the steps of a piece of work, and ends it when they are used up. */
export class WorkBudget {
  readonly #stepsMax: number;
  /** Steps that were asked for so far. */
  steps = 0;

  constructor(stepsMax: number) {
    this.#stepsMax = stepsMax;
  }

  get isUsedUp(): boolean {
    return this.steps > this.#stepsMax;
  }

  /** Takes one step. Returns false where none was left. */
  spend(): boolean {
    this.steps++;
    return this.steps <= this.#stepsMax;
  }
}
