/** How a kind of source is made: a schema for its options and the logic they give. Built-in kinds and users'
 *  own go through here. */

import { type z } from 'zod';
import {
  commonSpec,
  sourceSchema,
  brandValidated,
  type SourceOptionsInput,
} from '../../src/config/source-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { checksumOfOptions } from '../support/far-end.ts';
import type { DecodeFunction, SourceIo, SourceLogic, SourceSpec } from '../../src/domain/source.ts';

export interface SourceKind<Options> {
  /** The kind's name in tables, totals and health. */
  readonly type: string;
  /** Streams records; see {@link SourceLogic}. `options` are the caller's, resolved and frozen. */
  stream(io: SourceIo, options: Options): AsyncIterable<unknown> | Promise<void>;
  /** Whether the source calls `io.opened()` itself. Default false. */
  readonly connects?: boolean;
  /** Whether the source can be held back without loss; see {@link SourceLogic.canWait}. Default true. */
  readonly canWait?: boolean;
}

/** The schema of a kind's own options, each a zod type. */
type Shape = z.ZodRawShape;
// A kind without options of its own adds nothing: zod's type of an empty object would forbid all names.
type Own<S extends Shape> = keyof S extends never ? unknown : z.output<z.ZodObject<S>>;
type OwnInput<S extends Shape> = keyof S extends never ? unknown : z.input<z.ZodObject<S>>;

/** Makes a factory for a kind of source of one's own.
 *
 *  @example
 *  const tickSource = defineSource({
 *    type: 'tick',
 *    options: { everyMs: z.number().int().min(1) },
 *    async *stream(io, { everyMs }) {
 *      for (let n = 1; !io.signal.aborted; n++) {
 *        await io.clock.sleep(everyMs, io.signal);
 *        yield { n };
 *      }
 *    },
 *  });
 *  await engine.register(tickSource({ id: 'tick-1', everyMs: 100 }));
 *
 *  @throws HeadgateError HG_SOURCE_NO_STREAM if `stream` is missing; the factory throws HG_OPTION_UNKNOWN and
 *  HG_OPTION_INVALID. */
export function defineSource<S extends Shape = Record<never, never>>(
  kind: SourceKind<Own<S> & { id: string }> & { readonly options?: S },
): (options: SourceOptionsInput & OwnInput<S>) => SourceSpec {
  if (typeof kind.stream !== 'function') {
    throw new HeadgateError(
      'HG_SOURCE_NO_STREAM',
      `source kind "${kind.type}": stream() is missing; every source has one`,
    );
  }
  const schema = sourceSchema((kind.options ?? {}) as S);
  return (input) => {
    const options = resolveOptions(schema, input, `${kind.type}Source`) as unknown as Own<S> &
      z.output<ReturnType<typeof sourceSchema<Record<never, never>>>>;
    return sourceSpec(kind.type, options, null, {
      connects: kind.connects ?? false,
      canWait: kind.canWait ?? true,
      stream: (io) => kind.stream(io, options),
    });
  };
}

type ResolvedCommon = Parameters<typeof commonSpec>[0];

/** Assembles the spec of one source from its resolved options. */
export function sourceSpec(
  type: string,
  options: ResolvedCommon,
  decode: DecodeFunction | null,
  logic: SourceLogic,
  readsFile?: string,
): SourceSpec {
  const reads = readsFile === undefined ? {} : { readsFile };
  return brandValidated({
    ...commonSpec(options),
    ...{ type, decode, logic, ...reads },
    checksumOfOptions: () => checksumOfOptions(type, options),
  });
}
