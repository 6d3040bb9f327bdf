/** The sampler: looks at every source at an interval, and keeps what it saw in the health table. It also
 *  reads the wall clock every second, so that a jump is noticed while nothing else happens, and has the rows
 *  of sources and sinks kept up to date. */

import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import type { SourceHealth, SourceState } from '../../src/domain/health.ts';
import type { HealthRow } from '../../src/domain/timeline.ts';
import type { PartFact } from '../../machines/support/ports.ts';
import { partFailed } from '../data-plane/pipeline-ports.ts';
import { managed } from '../support/managed.ts';

export interface SamplerPorts {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly healths: () => readonly SourceHealth[];
  readonly onSample: (rows: readonly HealthRow[], healths: readonly SourceHealth[]) => void;
  /** A second has passed. */
  readonly onSecond: () => void;
}

/** From one reading of the wall clock to the next; the clock itself reports what it notices. */
const CLOCK_READING_MS = 1_000;

const AILING: ReadonlySet<SourceState> = new Set<SourceState>([
  'degraded',
  'backingOff',
  'circuitOpen',
  'quarantined',
  'failed',
]);

/** Names of ailing sources that the edge carries. */
const NAMES_MAX = 10;

type HealthEdge =
  | { type: 'sources.ailing'; ailing: number; sourceIds: readonly string[] }
  | { type: 'sources.well' };

/** Reports `sources.ailing` when the first source ails, `sources.well` when none does any more. */
export function createSamplerPort({ clock, intervalMs, healths, onSample, onSecond }: SamplerPorts) {
  return managed<undefined, HealthEdge | PartFact>(partFailed, (scope) => {
    let timer: TimerHandle = undefined;
    let isAiling = false;
    let dueMs = clock.monotonicMs() + intervalMs;

    const sample = () => {
      const seen = healths();
      onSample(
        seen.map((health) => healthRow(health, clock.wallMs())),
        seen,
      );
      const ailing = seen.filter(({ state }) => AILING.has(state));
      if (ailing.length > 0 && !isAiling) {
        const sourceIds = ailing.slice(0, NAMES_MAX).map(({ sourceId }) => sourceId);
        scope.send({ type: 'sources.ailing', ailing: ailing.length, sourceIds });
      }
      if (ailing.length === 0 && isAiling) scope.send({ type: 'sources.well' });
      isAiling = ailing.length > 0;
      dueMs = Math.max(dueMs + intervalMs, clock.monotonicMs());
      timer = clock.setTimeout(scope.guard(sample), dueMs - clock.monotonicMs());
    };
    timer = clock.setTimeout(scope.guard(sample), intervalMs);
    let readingTimer: TimerHandle = undefined;
    const readClock = () => {
      clock.wallMs();
      onSecond();
      readingTimer = clock.setTimeout(scope.guard(readClock), CLOCK_READING_MS);
    };
    readClock();
    scope.onClose(() => {
      clock.clearTimeout(timer);
      clock.clearTimeout(readingTimer);
    });
  });
}

function healthRow(health: SourceHealth, atMs: number): HealthRow {
  const { type: _type, lastError: _lastError, lateRecords: _lateRecords, ...rest } = health;
  return { atMs, ...rest };
}
