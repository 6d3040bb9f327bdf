/** The state of the records after a sink's cursor that is not stored yet: which of them the far end has
 *  taken, which it has refused, and at which the link broke.
 *
 *  A refusal, or a link that breaks at a record, may be the record's fault or the far end's. The far end is
 *  its own witness: a record is given up only when others were taken and it was not. While nothing is taken,
 *  the trouble is the link's and every record waits.
 *
 *  It lives through all links of a sink and is lost with the process: the next start finds it out again, from
 *  the cursor on. */

import { HeadgateError, type ErrorFacts } from '../../../src/domain/errors.ts';
import { LIMITS } from '../../../src/domain/limits.ts';

type How = 'refused' | 'broke';

interface Held {
  readonly how: How;
  readonly facts: ErrorFacts;
  /** Records taken by then. */
  readonly takenBefore: number;
  /** The link over which it was tried. */
  readonly link: object;
  /** How often the link broke at it while it went alone. */
  readonly breaks: number;
  /** It is the record's fault. */
  readonly isDecided: boolean;
}

export class Undecided {
  /** Records one delivery may have. After a link broke it is one, and doubles with each good delivery. */
  rowsMax = Number.POSITIVE_INFINITY;
  readonly #taken = new Set<number>();
  readonly #held = new Map<number, Held>();
  /** Records taken in all. */
  #takenCount = 0;
  /** Refusals that may still be believed without a witness. */
  #credit: number = LIMITS.sinkUnprovenRefusalsMax;
  #suspect = { seq: 0, breaks: 0 };
  /** Of the link, since a record was taken. */
  #breaks = 0;
  /** Records at which the link broke before that were taken since it broke last. */
  #clearedInRow = 0;
  #refusedRounds = 0;
  #probeRounds = 0;
  #probes = 0;
  /** The records at which the link broke are tried again before further ones. */
  #isTheirTurn = false;

  get isEmpty(): boolean {
    return this.#taken.size === 0 && this.#held.size === 0;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  /** Whether some record may be at fault, and it is not known. */
  get isOpen(): boolean {
    return this.#some(({ isDecided }) => !isDecided);
  }

  /** Whether the far end has taken others since one up to `seq` was held back. */
  isAnotherTryDue(seq: number): boolean {
    for (const [heldSeq, { isDecided, takenBefore }] of this.#held) {
      if (heldSeq <= seq && !isDecided && this.#takenCount > takenBefore) return true;
    }
    return false;
  }

  /** Deliveries that may be refused in a row now. */
  get refusedCallsMax(): number {
    return inRound(this.#refusedRounds, LIMITS.sinkRefusedCallsMax);
  }

  isTaken(seq: number): boolean {
    return this.#taken.has(seq);
  }

  /** Why the record is given up; null: it is not. */
  verdictOn(seq: number): ErrorFacts | null {
    const held = this.#held.get(seq);
    return held?.isDecided === true ? held.facts : null;
  }

  /** Whether the record is to go out over `link` now. */
  isToGo(seq: number, link: object): boolean {
    if (this.#taken.has(seq)) return false;
    const held = this.#held.get(seq);
    if (held === undefined) return true;
    if (held.isDecided) return false;
    if (this.#takenCount > held.takenBefore) return true;
    return held.how === 'refused' ? held.link !== link : this.#isTheirTurn;
  }

  /** Whether the link broke at the record before, so that it goes alone. Once several of these were taken one
   *  after the other, the far end was at fault and the rest go together, until the link breaks again. */
  isSuspect(seq: number): boolean {
    if (this.#clearedInRow >= LIMITS.sinkSuspectsAlone) return false;
    return this.#held.get(seq)?.how === 'broke';
  }

  /** Records were taken, whichever. */
  countTaken(records: number): void {
    this.#takenCount += records;
    this.#credit = LIMITS.sinkUnprovenRefusalsMax;
    this.#refusedRounds = 0;
    this.#probeRounds = 0;
    this.#probes = 0;
    this.#suspect = { seq: 0, breaks: 0 };
    this.#breaks = 0;
  }

  /** This one was taken, and cannot be written down yet. */
  take(seq: number): void {
    if (this.#held.get(seq)?.how === 'broke') this.#clearedInRow++;
    this.#held.delete(seq);
    this.#taken.add(seq);
  }

  /** It is written down. */
  forget(seq: number): void {
    this.#taken.delete(seq);
    this.#held.delete(seq);
  }

  /** So is everything up to `seq`, also rows that are no longer in the log. */
  forgetUpTo(seq: number): void {
    if (this.isEmpty) return;
    for (const one of [...this.#taken, ...this.#held.keys()]) if (one <= seq) this.forget(one);
  }

  /** Records taken so far. */
  get takenCount(): number {
    return this.#takenCount;
  }

  /** The record was refused. Returns whether it is at fault: it was refused before, and the far end had taken
   *  others between. `takenSoFar`: how many were taken before it was tried. */
  refuse(
    seq: number,
    facts: ErrorFacts,
    link: object,
    isDecided = false,
    takenSoFar = this.#takenCount,
  ): boolean {
    const before = this.#held.get(seq);
    const isKnown = before?.how === 'refused';
    const takenBefore = isKnown ? before.takenBefore : takenSoFar;
    const isItsFault = isDecided || (isKnown && takenSoFar > takenBefore);
    this.#held.set(seq, { how: 'refused', facts, takenBefore, link, breaks: 0, isDecided: isItsFault });
    return isItsFault;
  }

  /** The refusals of these records are believed, if they are not more than `countMax`. */
  believe(seqs: Iterable<number>, countMax = Number.POSITIVE_INFINITY): void {
    const open: [number, Held][] = [];
    for (const seq of seqs) {
      const held = this.#held.get(seq);
      if (held?.how === 'refused' && !held.isDecided) open.push([seq, held]);
    }
    if (open.length > countMax) return;
    for (const [seq, held] of open) this.#held.set(seq, { ...held, isDecided: true });
  }

  /** The link broke, and nothing was taken over it. Deliveries become single records; where opening a link
   *  reaches no far end, only when that happens again. */
  narrow(greeted: boolean): void {
    this.#breaks++;
    this.#clearedInRow = 0;
    if (greeted || this.#breaks > 1) this.rowsMax = 1;
  }

  /** The link broke while this record went alone. `isLast`: none waits behind it. Returns whether the next
   *  records are to be tried now, for the first time. */
  breakAt(
    seq: number,
    facts: ErrorFacts,
    { link, greeted, isLast }: { link: object; greeted: boolean; isLast: boolean },
  ): boolean {
    const before = this.#held.get(seq);
    if (before?.how === 'broke') {
      const tries = before.breaks + 1;
      // One that was tried only past another has not broken the link often yet.
      const isDecided = this.#takenCount > before.takenBefore && tries > LIMITS.sinkBreaksGreeted;
      const proven = isDecided ? provenFacts(facts) : facts;
      this.#held.set(seq, { ...before, facts: proven, breaks: tries, isDecided });
      this.#isTheirTurn = false;
      return false;
    }
    const breaks = this.#suspect.seq === seq ? this.#suspect.breaks + 1 : 1;
    const held: Held = { how: 'broke', facts, takenBefore: this.#takenCount, link, breaks, isDecided: false };
    if (this.#isProbing) {
      this.#held.set(seq, held);
      this.#probes++;
      if (this.#probes >= inRound(this.#probeRounds, LIMITS.sinkProbesMax)) this.release();
      // Where opening does not reach the far end, the far end may be at fault: once it is back, the
      // oldest record goes first.
      else this.#isTheirTurn = !greeted;
      return false;
    }
    this.#suspect = { seq, breaks };
    if (isLast) {
      if (this.#isBelievedAlone(greeted)) this.#giveUpOn(seq, held);
      return false;
    }
    if (breaks < (greeted ? LIMITS.sinkBreaksGreeted : LIMITS.sinkBreaksUngreeted)) return false;
    this.#held.set(seq, held);
    return this.#probeRounds === 0;
  }

  /** Nothing waits behind the record, so no other can be its witness. */
  #isBelievedAlone(greeted: boolean): boolean {
    const isProven = greeted && this.#suspect.breaks >= LIMITS.sinkBreaksLast;
    return isProven && this.#takenCount > 0 && this.#credit > 0;
  }

  #giveUpOn(seq: number, held: Held): void {
    this.#credit--;
    this.#held.set(seq, { ...held, facts: provenFacts(held.facts), isDecided: true });
  }

  /** The log has no further record that the far end could take. What was refused is believed within bounds;
   *  what broke the link is tried again. Returns why the link is given up; null: it goes on. */
  settleInSilence(greeted: boolean): ErrorFacts | null {
    const refused = [...this.#held].filter(([, { how, isDecided }]) => how === 'refused' && !isDecided);
    if (refused.length > this.#credit) return refused.at(-1)?.[1].facts ?? null;
    this.#credit -= refused.length;
    this.believe(refused.map(([seq]) => seq));
    const suspect = this.#held.get(this.#suspect.seq);
    if (suspect?.how === 'broke' && this.#isBelievedAlone(greeted))
      this.#giveUpOn(this.#suspect.seq, suspect);
    this.release();
    return null;
  }

  /** The far end takes nothing: further records are tried in the next round. */
  endRefusedRound(): void {
    this.#refusedRounds++;
  }

  /** The records at which the link broke are tried again. */
  release(): void {
    for (const [seq, { how, isDecided }] of this.#held) {
      if (how === 'broke' && !isDecided) this.#held.delete(seq);
    }
    this.#probes = 0;
    this.#probeRounds++;
    this.#isTheirTurn = false;
  }

  get #isProbing(): boolean {
    return this.#some(({ how, isDecided }) => how === 'broke' && !isDecided);
  }

  #some(is: (held: Held) => boolean): boolean {
    for (const held of this.#held.values()) if (is(held)) return true;
    return false;
  }
}

/** A bound that doubles from round to round and begins again: far ends that take nothing are not asked too
 *  often, and a long run of records at fault is passed in the end. */
function inRound(round: number, first: number): number {
  return first * 2 ** (round % ROUNDS);
}

const ROUNDS = 5;

function provenFacts({ code, message }: ErrorFacts): ErrorFacts {
  return {
    code: 'HG_SINK_REFUSED',
    message: `the link breaks whenever this record is sent: ${code}: ${message}`,
  };
}

const OF_A_LINK: ReadonlySet<string> = new Set([
  ...['HG_LINK_LOST', 'HG_LINK_TIMEOUT', 'HG_SINK_TIMEOUT', 'HG_SINK_FAILED'],
  ...['HG_READ_TRUNCATED', 'HG_READ_TOO_LARGE'],
]);
/** A server that failed over what it was sent: 500, 501, 505 and up. 502 to 504 speak of what is behind it.
 */
const isOwnFailure = (status: unknown) =>
  typeof status === 'number' && status >= 500 && ![502, 503, 504].includes(status);

/** Whether a delivery may have failed for one of its records: the far end was there, and said nothing that
 *  points elsewhere. */
export function mayBeARecords(error: unknown): boolean {
  // Nobody classified it: the sink's code threw.
  if (!(error instanceof HeadgateError)) return true;
  if (error.details['retryAfterMs'] !== undefined) return false;
  return OF_A_LINK.has(error.code) || isOwnFailure(error.details['status']);
}
