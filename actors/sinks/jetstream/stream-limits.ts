/** Compares what a stream and its server grant with what the sink is configured to need. A difference does
 *  not keep the sink from delivering: it is told as an alert, once for each stream as it is. */

import type { StreamOptions } from './stream.ts';

/** The part of a stream's configuration that the sink depends on. Sizes: -1 or less means no bound. */
export interface GrantedStream {
  readonly subjects?: readonly string[];
  readonly max_msg_size?: number;
  readonly max_bytes?: number;
  /** Nanoseconds; 0: for ever. */
  readonly max_age?: number;
  readonly duplicate_window?: number;
  readonly storage?: string;
  readonly num_replicas?: number;
  readonly sealed?: boolean;
}

export interface NeededStream {
  readonly stream: StreamOptions;
  /** The subject of the sink, with its placeholders. */
  readonly subject: string;
  /** The largest message that the server takes, bytes. */
  readonly serverBytesMax: number;
}

const NANOS_PER_MS = 1_000_000;

/** Each difference in words; empty where the stream grants everything. */
export function streamDifferences(granted: GrantedStream, needed: NeededStream): string[] {
  const { stream, subject, serverBytesMax } = needed;
  const found: string[] = [];
  const { subjects = [], max_msg_size: messageBytesMax = -1 } = granted;
  if (granted.sealed === true) found.push('it is sealed and takes no message');
  if (!subjects.some((filter) => mayCapture(filter, subject))) {
    found.push(`it does not capture the subject "${subject}", but ${listOf(subjects)}`);
  }
  if (messageBytesMax > 0 && messageBytesMax < serverBytesMax) {
    found.push(`it takes messages of ${messageBytesMax} bytes, the server of ${serverBytesMax}`);
  }
  if (stream.create !== undefined) found.push(...fromCreation(granted, stream.create));
  return found;
}

/** A stream that is there stays as it is, whatever the options say it is to be created with. */
function fromCreation(granted: GrantedStream, asked: NonNullable<StreamOptions['create']>): string[] {
  const found: string[] = [];
  const differ = (what: string, wanted: unknown, given: unknown): void => {
    if (wanted !== given) found.push(`${what}: ${String(wanted)} asked for, ${String(given)} granted`);
  };
  const msOf = (nanos = 0) => Math.round(nanos / NANOS_PER_MS);
  const missing = asked.subjects.filter((one) => granted.subjects?.includes(one) !== true);
  if (missing.length > 0) found.push(`subjects: ${listOf(missing)} asked for, but not granted`);
  differ('storage', asked.storage, granted.storage ?? 'file');
  differ('replicas', asked.replicas, granted.num_replicas ?? 1);
  const ageMs = msOf(granted.max_age);
  if (ageMs > 0 && (asked.ageMsMax === null || ageMs < asked.ageMsMax)) {
    found.push(`age: ${asked.ageMsMax ?? 'no bound'} ms asked for, ${ageMs} ms granted`);
  }
  const { max_bytes: bytesMax = -1 } = granted;
  if (bytesMax > 0 && (asked.bytesMax === null || bytesMax < asked.bytesMax)) {
    found.push(`bytes: ${asked.bytesMax ?? 'no bound'} asked for, ${bytesMax} granted`);
  }
  const windowMs = msOf(granted.duplicate_window);
  const wantedMs = Math.min(asked.duplicateWindowMs, asked.ageMsMax ?? asked.duplicateWindowMs);
  if (windowMs < wantedMs) found.push(`duplicate window: ${wantedMs} ms asked for, ${windowMs} ms granted`);
  return found;
}

/** Whether a filter of the stream can match the subject. Where a placeholder begins everything can follow. */
export function mayCapture(filter: string, subject: string): boolean {
  const wanted = subject.split('.');
  const parts = filter.split('.');
  for (const [index, part] of parts.entries()) {
    const here = wanted[index];
    if (here === undefined) return false;
    if (part === '>' || here.includes('{')) return true;
    if (part !== '*' && part !== here) return false;
  }
  return wanted.length === parts.length;
}

function listOf(subjects: readonly string[]): string {
  return subjects.length === 0 ? 'none' : subjects.map((one) => `"${one}"`).join(', ');
}
