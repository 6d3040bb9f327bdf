/** Alerts about lives, in whole engines under the virtual clock: one when a condition begins, none while it
 *  lasts, one when it is over; and which failures count towards an open circuit. */

import { describe, expect, test } from 'vitest';
import {
  defineSink,
  defineSource,
  functionSink,
  HeadgateError,
  simulatedSource,
  type SourceIo,
} from '../../src/index.ts';
import { startedRig, type EngineRig } from '../support/engine-rig.ts';

const MINUTE_MS = 60_000;

/** A broker, and a source that connects to it. */
function broker(id = 'plc') {
  const far = { isUp: false, holdsMs: Number.POSITIVE_INFINITY, reads: 'ok' as 'ok' | 'silent' | 'fail' };
  const kind = defineSource({
    type: 'linked',
    connects: true,
    async stream(io) {
      if (!far.isUp) throw new HeadgateError('HG_LINK_REFUSED', 'away');
      io.opened();
      const openedMs = io.clock.monotonicMs();
      while (!io.signal.aborted) {
        await io.clock.sleep(500, io.signal);
        if (!far.isUp || io.clock.monotonicMs() - openedMs >= far.holdsMs) {
          throw new HeadgateError('HG_LINK_LOST', 'gone');
        }
        if (far.reads === 'ok') io.emit(1);
        else if (far.reads === 'fail') io.readFailed(new HeadgateError('HG_READ_STATUS', 'no'));
      }
    },
  });
  const breaker = { failures: 3, coolDownMs: 30_000 };
  return { far, spec: kind({ id, breaker }) };
}

const alerts = (rig: EngineRig) => rig.timeline("kind = 'alert'").map(({ event }) => event);
const details = (rig: EngineRig) => {
  const [last] = rig.timeline("kind = 'alert'").slice(-1);
  return last?.data?.['details'] as { durationMs: number; repeats: number; state: string };
};
const openings = (rig: EngineRig, id: string) =>
  rig.course(id).filter((step) => step.endsWith('>circuitOpen')).length;

describe('an open circuit of a source', () => {
  test('is one alert, however many tries fail, and one more when the link holds', async () => {
    const { far, spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN']);
    far.isUp = true;
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
    const { durationMs, repeats, state } = details(rig);
    expect([repeats + 1, state]).toEqual([openings(rig, 'plc'), 'streaming']);
    expect(repeats).toBeGreaterThan(10);
    expect(durationMs).toBeGreaterThan(9 * MINUTE_MS);
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toHaveLength(2);
  });

  test('is not over while the link opens and breaks again at once', async () => {
    const { far, spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    Object.assign(far, { isUp: true, holdsMs: 2_000 });
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN']);
    far.holdsMs = Number.POSITIVE_INFINITY;
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test('is over on a link on which nothing comes', async () => {
    const { far, spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    Object.assign(far, { isUp: true, reads: 'silent' });
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test('is over where reads that failed for minutes are good again, and not before', async () => {
    const script = Array.from({ length: 40 }, () => 'fail' as const);
    const slow = { id: 'plc', intervalMs: 12_000, breaker: { failures: 4, coolDownMs: 30_000 } };
    const rig = await startedRig({}, simulatedSource({ ...slow, script }));
    await rig.clock.advance(10 * MINUTE_MS);
    expect(openings(rig, 'plc')).toBeGreaterThan(1);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN']);
    await rig.clock.advance(60 * MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN', 'SOURCE_LINK_DOWN_OVER']);
  });

  test.each(['pause', 'deregister'] as const)('is over when an operator says %s', async (command) => {
    const rig = await startedRig({}, broker().spec);
    await rig.clock.advance(MINUTE_MS);
    await rig.clock.runUntil(rig.engine[command]('plc'));
    await rig.clock.advance(10);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test('is closed again by a changed spec, which has all its tries', async () => {
    const { spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    const next = broker();
    const before = rig.course('plc').length;
    await rig.clock.runUntil(rig.engine.update(next.spec));
    await rig.clock.advance(20_000);
    const failed = rig
      .course('plc')
      .slice(before)
      .filter((step) => step.startsWith('connecting>'));
    expect(failed.slice(0, 3)).toEqual([
      'connecting>backingOff',
      'connecting>backingOff',
      'connecting>circuitOpen',
    ]);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER', 'SOURCE_CIRCUIT_OPEN']);
  });

  test('does not come of one failed read on a link that held after failed tries', async () => {
    const { far, spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    Object.assign(far, { isUp: true, reads: 'silent' });
    await rig.clock.advance(MINUTE_MS);
    const before = openings(rig, 'plc');
    far.reads = 'fail';
    await rig.clock.advance(1_100);
    expect([openings(rig, 'plc'), rig.engine.health('plc').consecutiveErrors]).toEqual([before, 2]);
    await rig.clock.advance(1_000);
    expect(openings(rig, 'plc')).toBe(before + 1);
  });
});

test('an open circuit of a sink is over when it delivers, not when its link opens', async () => {
  const far = { isUp: false, answersMs: 0 };
  const rig = await startedRig({}, simulatedSource({ id: 'a', intervalMs: 1_000 }));
  await rig.engine.registerSink(
    functionSink({
      id: 'out',
      breaker: { failures: 2, coolDownMs: 20_000 },
      deliver: async () => {
        if (far.isUp) return;
        await rig.clock.sleep(far.answersMs);
        throw new HeadgateError('HG_LINK_REFUSED', 'for the test');
      },
    }),
  );
  await rig.clock.advance(5 * MINUTE_MS);
  expect(alerts(rig)).toEqual(['SINK_CIRCUIT_OPEN']);
  // Longer than a link has to stand to count as sound.
  far.answersMs = 15_000;
  await rig.clock.advance(20 * MINUTE_MS);
  expect(alerts(rig)).toEqual(['SINK_CIRCUIT_OPEN']);
  far.isUp = true;
  await rig.clock.advance(2 * MINUTE_MS);
  expect(alerts(rig)).toEqual(['SINK_CIRCUIT_OPEN', 'SINK_CIRCUIT_OPEN_OVER']);
});

test('a sink whose deliveries are never answered opens its circuit', async () => {
  const rig = await startedRig({}, simulatedSource({ id: 'a', intervalMs: 1_000 }));
  await rig.engine.registerSink(
    functionSink({
      id: 'mute',
      breaker: { failures: 3, coolDownMs: 20_000 },
      deliverTimeoutMs: 15_000,
      deliver: () => new Promise(() => {}),
    }),
  );
  await rig.clock.advance(2 * MINUTE_MS);
  expect(openings(rig, 'sink:mute')).toBeGreaterThan(0);
  expect(alerts(rig)).toEqual(['SINK_LINK_DOWN']);
});

describe('a link that does not work', () => {
  /** Connects as {@link broker} does, but a far end that is down never answers, unless it `refuses`. */
  function silentBroker(id = 'plc') {
    const far = { isUp: false, refuses: false, holdsMs: Number.POSITIVE_INFINITY };
    const open = async (io: Pick<SourceIo, 'awaits' | 'signal' | 'clock'>) => {
      io.awaits?.(() => 'connected to 10.0.0.7:1883, but no CONNACK');
      if (!far.isUp && far.refuses) throw new HeadgateError('HG_LINK_REFUSED', 'away');
      if (!far.isUp) await io.clock.sleep(Number.POSITIVE_INFINITY, io.signal);
    };
    const source = defineSource({
      type: 'linked',
      connects: true,
      async stream(io) {
        await open(io);
        if (io.signal.aborted) return;
        io.opened();
        const over = new AbortController();
        io.signal.addEventListener('abort', () => over.abort(), { once: true });
        await io.clock.sleep(far.holdsMs, over.signal);
        if (!io.signal.aborted) throw new HeadgateError('HG_LINK_LOST', 'gone');
      },
    });
    const sink = defineSink({
      type: 'linked',
      async open(io) {
        await open(io);
        return { deliver: async () => {}, close: async () => {} };
      },
    });
    return { far, source: source({ id }), sink: sink({ id }) };
  }
  const message = (rig: EngineRig) => rig.timeline("kind = 'alert'")[0]?.data?.['message'];

  test('is one alert within half a minute where the far end never answers, and one when it works', async () => {
    const { far, source, sink } = silentBroker();
    const rig = await startedRig({}, source);
    await rig.engine.registerSink(sink);
    await rig.clock.advance(29_000);
    expect(alerts(rig)).toEqual([]);
    await rig.clock.advance(2_000);
    const begun = ['SINK_LINK_DOWN', 'SOURCE_LINK_DOWN'];
    expect(alerts(rig).toSorted()).toEqual(begun);
    expect(message(rig)).toBe(
      'plc has failed for 20 s: connected to 10.0.0.7:1883, but no CONNACK within 10 s; ' +
        'it is tried again until its link holds',
    );
    await rig.clock.advance(20 * MINUTE_MS);
    // Circuits open and close meanwhile: that is the same condition.
    expect(openings(rig, 'plc')).toBeGreaterThan(5);
    expect(alerts(rig).toSorted()).toEqual(begun);
    far.isUp = true;
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig).slice(2).toSorted()).toEqual(['SINK_LINK_DOWN_OVER', 'SOURCE_LINK_DOWN_OVER']);
    const { durationMs, repeats, state } = details(rig);
    expect(durationMs).toBeGreaterThan(20 * MINUTE_MS);
    expect(repeats).toBeGreaterThan(10);
    expect(['streaming', 'delivering']).toContain(state);
  });

  test('that is stopped, paused or removed meanwhile ends its alert, which says that it has not come back', async () => {
    const ends = (rig: EngineRig) =>
      rig
        .timeline("kind = 'alert' AND event LIKE '%_OVER'")
        .map(({ actor, data }) => [
          actor,
          (data?.['details'] as { state: string } | undefined)?.state,
          data?.['message'],
        ]);
    const { source, sink } = silentBroker();
    const rig = await startedRig({}, source);
    await rig.engine.registerSink(sink);
    await rig.clock.advance(MINUTE_MS);
    rig.engine.send({ type: 'registry.pause', id: 'plc' });
    await rig.clock.advance(1_000);
    expect(ends(rig)).toEqual([
      ['plc', 'paused', expect.stringMatching(/, and the link has not come back$/)],
    ]);
    await rig.stop({ deadlineMs: 5_000 });
    expect(ends(rig).slice(1)).toEqual([
      ['sink:plc', 'stopped', expect.stringMatching(/, and the link has not come back$/)],
    ]);
    expect(details(rig)).toMatchObject({ state: 'stopped', isBack: false });
  });

  test('that comes back while its sink drains ends its alert as any other', async () => {
    const { far, source, sink } = silentBroker();
    const rig = await startedRig({}, source);
    await rig.engine.registerSink({ ...sink, drainDeadlineMs: 5 * MINUTE_MS });
    await rig.engine.register(simulatedSource({ id: 'sim', intervalMs: 1_000 }));
    await rig.clock.advance(MINUTE_MS);
    const stopped = rig.stop({ deadlineMs: 10 * MINUTE_MS });
    far.isUp = true;
    await stopped;
    const [end] = rig.timeline("kind = 'alert' AND event = 'SINK_LINK_DOWN_OVER'");
    expect(end?.data?.['message']).toMatch(/^sink:plc is stopped now; SINK_LINK_DOWN is over after \d+ ms$/);
  });

  test('is no alert where it comes back within twenty seconds and holds', async () => {
    const { far, source, sink } = silentBroker();
    far.refuses = true;
    const rig = await startedRig({}, source);
    await rig.engine.registerSink(sink);
    await rig.clock.advance(12_000);
    far.isUp = true;
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toEqual([]);
  });

  test('is an alert where it opens and breaks, again and again', async () => {
    const { far, source } = silentBroker();
    Object.assign(far, { isUp: true, holdsMs: 4_000 });
    const rig = await startedRig({}, source);
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN']);
    far.holdsMs = Number.POSITIVE_INFINITY;
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN', 'SOURCE_LINK_DOWN_OVER']);
  });

  test('is an alert where reads fail on a link that stands, but not where they recover soon', async () => {
    const fails = (reads: number) => Array.from({ length: reads }, () => 'fail' as const);
    const slow = { intervalMs: 5_000, breaker: { failures: 100 } };
    const rig = await startedRig(
      {},
      simulatedSource({ ...slow, id: 'long', script: fails(12) }),
      simulatedSource({ ...slow, id: 'short', script: fails(3) }),
    );
    await rig.clock.advance(27_000);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN']);
    expect(message(rig)).toMatch(/^long has failed for 10 s: /);
    await rig.clock.advance(5 * MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_LINK_DOWN', 'SOURCE_LINK_DOWN_OVER']);
  });

  test.each(['pause', 'deregister'] as const)('is no alert after an operator said %s', async (command) => {
    const rig = await startedRig({}, silentBroker().source);
    await rig.clock.advance(15_000);
    await rig.clock.runUntil(rig.engine[command]('plc'));
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toEqual([]);
  });

  test('is no alert where the code of a source crashed once and runs since', async () => {
    let isFirst = true;
    const code = defineSource({
      type: 'code',
      async stream(io) {
        if (isFirst) {
          isFirst = false;
          throw new Error('a defect');
        }
        await io.clock.sleep(60 * MINUTE_MS, io.signal);
      },
    });
    const rig = await startedRig({}, code({ id: 'quiet' }));
    await rig.clock.advance(10 * MINUTE_MS);
    expect(alerts(rig)).toEqual([]);
  });
});

test('quarantine and failure are over when an operator has the source run again', async () => {
  let isBroken = true;
  const code = defineSource({
    type: 'code',
    async stream(io) {
      if (isBroken) throw new Error('a defect');
      await io.clock.sleep(10 * MINUTE_MS, io.signal);
    },
  });
  const rig = await startedRig({}, code({ id: 'q' }), code({ id: 'f', restart: { policy: 'temporary' } }));
  await rig.clock.advance(5 * MINUTE_MS);
  expect(alerts(rig).toSorted()).toEqual(['SOURCE_FAILED', 'SOURCE_QUARANTINED']);
  isBroken = false;
  await rig.engine.resume('q');
  await rig.engine.register(code({ id: 'f' }));
  await rig.clock.advance(10);
  expect(alerts(rig).slice(2).toSorted()).toEqual(['SOURCE_FAILED_OVER', 'SOURCE_QUARANTINED_OVER']);
});

describe('a configuration file that is refused', () => {
  const refused = (origin: string, message = 'must be a number') => ({
    event: 'config.refused' as const,
    data: { origin, problems: [{ line: 3, column: 9, path: 'sources.plc.intervalMs', message }] },
  });

  test('is one alert that names the first problem, until a version runs', async () => {
    const rig = await startedRig({});
    rig.engine.noteConfig(refused('file'));
    await rig.clock.advance(MINUTE_MS);
    rig.engine.noteConfig(refused('signal', 'is missing'));
    rig.engine.noteConfig({ event: 'config.failed', data: { origin: 'file', problems: [] } });
    // A version that is not kept in the file leaves it as it is.
    rig.engine.noteConfig({ event: 'config.applied', data: { origin: 'api' } });
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['CONFIG_REFUSED']);
    expect(rig.timeline("kind = 'alert'")[0]?.data).toMatchObject({
      severity: 'warning',
      message:
        'the new configuration is invalid and was refused: line 3: sources.plc.intervalMs: must be a ' +
        'number; mend it, the version before goes on',
    });
    rig.engine.noteConfig({ event: 'config.applied', data: { origin: 'file' } });
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['CONFIG_REFUSED', 'CONFIG_REFUSED_OVER']);
    expect(details(rig)).toEqual({ state: 'applied', durationMs: 2 * MINUTE_MS, repeats: 2 });
  });

  test('is in order again once another version is written to it', async () => {
    const rig = await startedRig({});
    rig.engine.noteConfig(refused('file'));
    rig.engine.noteConfig({ event: 'config.applied', data: { origin: 'api', persisted: true } });
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['CONFIG_REFUSED', 'CONFIG_REFUSED_OVER']);
  });

  test('is no alert where whoever sent it has the answer', async () => {
    const rig = await startedRig({});
    rig.engine.noteConfig(refused('api'));
    rig.engine.noteConfig(refused('mqtt'));
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual([]);
  });

  test('does not end the alert of a part', async () => {
    const { spec } = broker();
    const rig = await startedRig({}, spec);
    await rig.clock.advance(MINUTE_MS);
    rig.engine.noteConfig({ event: 'config.applied', data: { origin: 'file' } });
    await rig.clock.advance(MINUTE_MS);
    expect(alerts(rig)).toEqual(['SOURCE_CIRCUIT_OPEN']);
  });
});
