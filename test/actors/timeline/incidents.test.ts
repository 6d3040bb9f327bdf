/** Incidents, fed with rows under the virtual clock. */

import { beforeEach, describe, expect, test } from 'vitest';
import { Incidents, INCIDENT_CALM_MS } from '../../../actors/timeline/incidents.ts';
import type { OperatorAlert } from '../../../src/domain/alert.ts';
import type { TimelineRow } from '../../../src/domain/timeline.ts';
import { virtualClock, type VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { timelineRow } from '../../storage/fixture.ts';

let clock: VirtualClock;
let raised: { alert: OperatorAlert; seq: number }[];
let incidents: Incidents;
let seq: number;
let isSound: boolean;

beforeEach(() => {
  clock = virtualClock();
  raised = [];
  seq = 0;
  isSound = true;
  incidents = new Incidents({
    clock,
    raise: (alert, row) => void raised.push({ alert, seq: row.seq }),
    isSound: () => isSound,
  });
});

const see = (toState: string, more: Partial<TimelineRow> = {}) => {
  const times = { atMs: clock.wallMs(), monoMs: clock.monotonicMs() };
  incidents.see(timelineRow({ seq: ++seq, ...times, toState, ...more }));
  return seq;
};
const events = () => raised.map(({ alert }) => alert.event);

/** A try after the cool-down that fails. */
async function failAgain(): Promise<void> {
  await clock.advance(30_000);
  see('connecting');
  see('circuitOpen');
}

describe('a circuit that opens', () => {
  test('again and again is one alert, and one more when the source has streamed for a while', async () => {
    const opened = see('circuitOpen');
    for (let tries = 0; tries < 20; tries++) await failAgain();
    see('connecting');
    const back = see('streaming');
    await clock.advance(INCIDENT_CALM_MS - 1);
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN']);
    await clock.advance(1);
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
    expect(raised.map((one) => one.seq)).toEqual([opened, back]);
    expect(raised[1]?.alert).toMatchObject({
      ...{ severity: 'info', sourceId: 'plc-7', message: 'plc-7 is streaming again, 600 s after the alert' },
      details: { times: 21, seconds: 600 },
    });
  });

  test('after a link that stood for a moment only is the same incident', async () => {
    see('circuitOpen');
    for (let tries = 0; tries < 10; tries++) {
      see('streaming');
      await clock.advance(INCIDENT_CALM_MS - 1);
      see('circuitOpen');
      await failAgain();
    }
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN']);
  });

  test('after it was over is another one', async () => {
    see('circuitOpen');
    see('streaming');
    await clock.advance(INCIDENT_CALM_MS);
    see('circuitOpen');
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER', 'SOURCE_CIRCUIT_OPEN']);
  });

  test('is not over while the source is degraded', async () => {
    see('circuitOpen');
    see('streaming');
    see('degraded');
    await clock.advance(10 * INCIDENT_CALM_MS);
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN']);
    see('streaming');
    await clock.advance(INCIDENT_CALM_MS);
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test.each([
    ['a pause', () => see('paused')],
    ['its end', () => see('stopped', { kind: 'ended' })],
  ])('is over with %s', (_, end) => {
    see('circuitOpen');
    end();
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test('and had done so before a crash of the engine, is over without a second alert', async () => {
    see('circuitOpen', { kind: 'born', fromState: null });
    await failAgain();
    see('streaming');
    await clock.advance(INCIDENT_CALM_MS);
    expect(events()).toEqual(['SOURCE_CIRCUIT_OPEN_OVER']);
  });

  test('and ends in quarantine, is over together with it', async () => {
    see('circuitOpen');
    see('quarantined');
    see('connecting');
    see('streaming');
    await clock.advance(INCIDENT_CALM_MS);
    expect(events()).toEqual([
      ...['SOURCE_CIRCUIT_OPEN', 'SOURCE_QUARANTINED'],
      ...['SOURCE_CIRCUIT_OPEN_OVER', 'SOURCE_QUARANTINED_OVER'],
    ]);
  });
});

test('a source that failed for good is in trouble until one of its name works', async () => {
  see('failed');
  see('failed', { kind: 'ended' });
  await clock.advance(10 * INCIDENT_CALM_MS);
  expect(events()).toEqual(['SOURCE_FAILED']);
  see('connecting', { kind: 'born', fromState: null, incarnation: 2 });
  see('streaming', { incarnation: 2 });
  await clock.advance(INCIDENT_CALM_MS);
  expect(events()).toEqual(['SOURCE_FAILED', 'SOURCE_FAILED_OVER']);
});

test.each([
  ['sink:cloud', 1, 'circuitOpen', 'delivering', 'SINK_CIRCUIT_OPEN'],
  ['recorder', null, 'stalled', 'recording', 'RECORDER_STALLED'],
  ['pipeline', null, 'blocked', 'flowing', 'PIPELINE_BLOCKED'],
] as const)('the trouble of %s has an end', async (actor, incarnation, trouble, well, event) => {
  see(trouble, { actor, incarnation });
  see(well, { actor, incarnation });
  await clock.advance(INCIDENT_CALM_MS);
  expect(events()).toEqual([event, `${event}_OVER`]);
  expect(raised.map(({ alert }) => alert.sourceId)).toEqual([null, null]);
});

test('actors have incidents of their own', async () => {
  see('circuitOpen', { actor: 'a' });
  see('circuitOpen', { actor: 'b' });
  see('streaming', { actor: 'a' });
  await clock.advance(INCIDENT_CALM_MS);
  expect(raised.map(({ alert }) => `${alert.sourceId} ${alert.event}`)).toEqual([
    ...['a SOURCE_CIRCUIT_OPEN', 'b SOURCE_CIRCUIT_OPEN', 'a SOURCE_CIRCUIT_OPEN_OVER'],
  ]);
});

test('no timer is left when it is closed', () => {
  see('circuitOpen');
  see('streaming');
  incidents.close();
  expect(clock.pendingTimers).toBe(0);
});

test('an open circuit is not over while errors go on over the open link', async () => {
  see('circuitOpen');
  see('connecting');
  isSound = false;
  see('streaming');
  await clock.advance(60_000);
  expect(raised.map(({ alert }) => alert.event)).toEqual(['SOURCE_CIRCUIT_OPEN']);
  isSound = true;
  await clock.advance(10_000);
  expect(raised.map(({ alert }) => alert.event)).toEqual(['SOURCE_CIRCUIT_OPEN', 'SOURCE_CIRCUIT_OPEN_OVER']);
});
