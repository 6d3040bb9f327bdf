/** Follows one name through all that happens to its files: growth, rotation, rewriting in place, removal.
 *
 *  - The file of the last committed place is read on, under whatever name it has now. Then come the files
 *    that were put aside after it, oldest first, and then the one that has the name.
 *  - The file read before is kept open and looked at until the next rotation, or until it is removed: a
 *    process may write to it until it opens the new one.
 *  - Where content was there and cannot be found again, an alert names the file and the offset. */

import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { isBeingWritten } from './damaged-files.ts';
import { LineEndWait, type LastLine } from './line-end-wait.ts';
import { OpenRowWatch } from './open-row-watch.ts';
import { inodeOf, openFile, openIfThere, requireForeign, type OpenFile } from './open-file.ts';
import { alertMissing, alertUnreadable, UnreadableFiles } from './alerts.ts';
import { BEFORE_DEPTH_MAX, parsePlace, shortened, textOf, type FilePosition } from './file-position.ts';
import { ReadFiles } from './read-files.ts';
import { PreviousFile } from './previous-file.ts';
import { fileReading, type ChunkOutcome, type FileReading, type Start } from './reading.ts';
import type { FollowPlan } from './follow-plan.ts';
import { birthOf, listRotated } from './rotated-files.ts';
import { resumption } from './resumption.ts';
import { findByContent, findPlace, nextFile, type Predecessor, type Successor } from './rotation.ts';

/** Reads until the run is over, or in mode `read` until the end of the file.
 *  @throws HeadgateError of opening and reading. */
export async function followFile(io: SourceIo, plan: FollowPlan): Promise<void> {
  const follower = new Follower(io, plan);
  try {
    await follower.begin();
    if (!io.signal.aborted) await follower.follow();
  } finally {
    await follower.close();
  }
}

class Follower {
  readonly #io: SourceIo;
  readonly #plan: FollowPlan;
  #reading: FileReading | null = null;
  /** The file before, which may still grow. */
  #previous: PreviousFile | null = null;
  /** Where the reading of the file before ended, as text and as it is. */
  #before: { readonly text: string; readonly place: FilePosition } | null = null;
  /** Files that were put aside before the one being read. */
  #older: ReadonlySet<string> = new Set();
  /** There was no record in the file at the last look: nothing shows that it was copied and emptied. */
  #wasBlank = false;
  /** When the file, which was written over since, had last been written to as it was known. */
  #rewrittenAfterMs = Number.POSITIVE_INFINITY;
  readonly #unreadable = new UnreadableFiles();
  readonly #readFiles = new ReadFiles();
  /** Nothing came at the last poll: a line without its end is no line that is just being written. */
  #isQuiet = false;
  #lineEnd = new LineEndWait();
  readonly #openRow = new OpenRowWatch();

  constructor(io: SourceIo, plan: FollowPlan) {
    this.#io = io;
    this.#plan = plan;
  }

  get #main(): FileReading {
    return this.#reading as FileReading;
  }

  /** Opens the file where the last committed record says to go on. */
  async begin(): Promise<void> {
    const { cursor } = this.#io;
    const place = parsePlace(cursor);
    if (place === null) {
      const from = cursor === null ? this.#plan.startAt : 'beginning';
      await this.#read(await openFile(this.#plan.path), { from }, true);
      return;
    }
    if (place.before !== null) await this.#resumePrevious(place.before);
    const current = await openIfThere(this.#plan.path);
    try {
      const found = await resumption(place, current, {
        io: this.#io,
        plan: this.#plan,
        unreadable: this.#unreadable,
      });
      if (found !== null) await this.#read(found.file, found.start, found.isCurrent);
    } finally {
      if (current !== null && current !== this.#reading?.file) await current.bytes.close();
    }
  }

  async #resumePrevious(before: FilePosition): Promise<void> {
    this.#before = { text: textOf(before), place: before };
    this.#readFiles.add(before);
    const file = await findPlace(this.#plan, before);
    if (file === null) return;
    const reading = await fileReading(file, this.#plan, before);
    reading.toCursor = this.#cursorOfPrevious;
    this.#previous = new PreviousFile(reading, false, new LineEndWait());
  }

  async #read(file: OpenFile, start: Start, isCurrent = false): Promise<void> {
    await requireForeign(this.#io, file);
    const from = await this.#readFiles.startIn(this.#io, file, start, isCurrent);
    this.#takeReading(await fileReading(file, this.#plan, from));
    this.#wasBlank = false;
    this.#rewrittenAfterMs = Number.POSITIVE_INFINITY;
    if (isCurrent) await this.#noteOlder();
    else this.#older = new Set();
  }

  /** Files that were rotated by now are older than the file that has the name. */
  async #noteOlder(): Promise<void> {
    this.#older = new Set((await listRotated(this.#plan)).map(birthOf));
    this.#wasBlank = true;
  }

  #takeReading(reading: FileReading): void {
    this.#reading = reading;
    reading.toCursor = this.#cursorOfMain;
  }

  readonly #cursorOfMain = (place: string): string =>
    this.#before === null ? `${place}}` : `${place},"before":${this.#before.text}}`;

  readonly #cursorOfPrevious = (place: string): string => {
    const text = `${place}}`;
    this.#before = { text, place: (this.#before as { place: FilePosition }).place };
    return `${this.#main.placeText},"before":${text}}`;
  };

  async follow(): Promise<void> {
    this.#io.opened();
    for (;;) {
      const outcome = await this.#readChunk();
      if (this.#io.signal.aborted) return;
      if (outcome !== 'end') this.#isQuiet = false;
      if (outcome === 'more') continue;
      if (outcome === 'rewritten') await this.#onRewritten();
      else if (await this.#atEnd()) return;
    }
  }

  async #readChunk(): Promise<ChunkOutcome> {
    if (this.#wasBlank && this.#main.isBlank && (await this.#main.facts()).mtimeMs !== this.#main.mtimeMs) {
      this.#wasBlank = false;
      const hasUnread = await this.#readUnread();
      this.#unreadable.tell(this.#io, 0);
      if (hasUnread) return 'more';
    }
    try {
      return await this.#main.readChunk(this.#io);
    } catch (error) {
      if (!(error instanceof HeadgateError) || !this.#main.file.bytes.isCompressed) throw error;
      await this.#onDamaged(error);
      return this.#io.signal.aborted ? 'end' : 'more';
    }
  }

  /** Returns whether the reading is over. */
  async #atEnd(): Promise<boolean> {
    const next = await this.#next();
    if (next !== null) {
      const lastLine = this.#lastLine(next);
      if (lastLine === 'waiting') {
        await next.file.bytes.close();
        return this.#waitForNews();
      }
      await this.#goOnTo(next, lastLine === 'ended');
      return false;
    }
    if (this.#plan.mode === 'read') {
      this.#unreadable.tell(this.#io, 0);
      await this.#main.finish(this.#io);
      await this.#previous?.finish(this.#io);
      return true;
    }
    this.#wasBlank = this.#main.isBlank && (await inodeOf(this.#plan.path)) === this.#main.inode;
    await this.#readPrevious();
    return this.#waitForNews();
  }

  #lastLine({ file }: Successor): LastLine {
    const lastLine = this.#lineEnd.look(this.#main, this.#io.clock.monotonicMs(), file.mtimeMs);
    // The mode `read` takes files as they are; it waits for nothing.
    return this.#plan.mode === 'read' && this.#isQuiet ? 'ended' : lastLine;
  }

  /** Returns whether the reading is over. */
  async #waitForNews(): Promise<boolean> {
    this.#isQuiet = true;
    this.#openRow.look(this.#io, this.#main);
    this.#io.readSucceeded();
    await this.#io.clock.sleep(this.#plan.pollMs, this.#io.signal);
    return this.#io.signal.aborted;
  }

  async #next(): Promise<Successor | null> {
    const inode = await inodeOf(this.#plan.path);
    if (inode === this.#main.inode) return null;
    const { isLinked, mtimeMs: writtenMs } = await this.#main.facts();
    const mtimeMs = Math.min(writtenMs, this.#rewrittenAfterMs);
    // The name is free, and the file has kept it until now: there is nothing yet.
    if (inode === null && !isLinked) return null;
    // By what is read of the file before it is known again.
    await this.#readPrevious();
    if (this.#io.signal.aborted) return null;
    const place = this.#placeOfMain();
    return this.#nextAfter({ place, mtimeMs, older: this.#older, isLost: false });
  }

  #placeOfMain(): FilePosition {
    return { ...this.#main.place, before: this.#placeBefore() };
  }

  #placeBefore(): FilePosition | null {
    const known = this.#before?.place ?? null;
    return this.#previous === null
      ? known
      : { ...this.#previous.reading.place, before: known?.before ?? null };
  }

  #nextAfter(last: Predecessor): Promise<Successor | null> {
    return nextFile(this.#plan, last, this.#unreadable.inodes, this.#unreadable.note);
  }

  async #goOnTo(next: Successor, hasEnded: boolean): Promise<void> {
    const wasBlank = this.#wasBlank;
    this.#wasBlank = false;
    if (wasBlank && (await this.#readUnread())) return next.file.bytes.close();
    return this.#goOnWith(next, hasEnded);
  }

  /** `hasEnded`: the last line of the present file. */
  async #goOnWith({ file, isCurrent, isProven }: Successor, hasEnded: boolean): Promise<void> {
    const last = this.#main;
    try {
      await this.#readPrevious();
      await this.#closePrevious();
      if (hasEnded) await last.finish(this.#io);
    } catch (error) {
      await file.bytes.close();
      throw error;
    }
    const { offset } = last.place;
    const isTold = this.#unreadable.tell(this.#io, isProven ? 0 : offset);
    if (!isProven && !isTold) alertMissing(this.#io, this.#plan.path, 'FILE_LOST', offset, 0);
    this.#previous = new PreviousFile(last, hasEnded, this.#lineEnd);
    this.#lineEnd = new LineEndWait();
    last.toCursor = this.#cursorOfPrevious;
    this.#setBefore(last.place);
    this.#isQuiet = false;
    await this.#read(file, { from: 'beginning' }, isCurrent);
    if (last.file.bytes.isCompressed) await this.#closePrevious();
  }

  /** Looks whether something was written to the file before after all. */
  async #readPrevious(): Promise<void> {
    if (this.#previous === null || (await this.#previous.readOn(this.#io))) return;
    if (!this.#io.signal.aborted) await this.#closePrevious();
  }

  #setBefore(place: FilePosition): void {
    // A blank file is not found again by its content: the one before it then is.
    const known = place.isBlank ? shortened(this.#before?.place ?? null, BEFORE_DEPTH_MAX - 2) : null;
    this.#readFiles.add(place);
    const before = { ...place, before: known };
    this.#before = { text: textOf(before), place: before };
  }

  async #closePrevious(): Promise<void> {
    if (this.#previous === null) return;
    await this.#previous.finish(this.#io);
    const { reading } = this.#previous;
    // Its place has moved on if something was written late.
    if (!reading.isBlank) this.#setBefore(reading.place);
    await reading.close();
    this.#previous = null;
  }

  /** The file was emptied or written over. A copy that was made before has the rest of what it held. */
  async #onRewritten(): Promise<void> {
    const reading = this.#main;
    const { place, hasBegun, unreadBytes } = reading;
    const copy = await findByContent(place, await listRotated(this.#plan));
    if (copy !== null) {
      await reading.close();
      await this.#read(copy, place);
      return;
    }
    const hasUnread = await this.#readUnread();
    const isTold = this.#unreadable.tell(this.#io, place.offset);
    if (hasBegun && !isTold)
      alertMissing(this.#io, this.#plan.path, 'FILE_REWRITTEN', place.offset, unreadBytes);
    if (hasUnread) return;
    this.#rewrittenAfterMs = reading.mtimeMs;
    this.#takeReading(await reading.restarted());
    if ((await inodeOf(this.#plan.path)) === reading.inode) await this.#noteOlder();
  }

  /** Goes on with a file that was put aside before what is in this one now was written: a copy that was
   *  made of it while nothing of it had been read. Returns whether there is one. */
  async #readUnread(): Promise<boolean> {
    const reading = this.#main;
    await this.#readPrevious();
    const { isLinked, sizeBytes } = await reading.facts();
    if ((!isLinked && sizeBytes > 0) || this.#io.signal.aborted) return false;
    const place = this.#placeOfMain();
    const next = await this.#nextAfter({ place, mtimeMs: reading.mtimeMs, older: this.#older, isLost: true });
    if (next === null) return false;
    if (next.file.inode === reading.inode || next.isCurrent) {
      await next.file.bytes.close();
      return false;
    }
    await reading.close();
    await this.#read(next.file, { from: 'beginning' });
    return true;
  }

  /** A compressed file that cannot be read to its end is still being written, or is broken. */
  async #onDamaged(error: HeadgateError): Promise<void> {
    const { file, place } = this.#main;
    if (await isBeingWritten(this.#io, file, this.#plan.pollMs)) {
      const { sizeBytes, mtimeMs } = await file.bytes.facts();
      this.#takeReading(await fileReading({ ...file, sizeBytes, mtimeMs }, this.#plan, place));
      return;
    }
    const next = await this.#next();
    if (next === null) throw error;
    alertUnreadable(this.#io, file.path, place.offset, messageOf(error));
    this.#unreadable.tell(this.#io, 0);
    await this.#closePrevious();
    this.#setBefore(place);
    await this.#main.close();
    await this.#read(next.file, { from: 'beginning' }, next.isCurrent);
  }

  async close(): Promise<void> {
    await this.#previous?.reading.close();
    await this.#reading?.close();
    this.#reading = this.#previous = null;
  }
}
