import { describe, expect, test } from 'vitest';
import { simulatedSource, type SimulatedSourceOptions } from '../../../actors/sources/simulated-source.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { recordingIo } from '../../support/recording-io.ts';

type Options = Omit<SimulatedSourceOptions, 'id'>;

/** Starts a simulated source; `reads` notes what each read came to and when. */
function start(options: Options, room?: number) {
  const clock = virtualClock();
  const spec = simulatedSource({ id: 'sim', ...options });
  const recording = recordingIo(spec, clock, room === undefined ? {} : { room });
  const reads: { atMs: number; ok: boolean }[] = [];
  const io: SourceIo = {
    ...recording,
    emit(data, meta) {
      reads.push({ atMs: clock.monotonicMs(), ok: true });
      return recording.emit(data, meta);
    },
    readFailed(error) {
      reads.push({ atMs: clock.monotonicMs(), ok: false });
      recording.readFailed(error);
    },
  };
  const run = () => spec.logic.stream(io) as Promise<void>;
  return { clock, io: recording, reads, run };
}

describe('a source that reads at an interval', () => {
  test('waits, then reads once', async () => {
    const { clock, reads, run } = start({ intervalMs: 100, count: 3 });
    await clock.runUntil(run());
    expect(reads.map(({ atMs }) => atMs)).toEqual([100, 200, 300]);
  });

  test('fails about as often as told, and the same reads under the same seed', async () => {
    const failures = async () => {
      const { clock, io, reads, run } = start({ intervalMs: 1, failRate: 0.1 });
      clock.setTimeout(() => io.abort(), 10_000.5);
      await clock.runUntil(run());
      expect(reads).toHaveLength(10_000);
      return JSON.stringify([reads, io.values]);
    };
    const first = await failures();
    const share = first.split('"ok":false').length - 1;
    expect(share).toBeGreaterThanOrEqual(910);
    expect(share).toBeLessThanOrEqual(1_090);
    expect(await failures()).toBe(first);
  });

  test('counts failed reads for errors and not for records, and a good read ends the row', async () => {
    const { clock, io, reads, run } = start({
      intervalMs: 10,
      script: ['ok', 'fail', 'fail', 'ok'],
      count: 2,
    });
    await clock.runUntil(run());
    let errors = 0;
    expect(reads.map(({ ok }) => (errors = ok ? 0 : errors + 1))).toEqual([0, 1, 2, 0]);
    expect(io.values).toHaveLength(2);
    expect(io.failures).toHaveLength(2);
    expect(io.failures[0]).toMatchObject({ code: 'HG_READ_STATUS' });
  });

  test('waits longer by chance within the jitter', async () => {
    const { clock, reads, run } = start({ intervalMs: 100, jitterMs: 50, count: 200 });
    await clock.runUntil(run());
    const gaps = reads.map(({ atMs }, index) => atMs - (reads[index - 1]?.atMs ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(150);
    expect(new Set(gaps).size).toBeGreaterThan(100);
  });

  test('makes the values it is told to', async () => {
    const { clock, io, run } = start({
      intervalMs: 1,
      count: 3,
      value: (n, random) => [n, random.next() < 1],
    });
    await clock.runUntil(run());
    expect(io.values).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
  });

  test('stops reading while there is no room', async () => {
    const { clock, io, run } = start({ intervalMs: 10 }, 2);
    const done = run();
    await clock.advance(1_000);
    expect(io.values).toHaveLength(2);
    io.makeRoom(3);
    await clock.advance(1_000);
    expect(io.values).toHaveLength(5);
    io.abort();
    await clock.runUntil(done);
    expect(clock.pendingTimers).toBe(0);
  });

  test('ends at once when told to, and holds one timer while it runs', async () => {
    const { clock, io, run } = start({ intervalMs: 1_000 });
    const done = run();
    await clock.advance(10);
    expect(clock.pendingTimers).toBe(1);
    io.abort();
    await done;
    expect(clock.pendingTimers).toBe(0);
    expect(io.values).toEqual([]);
  });
});

describe('a source that comes in bursts', () => {
  const burst = { recordsMin: 3, recordsMax: 5, gapMs: 100 };

  test('gives ten of them in a second, each of three to five records', async () => {
    const { clock, io, reads, run } = start({ type: 'mqtt', burst });
    clock.setTimeout(() => io.abort(), 1_000);
    await clock.runUntil(run());
    const sizes = new Map<number, number>();
    for (const { atMs } of reads) sizes.set(atMs, (sizes.get(atMs) ?? 0) + 1);
    expect([...sizes.keys()]).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    expect(new Set(sizes.values())).toEqual(new Set([3, 4, 5]));
  });

  test('lets others work between two records', async () => {
    const { clock, reads, io, run } = start({ burst });
    const seen: number[] = [];
    let probing = true;
    const probe = () => {
      seen.push(reads.length);
      if (probing) setImmediate(probe);
    };
    probe();
    clock.setTimeout(() => io.abort(), 1_000);
    await clock.runUntil(run());
    probing = false;
    for (let records = 1; records < reads.length; records++) expect(seen).toContain(records);
  });

  test('leaves out what fell due while there was no room', async () => {
    const { clock, io, reads, run } = start({ burst: { recordsMin: 2, recordsMax: 2, gapMs: 100 } }, 3);
    const done = run();
    await clock.advance(1_050);
    expect(io.values).toHaveLength(3);
    io.makeRoom(100);
    await clock.advance(200);
    expect(reads.slice(3).map(({ atMs }) => atMs)).toEqual([1_050, 1_100, 1_100, 1_200, 1_200]);
    io.abort();
    await clock.runUntil(done);
  });

  test('ends after the records it is to give', async () => {
    const { clock, io, run } = start({ burst, count: 7 });
    await clock.runUntil(run());
    expect(io.values.map((value) => (value as { n: number }).n)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

describe('a source that fails as told', () => {
  test('loses its link or crashes, and goes on behind it in its next run', async () => {
    const clock = virtualClock();
    const spec = simulatedSource({ id: 'sim', intervalMs: 1, script: ['ok', 'lost', 'crash'], count: 2 });
    const io = recordingIo(spec, clock);
    await expect(clock.runUntil(spec.logic.stream(io) as Promise<void>)).rejects.toMatchObject({
      code: 'HG_LINK_LOST',
      remedy: 'retry',
    });
    await expect(clock.runUntil(spec.logic.stream(io) as Promise<void>)).rejects.toThrow(
      'code of the source threw',
    );
    await clock.runUntil(spec.logic.stream(io) as Promise<void>);
    expect(io.values).toHaveLength(3);
  });

  test('streams what its own code streams', async () => {
    const spec = simulatedSource({
      id: 'sim',
      async *stream(io) {
        await io.clock.sleep(5);
        yield 1;
      },
    });
    const clock = virtualClock();
    const first = (spec.logic.stream(recordingIo(spec, clock)) as AsyncIterable<unknown>)[
      Symbol.asyncIterator
    ]();
    expect(await clock.runUntil(first.next())).toEqual({ value: 1, done: false });
  });
});

describe('options', () => {
  test.each<[string, Options, string]>([
    ['no pattern', {}, 'intervalMs'],
    ['two patterns', { intervalMs: 1, burst: { recordsMin: 1, recordsMax: 1, gapMs: 1 } }, 'burst'],
    ['jitter of bursts', { jitterMs: 1, burst: { recordsMin: 1, recordsMax: 1, gapMs: 1 } }, 'jitterMs'],
    ['a burst of no size', { burst: { recordsMin: 5, recordsMax: 3, gapMs: 1 } }, 'burst'],
    ['failures of a stream', { stream: async () => {}, failRate: 0.5 }, 'failRate'],
    ['a rate above one', { intervalMs: 1, failRate: 1.5 }, 'failRate'],
    ['an unknown outcome', { intervalMs: 1, script: ['good' as 'ok'] }, 'script.0'],
  ])('refuse %s', (_, options, field) => {
    expect(() => simulatedSource({ id: 'sim', ...options })).toThrowError(
      expect.objectContaining({ code: 'HG_OPTION_INVALID', details: { subject: 'simulatedSource', field } }),
    );
  });
  test('bear the kind they are told to', () => {
    expect(simulatedSource({ id: 'sim', intervalMs: 1 }).type).toBe('simulated');
    expect(simulatedSource({ id: 'sim', type: 'http', intervalMs: 1 }).type).toBe('http');
  });
});

test('ten thousand sources are made in well under a second of work', () => {
  const before = process.cpuUsage();
  for (let index = 0; index < 10_000; index++) simulatedSource({ id: `sim-${index}`, intervalMs: 1_000 });
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(1_000);
});
