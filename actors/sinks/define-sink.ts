/** How a kind of sink is made: a schema for its options and the logic they give. Built-in kinds and users'
 *  own go through here. */

import { type z } from 'zod';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import {
  commonSinkSpec,
  sinkSchema,
  type CommonSinkOptions,
  type SinkOptionsInput,
} from '../../src/config/sink-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { checksumOfOptions } from '../support/far-end.ts';
import type { SinkIo, SinkLink, SinkLogic, SinkSpec } from '../../src/domain/sink.ts';

/** The schema of a kind's own options, each a zod type. */
type Shape = z.ZodRawShape;
// A kind without options of its own adds nothing: zod's type of an empty object would forbid all names.
type Own<S extends Shape> = keyof S extends never ? unknown : z.output<z.ZodObject<S>>;
type OwnInput<S extends Shape> = keyof S extends never ? unknown : z.input<z.ZodObject<S>>;

export interface SinkKind<Options> {
  /** The kind's name in tables and health. */
  readonly type: string;
  /** Opens a link; see {@link SinkLogic}. `options` are the caller's, resolved and frozen. */
  open(io: SinkIo, options: Options): Promise<SinkLink>;
}

/** Makes a factory for a kind of sink of one's own.
 *
 *  @example
 *  const consoleSink = defineSink({
 *    type: 'console',
 *    options: { prefix: z.string().default('> ') },
 *    async open(io, { prefix }) {
 *      return {
 *        async deliver(batch) {
 *          for (const record of batch) console.log(prefix, record.key, record.data);
 *        },
 *        async close() {},
 *      };
 *    },
 *  });
 *  await engine.registerSink(consoleSink({ id: 'screen' }));
 *
 *  @throws HeadgateError HG_OPTION_INVALID if `open` is missing; the factory throws HG_OPTION_UNKNOWN and
 *  HG_OPTION_INVALID. */
export function defineSink<S extends Shape = Record<never, never>>(
  kind: SinkKind<Own<S> & CommonSinkOptions> & { readonly options?: S },
): (options: SinkOptionsInput & OwnInput<S>) => SinkSpec {
  if (typeof kind.open !== 'function') {
    throw new HeadgateError(
      'HG_OPTION_INVALID',
      `sink kind "${kind.type}": open() is missing; every sink has one`,
      { details: { field: 'open' } },
    );
  }
  const schema = sinkSchema((kind.options ?? {}) as S);
  return (input) => {
    const options = resolveOptions(schema, input, `${kind.type}Sink`) as unknown as Own<S> &
      CommonSinkOptions;
    return sinkSpec(kind.type, options, { open: async (io) => kind.open(io, options) });
  };
}

/** Assembles the spec of one sink from its resolved options. */
export function sinkSpec(
  type: string,
  options: CommonSinkOptions,
  logic: SinkLogic,
  claim?: string,
): SinkSpec {
  const claimed = claim === undefined ? {} : { claim };
  return Object.freeze({
    kind: 'sink',
    ...commonSinkSpec(options),
    ...{ type, logic, ...claimed },
    checksumOfOptions: () => checksumOfOptions(type, options),
  });
}
