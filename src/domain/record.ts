/** The record: one reading, message or line, as it travels from a source to the log and to sinks. */

import type { ErrorFacts } from './errors.ts';
import type { Outcome, Receipt } from './receipt.ts';

/** Where a record keeps its receipt: out of the way of JSON and of users' code. */
export const RECEIPT: unique symbol = Symbol.for('headgate.receipt');

/** A record as it comes from its source.
 *
 *  A class, not an object literal, because of how V8 places what is made at a hundred thousand a second and
 *  lives until its commit: once most objects of a literal outlive a collection, it puts all further ones into
 *  the old generation at once, where only a full collection finds them. It does not do so to instances. */
export class ArrivedRecord<Data = unknown> {
  readonly sourceId: string;
  readonly tenant: string;
  /** Rises with every registration of any source in one database, so an id registered again repeats no
   *  identity. */
  readonly incarnation: number;
  /** Rises by one per source and incarnation, from 1. With `incarnation` it is the record's identity. */
  readonly seq: number;
  /** Wall time the record bears, epoch milliseconds: its own if the source knows it, else that of its
   *  arrival. */
  readonly atMs: number;
  /** Monotonic time of arrival, milliseconds. */
  readonly receivedMonoMs: number;
  /** The decoded value. A binary source carries `Uint8Array[]` frames, with a `contentType`. */
  readonly data: Data;
  readonly contentType: string | undefined;
  /** The user's dedup key, if the source has one. */
  readonly key: string | undefined;
  /** Where the source would go on after this record; saved with it, handed back at the next start. */
  readonly cursor: string | undefined;

  constructor(fields: Omit<IngestRecord, 'data' | 'seq'>, seq: number, data: Data, key: string | undefined) {
    this.sourceId = fields.sourceId;
    this.tenant = fields.tenant;
    this.incarnation = fields.incarnation;
    this.seq = seq;
    this.atMs = fields.atMs;
    this.receivedMonoMs = fields.receivedMonoMs;
    this.data = data;
    this.contentType = fields.contentType;
    this.key = key;
    this.cursor = fields.cursor;
  }
}

/** One record. Immutable by convention: a stage that changes `data` makes a new record ({@link withData}). */
export interface IngestRecord<Data = unknown> extends ArrivedRecord<Data> {
  /** Settled where the record's way ends; undefined where nobody waits for that. */
  readonly [RECEIPT]?: Receipt;
}

/** What may stand in a source's own words beside a value it emits. */
export interface RecordMeta {
  /** Wall time of the reading, epoch milliseconds. Default: the time of arrival. */
  readonly atMs?: number;
  readonly contentType?: string;
  readonly key?: string;
  /** A key for each of the values that are handed in together, in their order, where the source's `dedupKey`
   *  gives none. */
  readonly keys?: readonly string[];
  readonly cursor?: string;
  /** Tells what became of the records; the source acknowledges by it. One receipt may go with several calls.
   *  */
  readonly receipt?: Receipt;
}

const POISON: unique symbol = Symbol.for('headgate.poison');

/** A record whose turn in a stage threw. It bears the identity and place of the original, says why, and has
 *  no data of its own; a copy of the original is among the dead letters. */
export interface PoisonRecord extends IngestRecord<undefined> {
  readonly error: ErrorFacts;
  readonly originalRecord: IngestRecord;
  readonly [POISON]: true;
}

/** What flows between stages. */
export type FlowItem = IngestRecord | PoisonRecord;
export type Batch = readonly FlowItem[];

export function poison(error: ErrorFacts, originalRecord: IngestRecord): PoisonRecord {
  return { ...withData(originalRecord, undefined), error, originalRecord, [POISON]: true };
}

export function isPoison(item: unknown): item is PoisonRecord {
  return typeof item === 'object' && item !== null && POISON in item;
}

/** The same record, bearing other data. Its identity, times and key stay. */
export function withData<Data>(record: IngestRecord, data: Data): IngestRecord<Data> {
  const changed = new ArrivedRecord(record, record.seq, data, record.key);
  const receipt = record[RECEIPT];
  return receipt === undefined ? changed : withReceipt(changed, receipt);
}

/** The data of the next record, from the return value of a transform: of a record, that record's data. */
export function dataOf(returned: unknown): unknown {
  return returned instanceof ArrivedRecord ? (returned.data as unknown) : returned;
}

/** Gives a record that was just made its receipt. */
export function withReceipt<Data>(record: IngestRecord<Data>, receipt: Receipt): IngestRecord<Data> {
  (record as { [RECEIPT]?: Receipt })[RECEIPT] = receipt;
  return record;
}

/** The way of these records ends here. */
export function settleAll(items: readonly FlowItem[], outcome: Outcome): void {
  for (const item of items) item[RECEIPT]?.settle(outcome);
}
