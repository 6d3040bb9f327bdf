/** Sources without a transport: they make their own records, by the engine's clock and the engine's chance,
 *  so that a run can be repeated to the byte. For demos, tests, and the load a gateway is to be tried with.
 *
 *  Exactly one of three patterns:
 *  - `intervalMs`: waits (plus up to `jitterMs`), then reads once; a read gives one record or fails.
 *  - `burst`: at 0, `gapMs`, 2·`gapMs` … after its start reads once; a good read gives `recordsMin` to
 *    `recordsMax` records, with a breath between each two.
 *  - `stream`: code of your own, see SourceLogic in src/domain/source.ts. */

import { z } from 'zod';
import { milliseconds, sourceSchema } from '../../src/config/source-options.ts';
import { resolveOptions } from '../../src/config/resolve-options.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { Random } from '../../src/domain/random.ts';
import type { SourceIo, SourceLogic, SourceSpec } from '../../src/domain/source.ts';
import { sourceSpec } from './define-source.ts';

/** What a read of a script comes to. `ok`: as planned. `fail`: a failed read, the link stands. `lost`: the
 *  link breaks and the engine connects anew. `crash`: the source's code throws, as a defect would. */
const OUTCOMES = ['ok', 'fail', 'lost', 'crash'] as const;
export type SimulatedOutcome = (typeof OUTCOMES)[number];

const aFunction = <Type>(what: string) => z.custom<Type>((value) => typeof value === 'function', what);

const burstSchema = z
  .strictObject({
    recordsMin: z.number().int().min(1).describe('Records of a burst at least.'),
    recordsMax: z.number().int().min(1).describe('Records of a burst at most.'),
    gapMs: milliseconds(1).describe('From the start of one burst to the next.'),
  })
  .refine(
    ({ recordsMin, recordsMax }) => recordsMin <= recordsMax,
    'recordsMin must not be above recordsMax',
  );

export const simulatedSourceSchema = sourceSchema({
  /** The kind tables and totals show: a simulated MQTT source may say `mqtt`. */
  type: z.string().min(1).default('simulated'),
  stream: aFunction<SourceLogic['stream']>('must be a function (io) => records').optional(),
  intervalMs: milliseconds().optional().describe('From one record to the next; or give `burst`.'),
  jitterMs: milliseconds().default(0).describe('With `intervalMs`: waits up to so much longer, by chance.'),
  burst: burstSchema.optional().describe('Records in bursts; or give `intervalMs`.'),
  /** The data of the n-th record of a run, counted from 1. Default `{ n, value }`, value in [0, 100). */
  value: aFunction<(n: number, random: Random) => unknown>(
    'must be a function (n, random) => data',
  ).optional(),
  count: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Records after which it ends by itself. Default: never.'),
  failRate: z.number().min(0).max(1).default(0).describe('How likely a read fails, 0 to 1.'),
  script: z
    .array(z.enum(OUTCOMES))
    .default([])
    .describe(
      'What the first reads come to, one by one, over all runs: as planned, a failed read, ' +
        'a lost link, a crash.',
    ),
});

export type SimulatedSourceOptions = z.input<typeof simulatedSourceSchema>;
type Options = z.output<typeof simulatedSourceSchema>;

/** @example simulatedSource({ id: 'http-1', type: 'http', intervalMs: 100, failRate: 0.1 })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function simulatedSource(input: SimulatedSourceOptions): SourceSpec {
  const options = resolveOptions(simulatedSourceSchema, input, 'simulatedSource');
  checkPattern(options);
  return sourceSpec(options.type, options, null, { canWait: false, stream: streamOf(options) });
}

const PATTERNS = ['intervalMs', 'burst', 'stream'] as const;

function checkPattern(options: Options): void {
  const given = PATTERNS.filter((pattern) => options[pattern] !== undefined);
  if (given.length !== 1) {
    const field = given[1] ?? 'intervalMs';
    const found = given.length === 0 ? 'none is given' : `${given.join(' and ')} are given`;
    throw invalid(field, `exactly one of intervalMs, burst and stream says when records come; ${found}`);
  }
  if (options.jitterMs > 0 && given[0] !== 'intervalMs')
    throw invalid('jitterMs', 'only goes with intervalMs');
  if (given[0] !== 'stream') return;
  if (options.failRate > 0)
    throw invalid('failRate', 'does not go with stream, whose code decides by itself');
  if (options.script.length > 0)
    throw invalid('script', 'does not go with stream, whose code decides by itself');
  if (options.count !== undefined)
    throw invalid('count', 'does not go with stream, whose code decides by itself');
  if (options.value !== undefined)
    throw invalid('value', 'does not go with stream, whose code decides by itself');
}

function invalid(field: string, problem: string): HeadgateError {
  return new HeadgateError('HG_OPTION_INVALID', `simulatedSource: option "${field}": ${problem}`, {
    details: { subject: 'simulatedSource', field },
  });
}

function streamOf(options: Options): SourceLogic['stream'] {
  const { stream, burst, intervalMs = 0 } = options;
  if (stream !== undefined) return stream;
  const reads = readPlan(options);
  return burst === undefined
    ? (io) => streamInterval(io, options, intervalMs, reads)
    : (io) => streamBursts(io, options, burst, reads);
}

/** Decides what the next read comes to. Throws what breaks the run, returns whether there is data. */
type ReadPlan = (io: SourceIo) => boolean;

function readPlan({ failRate, script }: Options): ReadPlan {
  let reads = 0;
  return (io) => {
    const scripted = script[reads];
    reads++;
    const outcome = scripted ?? (failRate > 0 && io.random.next() < failRate ? 'fail' : 'ok');
    if (outcome === 'ok') return true;
    if (outcome === 'lost') throw new HeadgateError('HG_LINK_LOST', 'simulated: the link was lost');
    if (outcome === 'crash') throw new Error('simulated: the code of the source threw');
    io.readFailed(new HeadgateError('HG_READ_STATUS', 'simulated: the read failed'));
    return false;
  };
}

const defaultValue = (n: number, random: Random): unknown => ({
  n,
  value: Math.floor(random.next() * 1e4) / 100,
});

async function streamInterval(
  io: SourceIo,
  options: Options,
  intervalMs: number,
  read: ReadPlan,
): Promise<void> {
  const { jitterMs, value = defaultValue, count = Infinity } = options;
  await io.room();
  for (let n = 1; n <= count;) {
    await io.clock.sleep(jitterMs === 0 ? intervalMs : intervalMs + io.random.next() * jitterMs, io.signal);
    if (io.signal.aborted) return;
    if (!read(io)) continue;
    if (!io.emit(value(n++, io.random))) await io.room();
    if (io.signal.aborted) return;
  }
}

async function streamBursts(
  io: SourceIo,
  options: Options,
  burst: NonNullable<Options['burst']>,
  read: ReadPlan,
): Promise<void> {
  const { value = defaultValue, count = Infinity } = options;
  await io.room();
  const startMs = io.clock.monotonicMs();
  for (let n = 1, burstIndex = 0; n <= count;) {
    const waitMs = startMs + burstIndex * burst.gapMs - io.clock.monotonicMs();
    if (waitMs > 0) await io.clock.sleep(waitMs, io.signal);
    if (io.signal.aborted) return;
    if (read(io)) {
      const last = Math.min(count, n + io.random.integer(burst.recordsMin, burst.recordsMax) - 1);
      while (n <= last) {
        if (!io.emit(value(n++, io.random))) await io.room();
        if (n <= last) await io.clock.sleep(0, io.signal);
        if (io.signal.aborted) return;
      }
    }
    // Bursts that fell due while there was no room are left out: the far end would not have waited either.
    burstIndex = Math.max(burstIndex + 1, Math.ceil((io.clock.monotonicMs() - startMs) / burst.gapMs));
  }
}
