/** Counters that only rise, made of counters that begin anew: a source's with each incarnation, a stage's
 *  with each change of the stages. What was counted between the last look and a new beginning is not known
 *  here and is missing. */

interface Account {
  life: number;
  /** What earlier lives came to. */
  readonly base: number[];
  readonly last: number[];
}

export class RisingTotals {
  readonly #accounts = new Map<string, Account>();

  /** The totals of `name`, whose counters stand at `values` in its present `life`: an incarnation, or always
   *  the same number where it is known only by a counter that has fallen. */
  advance(name: string, life: number, values: readonly number[]): readonly number[] {
    const account = this.#accounts.get(name);
    if (account === undefined) {
      this.#accounts.set(name, { life, base: values.map(() => 0), last: [...values] });
      return values;
    }
    const { base, last } = account;
    const isNewLife = account.life !== life || values.some((value, index) => value < (last[index] ?? 0));
    account.life = life;
    return values.map((value, index) => {
      if (isNewLife) base[index] = (base[index] ?? 0) + (last[index] ?? 0);
      last[index] = value;
      return (base[index] ?? 0) + value;
    });
  }

  /** Keeps accounts of these names only. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#accounts.keys()) if (!names.has(name)) this.#accounts.delete(name);
  }
}
