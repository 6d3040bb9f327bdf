/** A folder of log files under a program that writes and rotates them, with an oracle beside it: which lines
 *  were written, to which content, and which of them were destroyed. */

import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { Random } from '../../../src/domain/random.ts';

export type Format = 'text' | 'ndjson' | 'csv';

/** How the program rotates. `mixed`: another way each time. */
export const SCHEMES = ['numbered', 'dated', 'uuid', 'moved', 'copied', 'linked', 'mixed'] as const;
export type Scheme = (typeof SCHEMES)[number];

/** What was once the content of a file, whatever names the file has had. */
export interface Content {
  readonly lines: Line[];
  bytes: number;
  /** Emptied, written over or removed: what was not read of it is gone. */
  isDestroyed: boolean;
  /** It came and went between two looks of the reader, which cannot know that it ever was. */
  wasUnseen: boolean;
  /** How often the reader had looked at all there was when the first line was written. */
  looksBefore: number;
}

export interface Line {
  readonly id: number;
  readonly content: Content;
  readonly offset: number;
}

/** Longer than what identifies a file by its head, so that a rewritten file has the same one. */
const COLUMNS = Array.from({ length: 8 }, (_, n) => `temperature_of_the_hydraulic_press_${n}`);
const HEADER = ['id', ...COLUMNS].join(',');
/** A rotated file is written to no more once so many came after it. */
const STEP_MS = 2_000;

const NEVER = new Int32Array(new SharedArrayBuffer(4));
const KERNEL_TICK_MS = 5;

interface Aside {
  path: string;
  readonly content: Content;
  isCompressed: boolean;
  /** It was written to after it was put aside: the time of its last writing is no sign of its order. */
  wasLate: boolean;
  /** It was put aside without a line. */
  readonly wasEmpty: boolean;
}

export class FileWorld {
  readonly path: string;
  readonly folder: string;
  readonly archive: string;
  readonly format: Format;
  readonly scheme: Scheme;
  readonly lines: Line[] = [];
  /** Contents that were destroyed. */
  destroyed = 0;
  /** How often the reader has looked at all there was. */
  looks = 0;
  readonly #random: Random;
  #current: Content | null = null;
  /** The file itself, where `path` is a link. */
  #target: string;
  #aside: Aside[] = [];
  readonly #contents: Content[] = [];
  /** The file that was put aside last is the one before the current one. */
  #mayBeLate = false;
  #rotations = 0;
  /** Null: files keep the times that the disk gives them. */
  #nowMs: number | null;

  constructor(folder: string, random: Random, format: Format, scheme: Scheme, hasRealTimes = false) {
    this.folder = folder;
    this.archive = join(folder, 'old');
    this.path = join(folder, 'app.log');
    this.#target = this.path;
    this.#random = random;
    this.format = format;
    this.scheme = scheme;
    this.#nowMs = hasRealTimes ? null : Date.now() - 100_000_000;
    mkdirSync(this.archive, { recursive: true });
  }

  /** The reader knows what is stored, and nothing else: the content of `last`. What came later is as if it
   *  had never been looked at. */
  forgetLooks(last: Content | null): void {
    const known = last === null ? -1 : this.#contents.indexOf(last);
    for (const content of this.#contents.slice(known + 1)) {
      content.looksBefore = this.looks;
      if (content.isDestroyed) content.wasUnseen = true;
    }
  }

  /** Appends lines, making the file where there is none. */
  write(count: number): void {
    if (this.#current === null) this.#create();
    this.#append(this.#target, this.#current as Content, this.#makeLines(this.#current as Content, count));
  }

  /** Appends to the file that was put aside last, as a process does that has not opened the new one. */
  writeLate(): void {
    const last = this.#aside.at(-1);
    if (
      last === undefined ||
      !this.#mayBeLate ||
      last.isCompressed ||
      this.scheme === 'copied' ||
      this.scheme === 'mixed'
    )
      return;
    if (this.scheme === 'uuid' && this.#aside.some(({ isCompressed }) => isCompressed)) return;
    if (last.content.isDestroyed) return;
    last.wasLate = true;
    this.#append(last.path, last.content, this.#makeLines(last.content, 1));
  }

  rotate(): void {
    if (this.#current === null) return;
    const own = ['numbered', 'dated', 'uuid', 'moved', 'copied'] as const;
    const scheme = this.scheme === 'mixed' ? own[this.#random.integer(0, own.length - 1)] : this.scheme;
    this.#rotations++;
    this.#mayBeLate = true;
    const content = this.#current;
    if (scheme === 'linked') return this.#relink();
    if (scheme === 'copied') return this.#copyAndEmpty();
    const path = this.#asideName(scheme as Scheme);
    renameSync(this.path, path);
    this.#putAside(path, content);
    this.#current = null;
    if (this.#random.next() < 0.8) this.#create();
  }

  /** Compresses a file that was put aside. */
  compress(): void {
    // Without an order in the names, the times must show it.
    if (this.scheme === 'uuid' && this.#aside.some(({ wasLate }) => wasLate)) return;
    const plain = this.#aside.filter(
      // Nothing identifies an empty file that was compressed.
      ({ isCompressed, wasLate, wasEmpty }) => !isCompressed && !(wasLate && wasEmpty),
    );
    const file = plain[this.#random.integer(0, Math.max(plain.length - 1, 0))];
    if (file === undefined) return;
    const isGzip = this.#random.next() < 0.7;
    const bytes = readFileSync(file.path);
    const { atime, mtime } = statSync(file.path);
    const path = `${file.path}${isGzip ? '.gz' : '.zst'}`;
    writeFileSync(path, isGzip ? gzipSync(bytes) : zstdCompressSync(bytes));
    utimesSync(path, atime, mtime);
    unlinkSync(file.path);
    file.path = path;
    file.isCompressed = true;
  }

  truncate(): void {
    if (this.#current === null) return;
    this.#destroy(this.#current);
    truncateSync(this.#target);
    this.#current = this.#emptyContent();
    this.#touch(this.#target);
    this.#begin();
  }

  /** Writes other content over the file, in place or by renaming another file over it. */
  rewrite(isInPlace: boolean): void {
    if (this.#current === null) return;
    const old = this.#current;
    this.#destroy(old);
    const content = this.#emptyContent();
    this.#current = content;
    const lines = this.#makeLines(content, this.#random.integer(0, old.lines.length + 6));
    const text = `${this.#header(content)}${lines}`;
    if (isInPlace) writeFileSync(this.#target, text);
    else {
      this.#mayBeLate = false;
      writeFileSync(join(this.folder, 'temporary'), text);
      renameSync(join(this.folder, 'temporary'), this.#target);
    }
    content.bytes = Buffer.byteLength(text);
    this.#touch(this.#target);
  }

  remove(): void {
    if (this.#current === null) return;
    this.#destroy(this.#current);
    this.#mayBeLate = false;
    unlinkSync(this.#target);
    this.#current = null;
    if (this.#random.next() < 0.5) this.#create();
  }

  /** Removes the oldest of the files put aside, as a rotation does that keeps so many. */
  removeOldest(): void {
    const oldest = this.#aside.shift();
    if (oldest === undefined) return;
    this.#destroy(oldest.content);
    // It had been read to its end: nothing shows that there was more.
    if (oldest.wasLate) oldest.content.wasUnseen = true;
    unlinkSync(oldest.path);
  }

  #emptyContent(): Content {
    const content = { lines: [], bytes: 0, isDestroyed: false, wasUnseen: false, looksBefore: this.looks };
    this.#contents.push(content);
    return content;
  }

  #destroy(content: Content): void {
    content.isDestroyed = true;
    content.wasUnseen = content.looksBefore === this.looks;
    this.destroyed++;
  }

  #create(): void {
    // Names without an order are ordered by birth, which file systems note by the tick of the kernel.
    if (this.scheme === 'uuid' || this.scheme === 'mixed') Atomics.wait(NEVER, 0, 0, KERNEL_TICK_MS);
    this.#current = this.#emptyContent();
    if (this.scheme === 'linked') this.#link();
    else writeFileSync(this.path, '');
    this.#touch(this.#target);
    this.#begin();
  }

  #link(): void {
    this.#target = join(this.folder, `app-${this.#date()}.log`);
    writeFileSync(this.#target, '');
    const link = join(this.folder, 'link');
    symlinkSync(this.#target, link);
    renameSync(link, this.path);
  }

  #relink(): void {
    this.#putAside(this.#target, this.#current as Content);
    this.#create();
  }

  #putAside(path: string, content: Content): void {
    const wasEmpty = content.lines.length === 0;
    this.#aside.push({ path, content, isCompressed: false, wasLate: false, wasEmpty });
  }

  #copyAndEmpty(): void {
    const path = this.#asideName('numbered');
    copyFileSync(this.path, path);
    this.#touch(path);
    this.#putAside(path, this.#current as Content);
    truncateSync(this.path);
    this.#touch(this.path);
    this.#current = this.#emptyContent();
    this.#begin();
  }

  #asideName(scheme: Scheme): string {
    if (scheme === 'dated') {
      const isInfix = this.scheme === 'dated' && this.lines.length % 2 === 0;
      return join(this.folder, isInfix ? `app-${this.#date()}.log` : `app.log.${this.#date()}`);
    }
    if (scheme === 'uuid') return join(this.folder, `app-${this.#random.uuid()}.log`);
    if (scheme === 'moved') return join(this.archive, `app-${this.#date()}.log`);
    for (const file of this.#aside.toReversed().toSorted((a, b) => numberOf(b.path) - numberOf(a.path))) {
      const number = numberOf(file.path);
      if (number === 0) continue;
      const to = file.path.replace(/log\.\d+/, `log.${number + 1}`);
      renameSync(file.path, to);
      file.path = to;
    }
    return join(this.folder, 'app.log.1');
  }

  #date(): string {
    const day = new Date(Date.UTC(2026, 10, 28 + this.#rotations)).toISOString().slice(0, 10);
    return this.#rotations % 2 === 0 || this.scheme !== 'mixed' ? day : day.replaceAll('-', '');
  }

  #begin(): void {
    const content = this.#current as Content;
    const header = this.#header(content);
    if (header !== '') this.#append(this.#target, content, header);
  }

  #header(content: Content): string {
    const header = this.format === 'csv' ? `${HEADER}\n` : '';
    content.bytes = Buffer.byteLength(header);
    return header;
  }

  #append(path: string, content: Content, text: string): void {
    appendFileSync(path, text);
    content.bytes = statSync(path).size;
    this.#touch(path);
  }

  #makeLines(content: Content, count: number): string {
    let text = '';
    if (content.lines.length === 0) content.looksBefore = this.looks;
    let offset = content.bytes === 0 && this.format === 'csv' ? HEADER.length + 1 : content.bytes;
    for (let n = 0; n < count; n++) {
      const id = this.lines.length + 1;
      const line = { id, content, offset };
      this.lines.push(line);
      content.lines.push(line);
      const made = this.#lineText(id);
      offset += made.length;
      text += made;
    }
    return text;
  }

  #lineText(id: number): string {
    const padding = 'x'.repeat(this.#random.next() < 0.1 ? 3_000 : this.#random.integer(0, 60));
    if (this.format === 'csv') return `${id},${padding},1,2,3,4,5,6,7\n`;
    return this.format === 'ndjson' ? `{"id":${id},"padding":"${padding}"}\n` : `${id} ${padding}\n`;
  }

  /** Time passes between two writes. */
  #touch(path: string): void {
    if (this.#nowMs === null) return;
    this.#nowMs += this.#random.integer(1, STEP_MS);
    utimesSync(path, this.#nowMs / 1_000, this.#nowMs / 1_000);
  }
}

function numberOf(path: string): number {
  return Number(/\.log\.(\d{1,4})(?:\.gz|\.zst)?$/.exec(path)?.[1] ?? 0);
}

/** The number of the line that a record was. */
export function idOf(value: unknown, format: Format): number {
  if (format === 'text') return Number(/^\d+/.exec(String(value))?.[0] ?? Number.NaN);
  return Number((value as { readonly id?: unknown }).id);
}
