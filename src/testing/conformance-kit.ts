/** What a kind of source brings to be put through the conformance suite: a far end that can be told what to
 *  do, and sources that read it. */

import type { SourceOptionsInput } from '../config/source-options.ts';
import type { Clock } from '../domain/clock.ts';
import type { DecodeFunction, SourceSpec } from '../domain/source.ts';

/** What a kind promises beyond the contract that binds all. What it does not declare is not tested.
 *
 *  - `pushback`: while the outlet is full the transport is held back, and nothing that was fed is lost.
 *  - `resumes`: what is fed while the source is paused comes after it is resumed; nothing is lost over a
 *    pause.
 *  - `decodes`: it carries payloads; one that cannot be decoded is a dead letter ({@link
 *    ConformanceField.spoil}).
 *  - `decode-function`: its option `decode` takes a function of a payload, each payload bearing one JSON
 *    number.
 *  - `connects`: it has a link, and waits for a far end that is not there ({@link ConformanceField.cut},
 *    `restore`).
 *  - `reconnects`: it notices that its link was cut.
 *  - `hangs`: the far end can be made to answer nothing ({@link ConformanceField.silence}, `restore`). */
export type ConformanceAbility =
  | 'pushback'
  | 'resumes'
  | 'decodes'
  | 'decode-function'
  | 'connects'
  | 'reconnects'
  | 'hangs';

/** Options the suite sets on a source. They must be handed on, over what the kit sets by itself. */
export type ConformanceOverrides = SourceOptionsInput & { decode?: DecodeFunction };

export interface ConformanceKit {
  /** Stands in the messages of failures. */
  readonly name: string;
  /** `virtual`: nothing of the kit waits for anything but the clock it is given. */
  readonly clock: 'real' | 'virtual';
  readonly declares: ReadonlySet<ConformanceAbility>;
  /** Makes a far end with nothing in it; called once for each case. */
  open(clock: Clock): Promise<ConformanceField>;
  /** The fed value that a record bears; undefined for a record that bears none, such as a reading that
   *  repeats itself. Default: the record's data. */
  fedValue?(data: unknown): unknown;
  /** The most records the source hands in at a time. Default 1. */
  readonly handRecordsMax?: number;
  /** How long anything may take that is to happen, milliseconds. Default 10,000, on the real clock 30,000. */
  readonly patienceMs?: number;
}

/** A far end, and the sources that read it. Numbers are fed to it, each of which is to become one record. */
export interface ConformanceField {
  /** Makes a source that reads this far end. Called several times; one of its sources runs at a time. */
  source(overrides: ConformanceOverrides): SourceSpec;
  /** Gives the far end values to send. Resolves when it has them, or the source has; may reject where there
   *  is nobody to give them to. */
  feed(values: readonly number[]): Promise<void>;
  /** Has it send one payload that cannot be decoded. */
  spoil?(): Promise<void>;
  /** Ends the link and refuses new ones. The far end may forget what it has not sent. */
  cut?(): Promise<void>;
  /** From now on it takes links and answers nothing. */
  silence?(): Promise<void>;
  /** Ends what `cut` or `silence` began. */
  restore?(): Promise<void>;
  close(): Promise<void>;
}

export function fedValueIn(kit: ConformanceKit, data: unknown): unknown {
  return kit.fedValue === undefined ? data : kit.fedValue(data);
}
