/** Dead letters as users hold them: list, look at one, let them be tried again, delete them. The same for a
 *  running engine and for a file that none uses. */

import { z } from 'zod';
import { openDeadLetterReader } from '../../storage/reading/dead-letter-reader.ts';
import type { LetterQuery, StoredLetter } from '../../storage/event-store.ts';
import { resolveOptions } from '../config/resolve-options.ts';
import { parseAddress } from '../domain/address.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { LetterStatus } from '../domain/timeline.ts';

export type { StoredLetter } from '../../storage/event-store.ts';

/** Which letters: all that fit every field given. */
export interface LetterSelection {
  /** `plc-7` or `tenant/plc-7`. */
  readonly source?: string;
  /** `decode`, the name of a stage, `record`, `sink:ID`. */
  readonly stage?: string;
  readonly status?: LetterStatus;
}

export interface DeadLetterPage extends LetterSelection {
  /** Letters with a greater number only. */
  readonly afterId?: number;
  /** At most so many, the oldest first. Default: 1,000. */
  readonly limit?: number;
}

export interface DeadLetters {
  /** Letters in order of their number. */
  list(page?: DeadLetterPage): Promise<readonly StoredLetter[]>;
  /** @throws HeadgateError HG_DEAD_LETTER_UNKNOWN */
  show(id: number): Promise<StoredLetter>;
  /** Queues letters for another try: by number, or the selected ones, of which those that are parked are left
   *  out unless `status` names them. A running engine tries them at once, a stopped one at its next start.
   *  Returns how many were queued. @throws HeadgateError HG_DEAD_LETTER_UNKNOWN, HG_DEAD_LETTER_TRUNCATED for
   *  numbers. */
  retry(which: readonly number[] | LetterSelection): Promise<number>;
  /** Deletes letters, by number or the selected ones. Returns how many. @throws HeadgateError
   *  HG_DEAD_LETTER_UNKNOWN for numbers. */
  purge(which: readonly number[] | LetterSelection): Promise<number>;
}

/** The part of storage that it takes. */
export interface LetterStore {
  readLetters(query: LetterQuery): Promise<readonly StoredLetter[]>;
  markLetters(query: LetterQuery, status: 'queued'): Promise<number>;
  purgeLetters(query: LetterQuery): Promise<number>;
}

/** Letters that one transaction changes. */
const CHANGED_ROWS_MAX = 500;
const LISTED_ROWS = 1_000;

const ids = z.array(z.number().int().min(1));
const selection = {
  source: z.string().min(1).optional(),
  stage: z.string().min(1).optional(),
  status: z.enum(['new', 'queued', 'delivered', 'parked']).optional(),
};
const selectionSchema = z.strictObject(selection);
const pageSchema = z.strictObject({
  ...selection,
  afterId: z.number().int().min(0).default(0),
  limit: z.number().int().min(1).default(LISTED_ROWS),
});

export function createDeadLetters(store: LetterStore): DeadLetters {
  return {
    async list(input = {}) {
      const page = resolveOptions(pageSchema, input, 'deadLetters.list');
      return store.readLetters({ ...queryOf(page), afterId: page.afterId, rowsMax: page.limit });
    },
    async show(id) {
      const [letter] = await lettersOf(store, resolveOptions(ids, [id], 'deadLetters.show'));
      return letter as StoredLetter;
    },
    async retry(which) {
      const mark = (query: LetterQuery) => store.markLetters(query, 'queued');
      if (!isList(which)) {
        const selected = resolveOptions(selectionSchema, which, 'deadLetters.retry');
        return untilNone({ ...queryOf(selected), status: selected.status ?? 'new' }, mark);
      }
      const letters = await lettersOf(store, resolveOptions(ids, which, 'deadLetters.retry'));
      for (const letter of letters) requireWhole(letter);
      return inChunks(which, mark);
    },
    async purge(which) {
      const purge = (query: LetterQuery) => store.purgeLetters(query);
      if (!isList(which)) {
        return untilNone(queryOf(resolveOptions(selectionSchema, which, 'deadLetters.purge')), purge);
      }
      await lettersOf(store, resolveOptions(ids, which, 'deadLetters.purge'));
      return inChunks(which, purge);
    },
  };
}

/** Those that `current` gives at the time of a call. Calls reject with HG_ENGINE_STATE where it gives
 *  none. */
export function deadLettersOf(current: () => DeadLetters | null | undefined): DeadLetters {
  const letters = () => current() ?? refuse();
  return {
    list: async (page) => letters().list(page),
    show: async (id) => letters().show(id),
    retry: async (which) => letters().retry(which),
    purge: async (which) => letters().purge(which),
  };
}

function refuse(): never {
  throw new HeadgateError(
    'HG_ENGINE_STATE',
    'dead letters can be had of an engine that runs and has a timeline; of a file by openDeadLetters',
  );
}

/** The dead letters of a file that no engine uses; it is locked against engines until `close`. With
 *  `readOnly` an engine may use it: then only `list` and `show` work. @throws HeadgateError
 *  HG_STORAGE_LOCKED, _NOT_FOUND, _NOT_A_DATABASE and other HG_STORAGE_ codes. */
export function openDeadLetters(
  path: string,
  { readOnly: isReadOnly = false }: { readonly readOnly?: boolean } = {},
): DeadLetters & { close(): void } {
  const file = openDeadLetterReader(path, { isReadOnly });
  const letters = createDeadLetters({
    readLetters: async (query) => file.read(query),
    markLetters: async (query, status) => file.mark(query, status),
    purgeLetters: async (query) => file.purge(query),
  });
  return { ...letters, close: () => file.close() };
}

export function isList(which: readonly number[] | LetterSelection): which is readonly number[] {
  return Array.isArray(which);
}

function queryOf({ source, stage, status }: z.output<typeof selectionSchema>): Omit<LetterQuery, 'rowsMax'> {
  const address = source === undefined ? null : parseAddress(source);
  return {
    ...(address === null ? {} : { tenant: address.tenant, sourceId: address.sourceId }),
    ...(stage === undefined ? {} : { stage }),
    ...(status === undefined ? {} : { status }),
  };
}

async function untilNone(
  query: Omit<LetterQuery, 'rowsMax'>,
  change: (query: LetterQuery) => Promise<number>,
): Promise<number> {
  let changed = 0;
  for (;;) {
    const rows = await change({ ...query, rowsMax: CHANGED_ROWS_MAX });
    changed += rows;
    if (rows < CHANGED_ROWS_MAX) return changed;
  }
}

async function inChunks(
  which: readonly number[],
  change: (query: LetterQuery) => Promise<number>,
): Promise<number> {
  let changed = 0;
  for (let start = 0; start < which.length; start += CHANGED_ROWS_MAX) {
    const chunk = which.slice(start, start + CHANGED_ROWS_MAX);
    changed += await change({ ids: chunk, rowsMax: CHANGED_ROWS_MAX });
  }
  return changed;
}

/** @throws HeadgateError HG_DEAD_LETTER_UNKNOWN if there is not one for each number. */
async function lettersOf(store: LetterStore, wanted: readonly number[]): Promise<StoredLetter[]> {
  const letters: StoredLetter[] = [];
  for (let start = 0; start < wanted.length; start += CHANGED_ROWS_MAX) {
    const chunk = wanted.slice(start, start + CHANGED_ROWS_MAX);
    letters.push(...(await store.readLetters({ ids: chunk, rowsMax: CHANGED_ROWS_MAX })));
  }
  const found = new Set(letters.map(({ id }) => id));
  const missing = wanted.find((id) => !found.has(id));
  if (missing === undefined) return letters;
  const message = `there is no dead letter ${missing}; list names those that are there`;
  throw new HeadgateError('HG_DEAD_LETTER_UNKNOWN', message, { details: { id: missing } });
}

/** @throws HeadgateError HG_DEAD_LETTER_TRUNCATED if it cannot be tried again. */
function requireWhole({ id, isTruncated }: StoredLetter): void {
  if (!isTruncated) return;
  const message = `dead letter ${id}: its payload was not kept whole; it cannot be retried`;
  throw new HeadgateError('HG_DEAD_LETTER_TRUNCATED', message, { details: { id } });
}
