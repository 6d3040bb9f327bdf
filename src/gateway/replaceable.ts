/** The one in use of things that are replaced while the gateway runs. The next one is made before the one in
 *  use ends, so that what cannot be made changes nothing; it begins when the one before has ended. */
export class Replaceable<Thing> implements AsyncDisposable {
  readonly #begin: (thing: Thing) => void;
  readonly #end: (thing: Thing) => Promise<void>;
  #current: Thing | null = null;
  /** Changes one after the other. Never rejects. */
  #changes: Promise<void> = Promise.resolve();

  /** Neither may throw or reject. */
  constructor(parts: { begin?: (thing: Thing) => void; end: (thing: Thing) => Promise<void> }) {
    this.#begin = parts.begin ?? (() => {});
    this.#end = parts.end;
  }

  /** Takes `next` into use; does not wait for the one before to end. */
  replace(next: Thing | null): void {
    const before = this.#current;
    this.#current = next;
    this.#changes = this.#changes.then(async () => {
      if (before !== null) await this.#end(before);
      if (next !== null && this.#current === next) this.#begin(next);
    });
  }

  /** Ends the one in use. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.replace(null);
    await this.#changes;
  }
}
