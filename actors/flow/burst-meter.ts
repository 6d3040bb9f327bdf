/** The burst meter: taps the arrivals of every source, never delays them, and raises alerts on the edges of a
 *  burst. */

import type { BurstAlert, BurstOverAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { BurstWindow, type BurstEdge, type BurstOptions } from '../../src/pipeline/burst-window.ts';
import type { BurstDetectorCommand } from '../../machines/burst-detector-machine.ts';
import { managed } from '../managed.ts';
import type { Arrival } from '../sources/intake-ports.ts';
import type { SourceRig } from '../sources/source-rig.ts';
import { partFailed } from './flow-ports.ts';
import type { Plane } from './plane.ts';

export interface MeterPorts {
  readonly clock: Clock;
  readonly plane: Plane;
  /** Null: bursts are not looked for. */
  readonly options: BurstOptions | null;
  readonly raise: (alert: BurstAlert | BurstOverAlert, rig: SourceRig) => void;
  /** Other options are in force now. */
  readonly onConfigured: (command: BurstDetectorCommand) => void;
}

type MeterFact = { type: string; sourceId: string } | ReturnType<typeof partFailed>;

/** Reports `burst.began` when the first source bursts, `bursts.over` when the last one has calmed down. Where
 *  other options come, what is in the windows stays there: a burst in the midst of the change is seen. */
export function createMeterPort({ clock, plane, options: first, raise, onConfigured }: MeterPorts) {
  return managed<undefined, MeterFact, BurstDetectorCommand>(partFailed, (scope) => {
    let options = first;
    /** Bursting sources and the timers that look whether they have calmed down. */
    const bursting = new Map<SourceRig, TimerHandle>();

    const watch = (rig: SourceRig, window: BurstWindow) => {
      const delayMs = Math.ceil((window.clearAtMs ?? 0) - clock.monotonicMs());
      const look = () => act(rig, window, window.settle(clock.monotonicMs()));
      bursting.set(rig, clock.setTimeout(scope.guard(look), Math.max(1, delayMs)));
    };
    const act = (rig: SourceRig, window: BurstWindow, edges: readonly BurstEdge[]) => {
      const before = bursting.size;
      for (const edge of edges) raise(alertOf(edge, rig, clock), rig);
      clock.clearTimeout(bursting.get(rig));
      if (window.isBursting) watch(rig, window);
      else bursting.delete(rig);
      if (before === 0 && bursting.size > 0) scope.send({ type: 'burst.began', sourceId: rig.name });
      if (before > 0 && bursting.size === 0) scope.send({ type: 'bursts.over', sourceId: rig.name });
    };
    const arrive = ({ rig, records }: Arrival) => {
      const [record] = records;
      if (record === undefined || options === null) return;
      const window = windowOf(rig, options);
      const edges = window.arrive(records.length, record.receivedMonoMs);
      if (edges.length > 0) act(rig, window, edges);
    };
    scope.receive((command) => {
      if (command.type !== 'burstDetector.configure') return;
      options = command.burst as BurstOptions | null;
      const nowMs = clock.monotonicMs();
      for (const rig of [...bursting.keys()]) {
        const window = options === null ? rig.burst : windowOf(rig, options);
        if (window !== null) act(rig, window, options === null ? window.end(nowMs) : window.settle(nowMs));
      }
      onConfigured(command);
    });
    const arrivals = plane.arrivals$.subscribe(scope.guard(arrive));
    scope.onClose(() => {
      arrivals.unsubscribe();
      for (const timer of bursting.values()) clock.clearTimeout(timer);
    });
  });
}

/** The window of this source, under these options. */
function windowOf(rig: SourceRig, options: BurstOptions): BurstWindow {
  if (rig.burst?.options === options) return rig.burst;
  rig.burst = new BurstWindow(options, rig.burst);
  return rig.burst;
}

function alertOf(edge: BurstEdge, rig: SourceRig, clock: Clock): BurstAlert | BurstOverAlert {
  const wallOffsetMs = clock.wallMs() - clock.monotonicMs();
  const wall = (monoMs: number) => Math.round(monoMs + wallOffsetMs);
  const sourceId = rig.name;
  if (edge.edge === 'over') {
    return {
      event: 'BURST_OVER',
      severity: 'info',
      sourceId,
      timestamp: wall(edge.overMs),
      start: wall(edge.beganMs),
      end: wall(edge.overMs),
      durationMs: edge.overMs - edge.beganMs,
      peakRecords: edge.peakRecords,
    };
  }
  const windowDurationMs = edge.newestMs - edge.oldestMs;
  const rate = (edge.windowRecords / windowDurationMs) * 1_000;
  return {
    event: 'BURST',
    severity: 'warning',
    sourceId,
    windowRecords: edge.windowRecords,
    windowDurationMs,
    rate: Number.isFinite(rate) ? rate : null,
    timestamp: wall(edge.newestMs),
    start: wall(edge.oldestMs),
    end: wall(edge.newestMs),
    again: edge.edge === 'again',
  };
}
