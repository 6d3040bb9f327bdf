/** What goes out together: a page of the log, or dead letters that are tried again. Says which records go out
 *  and what becomes of those that do not. */

import { errorFacts, HeadgateError, type ErrorFacts } from '../../../src/domain/errors.ts';
import { readJson } from '../../../src/domain/json-text.ts';
import type { OutboundRecord, SinkSpec } from '../../../src/domain/sink.ts';
import type { StoredLetter } from '../../../storage/event-store.ts';

/** A record of a outbound. */
export interface OutboundItem {
  /** As the log has it. */
  readonly record: OutboundRecord;
  /** The dead letter it is; null: it comes from the log. */
  readonly letter: StoredLetter | null;
  /** As it goes out; null: it does not. */
  readonly outbound: OutboundRecord | null;
  /** Why it cannot go out; null where a filter left it out. */
  readonly error: ErrorFacts | null;
}

export interface OutboundBatch {
  /** In order of `seq`. */
  readonly pieces: readonly OutboundItem[];
  /** The `seq` after which it was read. */
  readonly after: number;
  /** Where the cursor goes when all of it is done with; null: it stays. */
  readonly cursor: number | null;
  /** `seq` of rows that are damaged. */
  readonly damaged: readonly number[];
}

/** Puts a record through the sink's filter and transform; what they throw is the record's fault. */
export function outboundItem(
  spec: SinkSpec,
  record: OutboundRecord,
  letter: StoredLetter | null,
): OutboundItem {
  const { filter, transform } = spec;
  try {
    if (filter !== null && !filter(record)) return { record, letter, outbound: null, error: null };
    const outbound = transform === null ? record : { ...record, data: transform(record) };
    return { record, letter, outbound, error: null };
  } catch (error) {
    return { record, letter, outbound: null, error: errorFacts(error, 'HG_STAGE_THREW') };
  }
}

/** The record a letter was, under the key it had. */
export function outboundDeadLetter(
  spec: SinkSpec,
  letter: StoredLetter,
  keyOf: (seq: number) => string,
): OutboundItem {
  try {
    return outboundItem(spec, recordOf(letter, keyOf), letter);
  } catch (error) {
    const record = { ...blankRecord(letter), seq: 0, key: '' };
    return { record, letter, outbound: null, error: errorFacts(error, 'HG_DEAD_LETTER_TRUNCATED') };
  }
}

/** @throws HeadgateError HG_DEAD_LETTER_TRUNCATED if it was not kept whole */
function recordOf(letter: StoredLetter, keyOf: (seq: number) => string): OutboundRecord {
  const seq = letter.origin?.recordSeq;
  if (letter.isTruncated || seq === undefined) {
    throw new HeadgateError('HG_DEAD_LETTER_TRUNCATED', `dead letter ${letter.id} was not kept whole`);
  }
  return { ...blankRecord(letter), seq, key: keyOf(seq), data: readJson(letter.payload) };
}

function blankRecord({
  tenant,
  sourceId,
  origin,
  firstAtMs,
}: StoredLetter): Omit<OutboundRecord, 'seq' | 'key'> {
  return {
    tenant,
    sourceId,
    incarnation: origin?.incarnation ?? 0,
    sourceSeq: origin?.sourceSeq ?? 0,
    atMs: origin?.atMs ?? firstAtMs,
    data: undefined,
    contentType: origin?.contentType ?? undefined,
    dedupKey: origin?.dedupKey ?? undefined,
  };
}
