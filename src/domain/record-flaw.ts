/** The fields beside a record's data, checked before it goes into a transaction with the rows of others:
 *  the tables refuse a value of another type, a number that is no 64-bit integer, and text that is not
 *  well-formed Unicode would be stored as other text. */

import { isNameSegment } from './address.ts';
import { HeadgateError } from './errors.ts';
import { LIMITS } from './limits.ts';
import type { ArrivedRecord } from './record.ts';
import type { CursorRow } from './timeline.ts';

type Fields = Omit<ArrivedRecord, 'data' | 'cursor'>;

/** Milliseconds from 1970 to the last moment that a `Date` can name. */
const TIME_MS_MAX = 8.64e15;

/** @throws HeadgateError HG_RECORD_UNSTORABLE that names the field and what it may hold. */
export function checkFields(record: Fields): void {
  const { atMs, key, contentType } = record;
  if (!hasIdentity(record)) throw flaw('its tenant, sourceId, incarnation and seq are not those of a source');
  if (typeof atMs !== 'number' || !(atMs >= -TIME_MS_MAX && atMs <= TIME_MS_MAX)) {
    throw flaw('atMs must be epoch milliseconds within the range of a Date');
  }
  if (key !== undefined) checkText('its dedup key', key, LIMITS.dedupKeyCharsMax);
  if (contentType !== undefined) checkText('contentType', contentType, LIMITS.contentTypeCharsMax);
}

function hasIdentity({ tenant, sourceId, incarnation, seq }: Fields): boolean {
  const isNumbered = Number.isSafeInteger(incarnation) && Number.isSafeInteger(seq);
  if (!isNumbered || (sourceId === lastNames.sourceId && tenant === lastNames.tenant)) return isNumbered;
  if (typeof tenant !== 'string' || typeof sourceId !== 'string') return false;
  if (!isNameSegment(tenant) || !isNameSegment(sourceId)) return false;
  lastNames = { tenant, sourceId };
  return true;
}

/** Records come in runs of one source: its names are looked at once. */
let lastNames: Pick<Fields, 'tenant' | 'sourceId'> = { tenant: '', sourceId: '' };

/** Whether a cursor can be kept, and the source can continue from it. */
export function isCursorRow({ tenant, sourceId, cursor }: CursorRow): boolean {
  const isText = typeof cursor === 'string' && typeof tenant === 'string' && typeof sourceId === 'string';
  return isText && cursor.length <= LIMITS.cursorCharsMax && cursor.isWellFormed();
}

function checkText(name: string, text: unknown, charsMax: number): void {
  if (typeof text !== 'string') throw flaw(`${name} must be text`);
  if (text.length > charsMax) throw flaw(`${name} has ${text.length} characters; ${charsMax} are allowed`);
  if (!text.isWellFormed()) throw flaw(`${name} is not well-formed Unicode: it holds half a surrogate pair`);
}

function flaw(message: string): HeadgateError {
  return new HeadgateError('HG_RECORD_UNSTORABLE', message);
}
