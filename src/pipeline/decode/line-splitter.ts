/** Cuts a stream of bytes into lines, or into CSV rows, whose quoted fields may span lines. Holds at most
 *  one line of `lineBytesMax` bytes and the chunk it was given; how the stream was cut into chunks changes
 *  nothing.
 *
 *  A longer line is reported once as `overlong`, without its bytes, and skipped up to its end. A quote that
 *  is never closed would swallow all that follows: where a row grows over the limit, or the stream ends,
 *  within quotes, or where quotes end over several lines and something else than a comma or a line end
 *  follows, the line that opened them is given out by itself (its decoding fails) and cutting goes on with
 *  the next line. */

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BYTE_ORDER_MARK: readonly number[] = [0xef, 0xbb, 0xbf];
const NO_BYTES = new Uint8Array(0);
const ZEROS = new Uint8Array(4096);

export interface Line {
  /** Without the line end; empty if `overlong`. A view that holds until the next call of `push`: copy it to
   *  keep it. */
  readonly bytes: Uint8Array;
  /** Of the line where it begins, from 1. */
  readonly number: number;
  /** Where the next line begins: bytes since the start of the stream. Of an overlong line: how far it was
   *  read. */
  readonly endOffset: number;
  readonly nextNumber: number;
  readonly overlong: boolean;
  /** With `reportEnds`: the end of an overlong line that was reported before. */
  readonly isOverlongEnd?: boolean;
}

export interface LineSplitterOptions {
  /** Without its line feed. */
  readonly lineBytesMax: number;
  /** Rows as CSV has them, instead of plain lines. */
  readonly csv?: boolean;
  /** Where the first chunk stands in its stream, and the number of its line. */
  readonly startOffset?: number;
  readonly startNumber?: number;
  /** The stream begins in the middle of a line, which is skipped. */
  readonly skipFirst?: boolean;
  /** Reports an overlong line once more at its end, so that reading can go on behind it. */
  readonly reportEnds?: boolean;
  /** Bytes of zero at the beginning of a line are no part of it: they are a hole that a writer left, which
   *  went on at its old offset in a file that was emptied. */
  readonly skipHoles?: boolean;
}

export interface LineSplitter {
  /** The lines that `chunk` completes. The chunk may be overwritten once they have been used. */
  push(chunk: Uint8Array): Line[];
  /** What is left at the end of the stream: the last line, if it had no line end. */
  end(): Line[];
  /** Bytes of zero that were skipped so far. */
  readonly holeBytes: number;
  /** Whether the line that is not complete was reported as overlong. */
  readonly isSkipping: boolean;
  /** Whether the row that is not complete has lines behind a quote that was not closed. */
  readonly isWithinQuotes: boolean;
}

export function lineSplitter(options: LineSplitterOptions): LineSplitter {
  return new Splitter(options);
}

/** Where in a CSV row the scan stands. */
type Field = 'start' | 'plain' | 'quoted' | 'quote-in-quoted' | 'malformed';

class Splitter implements LineSplitter {
  readonly #lineBytesMax: number;
  readonly #csv: boolean;
  readonly #reportsEnds: boolean;
  readonly #skipsHoles: boolean;
  holeBytes = 0;
  /** The current line begins at `from`, has been looked at up to `scanned`; bytes are there up to `filled`.
   */
  #buffer: Uint8Array = NO_BYTES;
  /** Whether the buffer is not a caller's chunk. */
  #isOwn = false;
  #from = 0;
  #scanned = 0;
  #filled = 0;
  /** Of the current line: where it stands in the stream, its number, whether it is being skipped. */
  #offset: number;
  #number: number;
  #skipping: boolean;
  /** Whether the line being skipped was reported as overlong. */
  #isReported = false;
  /** Of the current CSV row: the kind of field, the first line feed within quotes (-1: none), how many of
   *  them. */
  #field: Field = 'start';
  #firstBreak = -1;
  #breaks = 0;

  constructor({
    lineBytesMax,
    csv = false,
    startOffset = 0,
    startNumber = 1,
    skipFirst = false,
    reportEnds = false,
    skipHoles = false,
  }: LineSplitterOptions) {
    this.#reportsEnds = reportEnds;
    this.#skipsHoles = skipHoles;
    this.#lineBytesMax = lineBytesMax;
    this.#csv = csv;
    this.#offset = startOffset;
    this.#number = startNumber;
    this.#skipping = skipFirst;
  }

  push(chunk: Uint8Array): Line[] {
    this.#append(chunk);
    return this.#cut(false);
  }

  end(): Line[] {
    return this.#cut(true);
  }

  #cut(atEnd: boolean): Line[] {
    const lines: Line[] = [];
    for (;;) {
      if (this.#skipsHoles) this.#skipHole();
      const index = this.#findEnd();
      if (index >= 0) this.#take(index, true, lines);
      else if (this.#isOverLimit() || this.#isMalformed() || (atEnd && this.#isUnclosed()))
        this.#giveUp(lines);
      else break;
    }
    if (this.#skipping) this.#dropScanned();
    if (atEnd && this.#skipping) this.#endSkipped(lines);
    if (atEnd && this.#filled > this.#from) this.#take(this.#filled, false, lines);
    if (!this.#isOwn && this.#filled > this.#from) this.#moveRest(0);
    return lines;
  }

  /** Takes a chunk as it is where nothing is left of the one before, else appends it to that. */
  #append(chunk: Uint8Array): void {
    const kept = this.#filled - this.#from;
    if (kept === 0) {
      this.#buffer = chunk;
      this.#isOwn = false;
      this.#from = this.#scanned = 0;
      this.#filled = chunk.length;
      return;
    }
    if (this.#filled + chunk.length > this.#buffer.length) this.#moveRest(kept + chunk.length);
    this.#buffer.set(chunk, this.#filled);
    this.#filled += chunk.length;
  }

  /** Moves the line begun to the front of a buffer of its own, which grows by doubling so that a long line
   *  costs linear time. */
  #moveRest(needed: number): void {
    const kept = this.#filled - this.#from;
    const fits = this.#isOwn && needed <= this.#buffer.length;
    const target = fits ? this.#buffer : new Uint8Array(Math.max(needed, 2 * kept));
    target.set(this.#buffer.subarray(this.#from, this.#filled));
    this.#buffer = target;
    this.#isOwn = true;
    this.#scanned -= this.#from;
    if (this.#firstBreak >= 0) this.#firstBreak -= this.#from;
    this.#from = 0;
    this.#filled = kept;
  }

  #skipHole(): void {
    if (this.#skipping || this.#scanned !== this.#from || this.#buffer[this.#from] !== 0) return;
    let end = this.#from;
    // Holes are long: whole blocks are compared first.
    while (end + ZEROS.length <= this.#filled && isZero(this.#buffer, end)) end += ZEROS.length;
    while (end < this.#filled && this.#buffer[end] === 0) end++;
    const length = end - this.#from;
    this.holeBytes += length;
    this.#offset += length;
    this.#from = this.#scanned = end;
  }

  /** The index of the line feed that ends the current line, or -1. Looks no further than a line may reach.
   *  */
  #findEnd(): number {
    const limit = this.#skipping ? this.#filled : Math.min(this.#filled, this.#from + this.#lineBytesMax + 1);
    if (!this.#csv || this.#skipping) {
      const found = this.#buffer.indexOf(LINE_FEED, this.#scanned);
      const index = found < limit ? found : -1;
      this.#scanned = index < 0 ? limit : index + 1;
      return index;
    }
    while (this.#scanned < limit) {
      const byte = this.#buffer[this.#scanned++] as number;
      if (byte === LINE_FEED) {
        if (this.#field !== 'quoted') return this.#scanned - 1;
        this.#breaks++;
        if (this.#firstBreak < 0) this.#firstBreak = this.#scanned - 1;
      } else if (!this.#isByteOrderMark(byte)) {
        this.#field = nextField(this.#field, byte);
        // These quotes end another field than they were opened for.
        if (this.#field === 'malformed' && this.#firstBreak >= 0) return -1;
      }
    }
    return -1;
  }

  #isByteOrderMark(byte: number): boolean {
    return this.#number === 1 && this.#field === 'start' && BYTE_ORDER_MARK.includes(byte);
  }

  #isOverLimit(): boolean {
    return !this.#skipping && this.#scanned - this.#from > this.#lineBytesMax;
  }

  #isUnclosed(): boolean {
    return this.isWithinQuotes || this.#isMalformed();
  }

  #isMalformed(): boolean {
    return this.#field === 'malformed' && this.#firstBreak >= 0;
  }

  get isSkipping(): boolean {
    return this.#skipping && this.#isReported;
  }

  get isWithinQuotes(): boolean {
    return this.#field === 'quoted' && this.#firstBreak >= 0;
  }

  /** Ends the current line at the line feed at `index`, or at the end of all there is. */
  #take(index: number, hasLineFeed: boolean, lines: Line[]): void {
    const length = index - this.#from;
    const stop = length > 0 && this.#buffer[index - 1] === CARRIAGE_RETURN ? index - 1 : index;
    const number = this.#number;
    const wasSkipped = this.#skipping;
    const isOverlongEnd = wasSkipped && this.#isReported;
    const bytes = wasSkipped ? NO_BYTES : this.#buffer.subarray(this.#from, stop);
    this.#offset += length + (hasLineFeed ? 1 : 0);
    this.#number += this.#breaks + (hasLineFeed ? 1 : 0);
    this.#from = hasLineFeed ? index + 1 : index;
    this.#beginLine();
    if (isOverlongEnd && this.#reportsEnds && hasLineFeed) {
      const end = { endOffset: this.#offset, nextNumber: this.#number };
      lines.push({ bytes, number, ...end, overlong: true, isOverlongEnd });
    }
    if (wasSkipped) return;
    lines.push({ bytes, number, endOffset: this.#offset, nextNumber: this.#number, overlong: false });
  }

  /** The stream ends within an overlong line. Should it go on after all, the rest is skipped, too. */
  #endSkipped(lines: Line[]): void {
    if (!this.isSkipping || !this.#reportsEnds) return;
    const number = this.#number;
    const end = { endOffset: this.#offset, nextNumber: number };
    lines.push({ bytes: NO_BYTES, number, ...end, overlong: true, isOverlongEnd: true });
  }

  #dropScanned(): void {
    this.#offset += this.#scanned - this.#from;
    this.#from = this.#scanned;
  }

  #beginLine(): void {
    this.#scanned = this.#from;
    this.#skipping = this.#isReported = false;
    this.#field = 'start';
    this.#firstBreak = -1;
    this.#breaks = 0;
  }

  /** A line that cannot be ended as it should. */
  #giveUp(lines: Line[]): void {
    if (this.#isUnclosed()) {
      const index = this.#firstBreak;
      this.#breaks = 0;
      this.#take(index, true, lines);
      return;
    }
    const number = this.#number;
    this.#dropScanned();
    this.#firstBreak = -1;
    this.#skipping = this.#isReported = true;
    lines.push({
      bytes: NO_BYTES,
      number,
      endOffset: this.#offset,
      nextNumber: number + this.#breaks + 1,
      overlong: true,
    });
  }
}

function isZero(buffer: Uint8Array, from: number): boolean {
  return Buffer.compare(buffer.subarray(from, from + ZEROS.length), ZEROS) === 0;
}

function nextField(field: Field, byte: number): Field {
  if (field === 'quoted') return byte === QUOTE ? 'quote-in-quoted' : 'quoted';
  if (field === 'malformed') return field;
  if (byte === COMMA) return 'start';
  if (field === 'quote-in-quoted') {
    if (byte === QUOTE) return 'quoted';
    return byte === CARRIAGE_RETURN ? field : 'malformed';
  }
  return byte === QUOTE && field === 'start' ? 'quoted' : 'plain';
}
