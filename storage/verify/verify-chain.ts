/** Holds the timeline against its hash chain. */

import { createHash, type Hash } from 'node:crypto';
import type { SqlValue } from '../tables/bulk-insert.ts';
import { lastSeqReader } from '../tables/recovered-state.ts';
import { TIMELINE } from '../tables/log-tables.ts';
import { canonicalText, linkPrefix, type ChainLink } from '../tables/timeline-chain.ts';
import type { Verification } from './verification.ts';
import type { ProblemList, VerifyReport } from './verify-report.ts';

/** Columns of a row in the order they are hashed. */
const SEQ = TIMELINE.columns.indexOf('seq');
const CAUSE = TIMELINE.columns.indexOf('cause');

export async function verifyChain(
  { db, problems, progress }: Verification,
  { hasChain }: { readonly hasChain: boolean },
): Promise<VerifyReport['timeline']> {
  const given = lastSeqReader(db, 'timeline')();
  const range = db.prepare('SELECT min(seq), max(seq) FROM timeline').raw();
  const [firstSeq, lastSeq] = range.get() as [number | null, number | null];
  const rowsTotal = firstSeq === null || lastSeq === null ? 0 : lastSeq - firstSeq + 1;
  const select = 'SELECT seq, lower(hex(hash)) AS hash FROM timeline_chain ORDER BY seq';
  const links = (hasChain ? db.prepare(select).iterate() : [])[Symbol.iterator]() as Iterator<ChainLink>;
  const chain = new ChainCheck(links, problems);
  const rows = db.prepare(`SELECT ${TIMELINE.columns.join(', ')} FROM timeline ORDER BY seq`).raw();
  let count = 0;
  try {
    for (const row of rows.iterate() as Iterable<SqlValue[]>) {
      await progress('timeline', count++, rowsTotal);
      const seq = row[SEQ] as number;
      const cause = row[CAUSE] as number | null;
      if (cause !== null && cause >= seq) problems.add('numbers', `its cause, ${cause}, comes after it`, seq);
      if (hasChain) chain.take(seq, row);
    }
    if (hasChain) chain.end(given);
  } finally {
    links.return?.();
  }
  if (lastSeq !== null && lastSeq > given) {
    problems.add('numbers', 'the timeline has numbers that were never given out', given + 1, lastSeq);
  }
  return { rows: count, firstSeq, lastSeq, links: chain.links };
}

interface Misfit {
  readonly link: ChainLink;
  readonly firstSeq: number;
  readonly rows: number;
  /** What the rows give. */
  readonly hash: string;
}

/** Goes along the links as the rows come. */
class ChainCheck {
  links = 0;
  readonly #source: Iterator<ChainLink>;
  readonly #problems: ProblemList;
  /** The last link that is behind; null before the anchor. */
  #previous: ChainLink | null = null;
  #next: ChainLink | null;
  #hash: Hash;
  #rows = 0;
  /** A link that did not fit its rows. Whether it or they changed is told by the next link, which fits the
   *  hash that the rows really give if only the link changed. */
  #misfit: Misfit | null = null;
  #hashOfMisfit: Hash | null = null;

  constructor(source: Iterator<ChainLink>, problems: ProblemList) {
    this.#source = source;
    this.#problems = problems;
    const anchor = this.#advance();
    this.#previous = anchor;
    this.#next = anchor === null ? null : this.#advance();
    this.#hash = hashAfter(anchor?.hash ?? '');
  }

  take(seq: number, row: readonly SqlValue[]): void {
    // What comes before the anchor is not vouched for.
    if (this.#previous === null || seq <= this.#previous.seq) return;
    while (this.#next !== null && seq > this.#next.seq) this.#close(this.#next);
    const text = canonicalText(row);
    this.#hash.update(text);
    this.#hashOfMisfit?.update(text);
    this.#rows++;
  }

  /** `given` is the last number that was given out. */
  end(given: number): void {
    while (this.#next !== null) this.#close(this.#next);
    this.#tellMisfit(false);
    if (this.#previous === null) {
      this.#problems.add('chain', 'the chain is gone: there is no link');
      return;
    }
    const { seq } = this.#previous;
    if (this.#rows > 0)
      this.#problems.add(
        'chain',
        `${this.#rows} ${this.#rows === 1 ? 'row has' : 'rows have'} no link`,
        seq + 1,
        given,
      );
    else if (seq < given)
      this.#problems.add('chain', 'the last rows are gone, and their links', seq + 1, given);
  }

  #close(link: ChainLink): void {
    const previous = this.#previous as ChainLink;
    const hash = this.#hash.digest('hex');
    const fits = hash === link.hash;
    const fitsMisfit = this.#hashOfMisfit?.digest('hex') === link.hash;
    this.#tellMisfit(fitsMisfit);
    if (!fits && !fitsMisfit) this.#misfit = { link, firstSeq: previous.seq + 1, rows: this.#rows, hash };
    this.#hashOfMisfit = this.#misfit === null ? null : hashAfter(this.#misfit.hash);
    this.#hash = hashAfter(link.hash);
    this.#rows = 0;
    this.#previous = link;
    this.#next = this.#advance();
  }

  #tellMisfit(onlyTheLink: boolean): void {
    if (this.#misfit === null) return;
    const { link, firstSeq, rows } = this.#misfit;
    this.#misfit = null;
    if (onlyTheLink) {
      this.#problems.add('chain', 'the link of these rows was changed; the rows fit', firstSeq, link.seq);
      return;
    }
    const numbers = link.seq - firstSeq + 1;
    const gone = rows < numbers ? `; ${rows} rows are there for ${numbers} numbers` : '';
    this.#problems.add('chain', `the rows do not fit their link${gone}`, firstSeq, link.seq);
  }

  #advance(): ChainLink | null {
    const { done, value } = this.#source.next();
    if (done === true) return null;
    this.links++;
    return value;
  }
}

function hashAfter(previousHash: string): Hash {
  return createHash('sha256').update(linkPrefix(previousHash));
}
