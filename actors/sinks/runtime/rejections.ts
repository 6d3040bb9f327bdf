/** What a far end says it will never take, as the sink's code gave it back. */

import { errorFacts, HeadgateError, type ErrorFacts } from '../../../src/domain/errors.ts';
import type { Rejection } from '../../../src/domain/sink.ts';
import type { OutboundItem } from './outbound-batch.ts';

/** Why a record was not taken, and by whom. */
export interface RejectedItem {
  readonly facts: ErrorFacts;
  readonly by: NonNullable<Rejection['by']>;
}

export type Rejections = ReadonlyMap<OutboundItem, RejectedItem>;

export const NO_REJECTIONS: Rejections = new Map();

/** @throws HeadgateError HG_SINK_FAILED if that is no list of rejections: nothing is known to be safe then */
export function rejectionsOf(outcome: unknown, going: readonly OutboundItem[]): Rejections {
  if (!Array.isArray(outcome) || outcome.length === 0) return NO_REJECTIONS;
  const refusals = new Map<OutboundItem, RejectedItem>();
  for (const rejection of outcome as readonly Partial<Rejection>[]) {
    const piece = going[rejection?.index ?? -1];
    if (piece === undefined || rejection?.error === undefined) {
      throw new HeadgateError(
        'HG_SINK_FAILED',
        'deliver() gave back a list that is none of rejections: { index, error } each',
      );
    }
    refusals.set(piece, {
      facts: reasonOf(rejection.error),
      by: rejection.by === 'sink' ? 'sink' : 'farEnd',
    });
  }
  return refusals;
}

/** As the sink's code gave it: facts, or an error after all. */
function reasonOf(error: unknown): ErrorFacts {
  const { code, message } = error as Partial<ErrorFacts>;
  const isFacts = !(error instanceof Error) && typeof code === 'string' && typeof message === 'string';
  return isFacts ? { code, message } : errorFacts(error, 'HG_SINK_REFUSED');
}
