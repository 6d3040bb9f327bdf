/** A sink that is a function: it gets the batches, in order. For what takes no link of its own. */

import { z } from 'zod';
import type { DeliveryProgress, OutboundRecord, Rejection, SinkIo } from '../../src/domain/sink.ts';
import { defineSink } from './define-sink.ts';

/** Delivers a batch, as {@link SinkLink.deliver} does. */
type Deliver = (
  batch: readonly OutboundRecord[],
  io: SinkIo,
  progress?: DeliveryProgress,
) => Promise<readonly Rejection[] | void> | readonly Rejection[] | void;

/** Makes a sink of `deliver`.
 *
 *  @example
 *  await engine.registerSink(functionSink({
 *    id: 'warehouse',
 *    deliver: async (records) => warehouse.insert(records.map(({ key, data }) => ({ key, data }))),
 *  })); */
export const functionSink = defineSink({
  type: 'function',
  options: {
    deliver: z.custom<Deliver>((value) => typeof value === 'function', 'must be a function of a batch'),
  },
  open: async (io, { deliver }) => ({
    deliver: async (batch, progress) => deliver(batch, io, progress),
    close: async () => {},
  }),
});

export type FunctionSinkOptions = Parameters<typeof functionSink>[0];
