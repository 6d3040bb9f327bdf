/** The sampler: looks at every source at an interval, keeps what it saw in the health table, and notices when
 *  the wall clock has jumped. */

import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import type { SourceHealth, SourceState } from '../../src/domain/health.ts';
import type { HealthRow } from '../../src/domain/timeline.ts';
import type { PartFact } from '../../machines/ports.ts';
import { partFailed } from '../flow/flow-ports.ts';
import { managed } from '../managed.ts';

export interface SamplerPorts {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly healths: () => readonly SourceHealth[];
  readonly onSample: (rows: readonly HealthRow[], healths: readonly SourceHealth[]) => void;
  readonly onClockJump: (jumpMs: number) => void;
}

/** A difference between wall and monotonic time larger than this within one interval is a jump, not drift. */
const CLOCK_JUMP_MS = 1_000;

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
export function createSamplerPort({ clock, intervalMs, healths, onSample, onClockJump }: SamplerPorts) {
  return managed<undefined, HealthEdge | PartFact>(partFailed, (scope) => {
    let timer: TimerHandle = undefined;
    let isAiling = false;
    let offsetMs = clock.wallMs() - clock.monotonicMs();
    let dueMs = clock.monotonicMs() + intervalMs;

    const sample = () => {
      const nowOffsetMs = clock.wallMs() - clock.monotonicMs();
      if (Math.abs(nowOffsetMs - offsetMs) > CLOCK_JUMP_MS) onClockJump(Math.round(nowOffsetMs - offsetMs));
      offsetMs = nowOffsetMs;
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
    scope.onClose(() => clock.clearTimeout(timer));
  });
}

function healthRow(health: SourceHealth, atMs: number): HealthRow {
  const { type: _type, lastError: _lastError, lateRecords: _lateRecords, ...rest } = health;
  return { atMs, ...rest };
}
