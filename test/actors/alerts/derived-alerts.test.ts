import { describe, expect, test } from 'vitest';
import { alertOf, logRow } from '../../../actors/alerts/derived-alerts.ts';
import type { TimelineRow } from '../../../src/domain/timeline.ts';
import { timelineRow } from '../../storage/fixture.ts';

const row = (more: Partial<TimelineRow>) => timelineRow({ seq: 9, data: null, ...more });
const ofPart = (actor: string, toState: string) => row({ actor, incarnation: null, toState });

describe('an alert is called for', () => {
  const check = (one: TimelineRow, event: string | null, severity?: string) => {
    const alert = alertOf(one);
    expect([alert?.event ?? null, alert?.severity]).toEqual([event, severity]);
    if (alert === null) return;
    expect(alert.timestamp).toBe(one.atMs);
    expect(alert.message.startsWith(`${one.actor} `)).toBe(true);
    expect(alert.sourceId).toBe(one.incarnation === null ? null : one.actor);
  };

  test('by a source in quarantine', () =>
    check(row({ toState: 'quarantined' }), 'SOURCE_QUARANTINED', 'critical'));
  test('by a source that failed', () => check(row({ toState: 'failed' }), 'SOURCE_FAILED', 'critical'));
  test('by a circuit that opened', () =>
    check(row({ toState: 'circuitOpen' }), 'SOURCE_CIRCUIT_OPEN', 'warning'));
  test.each(['connecting', 'streaming', 'degraded', 'backingOff', 'paused', 'draining', 'stopped'])(
    'not by a source that is %s',
    (toState) => check(row({ toState }), null),
  );
  test('by a recorder that stalls', () =>
    check(ofPart('recorder', 'stalled'), 'RECORDER_STALLED', 'critical'));
  test('by a pipeline in which nothing moves', () =>
    check(ofPart('pipeline', 'blocked'), 'PIPELINE_BLOCKED', 'warning'));
  test('by an engine that failed', () => check(ofPart('engine', 'failed'), 'ENGINE_FAILED', 'critical'));
  test('not by a recorder that recovered', () => check(ofPart('recorder', 'committing'), null));
  test('not by a source that bears the name of a part’s state', () =>
    check(row({ actor: 'plc', toState: 'stalled' }), null));
  test('not by a birth or an end in such a state', () => {
    check(row({ kind: 'born', toState: 'failed' }), null);
    check(row({ kind: 'ended', toState: 'failed' }), null);
  });
  test('not where there is no state', () => check(row({ toState: null }), null));

  test('with the facts of the row', () => {
    expect(alertOf(row({ toState: 'failed', data: { error: 'no' } }))).toMatchObject({
      details: { error: 'no' },
    });
    expect(alertOf(row({ toState: 'failed', data: null }))).not.toHaveProperty('details');
  });
});

describe('the log has', () => {
  /** Level and text of the lines. */
  const linesOf = (one: TimelineRow): string[] => {
    const lines: string[] = [];
    const at = (level: string) => (fields: object, message: string) => {
      expect(fields).toMatchObject({ actor: one.actor, seq: one.seq });
      lines.push(`${level} ${message}`);
    };
    logRow({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, one);
    return lines;
  };
  const check = (more: Partial<TimelineRow>, ...lines: string[]) => expect(linesOf(row(more))).toEqual(lines);

  test('a line of detail for an ordinary transition', () =>
    check({ event: 'link.opened', toState: 'streaming' }, 'debug plc-7: connecting → streaming'));
  test('a warning for a link that was lost', () =>
    check(
      { event: 'link.failed', fromState: 'streaming', data: { remedy: 'retry' } },
      'warn plc-7 lost its link; it is backingOff now',
    ));
  test('other words for a link that never was there', () =>
    check(
      { event: 'link.failed', fromState: 'connecting', data: { remedy: 'retry' } },
      'warn plc-7 could not connect; it is backingOff now',
    ));
  test('an error for a crash, of which nobody said what to do', () =>
    check({ event: 'link.failed', data: { error: 'x' } }, 'error plc-7 crashed; it is backingOff now'));
  test('a warning for what is odd', () => {
    check({ event: 'reads.failing', toState: 'degraded' }, 'warn plc-7 is degraded');
    check({ event: 'reads.exhausted', toState: 'circuitOpen' }, 'warn plc-7 is circuitOpen');
    check({ event: 'flow.blocked', actor: 'pipeline', toState: 'blocked' }, 'warn pipeline is blocked');
  });
  test('an error for what may cost data', () => {
    check({ event: 'commit.failed', actor: 'recorder', toState: 'stalled' }, 'error recorder is stalled');
    check({ event: 'x', toState: 'failed' }, 'error plc-7 is failed');
  });
  test('a warning for a refused command, and none for one obeyed', () => {
    check({ kind: 'command', event: 'registry.register.refused' }, 'warn a command was refused');
    check({ kind: 'command', event: 'registry.register' });
  });
  test('a line for coming and going', () => {
    check({ kind: 'registered', event: 'registered' }, 'info plc-7 registered');
    check({ kind: 'deregistered', event: 'deregistered' }, 'info plc-7 deregistered');
  });
  test('a warning for gaps, jumps of the clock and trouble of the file', () => {
    for (const kind of ['gap', 'clock', 'storage'] as const) check({ kind, event: 'x.y' }, 'warn x.y');
  });
  test('nothing for births, ends, alerts and dead letters, which are told elsewhere', () => {
    for (const kind of ['born', 'ended', 'alert', 'dead_letter', 'config'] as const) check({ kind });
  });
});
