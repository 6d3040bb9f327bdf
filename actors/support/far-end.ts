/** Checksums of a far end: what a wait that was kept over a restart is compared with. A source or a sink
 *  whose address or options have changed meanwhile does not wait for what the ones before it ran into. */

import { crc32 } from 'node:zlib';
import type { FarEnd } from '../../src/domain/timeline.ts';

/** Of a wait that is over. */
export const NO_FAR_END: FarEnd = { addressCrc: 0, optionsCrc: null };

/** The part of a spec that says where its far end is, and how it is reached. */
interface Reaching {
  readonly type: string;
  readonly logic: { readonly target?: string };
  readonly checksumOfOptions?: () => number;
}

/** Of the address alone. Null: the kind of source or sink names none. */
export function addressChecksum({ logic }: Pick<Reaching, 'logic'>): number | null {
  return logic.target === undefined ? null : crc32(logic.target);
}

/** Of the address and of all options. */
export function farEndOf(spec: Reaching): FarEnd {
  return { addressCrc: addressChecksum(spec) ?? 0, optionsCrc: spec.checksumOfOptions?.() ?? 0 };
}

/** Whether a wait that was kept for `kept` holds for this source or sink. */
export function isSameFarEnd(spec: Reaching, kept: FarEnd): boolean {
  const { addressCrc, optionsCrc } = farEndOf(spec);
  return kept.addressCrc === addressCrc && (kept.optionsCrc === null || kept.optionsCrc === optionsCrc);
}

/** The checksum of all options: 0 to 255. Options hold passwords, and a checksum that is stored must not help
 *  to guess one, so it has no more than 8 bits; one change of 256 goes unnoticed. The address has a checksum
 *  of its own. Functions and objects of classes do not count: they cannot be compared over a restart. */
export function checksumOfOptions(type: string, options: object): number {
  try {
    return crc32(`${type} ${JSON.stringify(options, comparable)}`) & 0xff;
  } catch {
    // Options of a user's own kind may hold what JSON has no form for.
    return crc32(type) & 0xff;
  }
}

function comparable(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? value : undefined;
}
