import { describe, expect, test } from 'vitest';
import { httpSource, type HttpSourceOptions } from '../../../../actors/sources/http/http-source.ts';
import { simulatedHttp, type SimulatedAnswer } from '../../../../src/testing/simulated-http.ts';
import { virtualClock } from '../../../../src/testing/virtual-clock.ts';
import { recordingIo } from '../../../support/recording-io.ts';

/** A source that polls a simulated server every 100 ms; `answers` are given one by one, the last one for
 *  ever. */
function start(answers: readonly SimulatedAnswer[], options: Partial<HttpSourceOptions> = {}, room?: number) {
  const clock = virtualClock();
  const server = simulatedHttp(clock, (_, n) => answers[Math.min(n, answers.length) - 1] ?? {});
  const spec = httpSource({
    ...{ id: 'http', url: 'http://sensor/readings', intervalMs: 100, timeoutMs: 1_000 },
    ...options,
    transport: server.transport,
  });
  const io = recordingIo(spec, clock, room === undefined ? {} : { room });
  const run = spec.logic.stream(io) as Promise<void>;
  run.catch(() => {});
  const times = () => server.requests.map(({ atMs }) => atMs);
  const codes = () => io.failures.map((error) => (error as { code: string }).code);
  return { clock, server, io, run, times, codes };
}
const good = { body: { t: 1 } };

describe('polls come', () => {
  test('at once, then at the interval, measured from start to start', async () => {
    const { clock, io, run, times } = start([{ ...good, delayMs: 30 }]);
    await clock.advance(350);
    expect(times()).toEqual([0, 100, 200, 300]);
    io.abort();
    await run;
    expect(clock.pendingTimers).toBe(0);
  });
  test('one at a time, the next at once where one took longer than the interval', async () => {
    const { clock, server, times } = start([good, { ...good, delayMs: 250 }, good]);
    await clock.advance(200);
    expect(server.inFlight).toBe(1);
    await clock.advance(250);
    expect(times()).toEqual([0, 100, 350, 450]);
  });
  test('not before the server wants to be asked again', async () => {
    const busy = { status: 429, headers: { 'retry-after': '2' } };
    const { clock, times, codes } = start([good, busy, good]);
    await clock.advance(2_200);
    expect(times()).toEqual([0, 100, 2_100, 2_200]);
    expect(codes()).toEqual(['HG_READ_STATUS']);
  });
  test('not before the date the server names, by its own clock', async () => {
    const headers = { date: 'Wed, 01 Jan 2025 00:00:00 GMT', 'retry-after': 'Wed, 01 Jan 2025 00:00:05 GMT' };
    const { clock, times } = start([good, { status: 503, headers }, good]);
    await clock.advance(5_100);
    expect(times()).toEqual([0, 100, 5_100]);
  });
  test('after an hour at the latest, and at the interval where Retry-After makes no sense', async () => {
    const forever = { status: 503, headers: { 'retry-after': '999999999' } };
    const odd = { status: 503, headers: { 'retry-after': 'soon' } };
    const { clock, times } = start([good, forever, odd, good]);
    await clock.advance(3_600_200);
    expect(times()).toEqual([0, 100, 3_600_100, 3_600_200]);
  });
  test('not while there is no room', async () => {
    const { clock, io, times } = start([good], {}, 2);
    await clock.advance(5_000);
    expect(times()).toEqual([0, 100]);
    io.makeRoom(1);
    await clock.advance(150);
    expect(times()).toEqual([0, 100, 5_000]);
  });
});

describe('a poll fails', () => {
  test.each<[string, SimulatedAnswer, string]>([
    ['refused', { fault: 'refused' }, 'HG_LINK_REFUSED'],
    ['reset', { fault: 'reset' }, 'HG_LINK_LOST'],
    ['truncated', { ...good, fault: 'truncated' }, 'HG_READ_TRUNCATED'],
    ['never answered', { fault: 'silent' }, 'HG_LINK_TIMEOUT'],
    ['answered too late', { ...good, delayMs: 1_001 }, 'HG_LINK_TIMEOUT'],
    ['answered drop by drop', { ...good, chunks: 5, chunkGapMs: 250 }, 'HG_LINK_TIMEOUT'],
    ['answered without an end', { ...good, fault: 'endless' }, 'HG_READ_TOO_LARGE'],
  ])('if %s, and the next one is tried', async (_, answer, code) => {
    const { clock, server, io, codes } = start([good, answer, good], { bodyBytesMax: 10_000 });
    await clock.advance(1_300);
    expect(codes()).toEqual([code]);
    expect(io.values.length).toBeGreaterThanOrEqual(2);
    expect(server.inFlight).toBe(0);
  });
  test('but not if the answer comes just in time', async () => {
    const { clock, io, codes } = start([good, { ...good, delayMs: 999 }, good]);
    await clock.advance(1_300);
    expect(codes()).toEqual([]);
    expect(io.values.length).toBeGreaterThanOrEqual(3);
  });
});

test.each<[string, SimulatedAnswer]>([
  ['is not answered', { fault: 'silent' }],
  ['is being answered', { ...good, chunks: 5, chunkGapMs: 500 }],
])('a stop gives up a poll that %s in the same instant', async (_, answer) => {
  const { clock, server, io, run } = start([good, answer], { timeoutMs: 60_000 });
  await clock.advance(150);
  expect(server.inFlight).toBe(1);
  let isOver = false;
  void run.then(() => (isOver = true));
  io.abort();
  await clock.advance(0);
  expect([isOver, server.inFlight, clock.pendingTimers]).toEqual([true, 0, 0]);
  expect(io.failures).toEqual([]);
});

test('a first poll that fails ends the run instead of leaving it connecting', async () => {
  const { clock, io, run } = start([{ fault: 'silent' }]);
  await expect(clock.runUntil(run)).rejects.toMatchObject({ code: 'HG_LINK_TIMEOUT', remedy: 'retry' });
  expect(clock.monotonicMs()).toBe(1_000);
  expect(io.state.opened).toBe(false);
  expect(io.failures).toEqual([]);
});
