/** What the engine's thread and the thread that writes the database say to each other. */

import { ERROR_CODES } from '../../src/domain/error-codes.ts';
import { HeadgateError, type ErrorCode, type Remedy } from '../../src/domain/errors.ts';
import type { EventStore, OpenOptions } from '../event-store.ts';
import type { WireBatch } from './write-batch-codec.ts';

type Methods = {
  [Name in keyof EventStore]: EventStore[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof EventStore];

/** Calls that cross with their arguments as they are. */
export type ForwardedCall = Exclude<Methods, 'commit' | 'examine' | 'close' | 'abandon'>;

/** Writers wait for each other, and for the locks of others; readers do not. */
export const FORWARDED_CALLS: Readonly<Record<ForwardedCall, 'reads' | 'writes'>> = {
  readRecords: 'reads',
  readAlerts: 'reads',
  readSpilled: 'reads',
  readLetters: 'reads',
  lagOf: 'reads',
  readState: 'reads',
  markLetters: 'writes',
  purgeLetters: 'writes',
  writeState: 'writes',
  maintain: 'writes',
};

/** What a store tells of itself at its opening. */
export type StoreFacts = Omit<EventStore, Methods>;

/** A function cannot cross: the identifiers that a new database needs come along. */
export interface WorkerOptions extends Omit<OpenOptions, 'uuid'> {
  readonly uuids: readonly [string, string];
}

export type ToWorker =
  | { readonly id: number; readonly call: 'commit'; readonly unit: WireBatch }
  | { readonly id: number; readonly call: 'examine'; readonly unit: WireBatch }
  | { readonly id: number; readonly call: 'close'; readonly end: { readonly atMs: number } | null }
  | { readonly id: number; readonly call: ForwardedCall; readonly args: readonly unknown[] };

/** The answer to the call of that id; 0 is the opening. */
export type FromWorker =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError };

export const OPENING = 0;

/** An error as it crosses; a thrown object would arrive as a bare Error. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: Remedy;
  readonly details: Readonly<Record<string, unknown>>;
}

export function wireError({ code, message, remedy, details }: HeadgateError): WireError {
  return { code, message, remedy, details };
}

export function errorOf({ code, message, remedy, details }: WireError): HeadgateError {
  const isOverridden = remedy !== ERROR_CODES[code].remedy;
  return new HeadgateError(code, message, { ...(isOverridden ? { remedy } : {}), details });
}
