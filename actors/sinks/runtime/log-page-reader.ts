/** The pages of a log as one sink reads them: as large as its batches, and one ahead. */

import { errorFacts, HeadgateError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { OutboundRecord, SinkSpec } from '../../../src/domain/sink.ts';
import type { LogPage } from '../../../storage/event-store.ts';
import type { LogTail } from './log-tail.ts';

type Page = LogPage<OutboundRecord>;

export class LogPageReader {
  readonly #feed: LogTail;
  readonly #spec: SinkSpec;
  #ahead: { readonly afterSeq: number; readonly page: Promise<Page> } | null = null;

  constructor(feed: LogTail, spec: SinkSpec) {
    this.#feed = feed;
    this.#spec = spec;
  }

  /** The page after a place; {@link fromStorage} says what it throws. */
  after(afterSeq: number): Promise<Page> {
    const ahead = this.#ahead;
    this.#ahead = null;
    return fromStorage(ahead?.afterSeq === afterSeq ? ahead.page : this.#read(afterSeq));
  }

  /** The next page is read while this one is delivered; one that would be short is left to fill up. */
  readAhead(afterSeq: number): void {
    const { reads, batch } = this.#spec;
    if (this.#feed.lastSeq(reads) - afterSeq < batch.rowsMax) return;
    const page = this.#read(afterSeq);
    // Whoever needs it hears of its failure then.
    page.catch(() => {});
    this.#ahead = { afterSeq, page };
  }

  #read(afterSeq: number): Promise<Page> {
    const { reads, batch } = this.#spec;
    return this.#feed.read(reads, { afterSeq, rowsMax: batch.rowsMax, bytesMax: batch.bytesMax });
  }
}

/** Trouble of the database is no fault of the sink's, and passes. */
export async function fromStorage<Rows>(rows: Promise<Rows>): Promise<Rows> {
  try {
    return await rows;
  } catch (error) {
    const { code, message } = errorFacts(error, 'HG_STORAGE_FAILED');
    throw new HeadgateError(code as ErrorCode, message, { remedy: 'retry', cause: error });
  }
}
