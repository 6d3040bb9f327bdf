/** Runs of MQTT sources in tests: without an engine, against a recording io. */

import type { Clock } from '../../src/domain/clock.ts';
import type { HeadgateError } from '../../src/domain/errors.ts';
import type { SourceSpec } from '../../src/domain/source.ts';
import { recordingIo, type RecordingIo } from './recording-io.ts';

export interface SourceRun extends RecordingIo {
  /** Resolves when the run is over: with null after a normal end, else with what it threw. */
  readonly over: Promise<HeadgateError | null>;
  /** Resolves when the source says its link stands. @throws what the run threw instead. */
  whenOpened(): Promise<void>;
  /** Resolves once so many records are there. @throws what the run threw instead. */
  records(count: number): Promise<unknown[]>;
  /** Aborts the run and waits for its end. */
  stop(): Promise<void>;
}

export function startRun(
  spec: SourceSpec,
  clock: Clock,
  options: { room?: number; settle?: 'at once' | 'by hand' } = {},
): SourceRun {
  const io = recordingIo(spec, clock, options);
  const over = Promise.resolve(spec.logic.stream(io) as Promise<void>).then(
    () => null,
    (error: unknown) => error as HeadgateError,
  );
  const unlessOver = async (work: Promise<void>): Promise<void> => {
    const ended = over.then((error) => {
      throw error ?? new Error('the run ended before that');
    });
    ended.catch(() => {});
    await Promise.race([work, ended]);
  };
  return Object.assign(io, {
    over,
    whenOpened: () => unlessOver(io.until(() => io.state.opened)),
    async records(count: number) {
      await unlessOver(io.until(() => io.values.length >= count));
      return io.values;
    },
    async stop() {
      io.abort();
      const error = await over;
      if (error !== null) throw error;
    },
  });
}
