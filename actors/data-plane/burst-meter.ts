/** The burst meter: taps the arrivals of every source, never delays them, and raises alerts on the edges of a
 *  burst. */

import type { BurstAlert, BurstOverAlert } from '../../src/domain/alert.ts';
import type { Clock, TimerHandle } from '../../src/domain/clock.ts';
import { BurstWindow, type BurstEdge, type BurstOptions } from '../../src/pipeline/burst-window.ts';
import type { BurstDetectorCommand } from '../../machines/burst-detector-machine.ts';
import { managed } from '../support/managed.ts';
import type { Arrival } from '../sources/runtime/source-run-ports.ts';
import type { SourceRuntime } from '../sources/runtime/source-runtime.ts';
import { partFailed } from './pipeline-ports.ts';
import type { DataPlane } from './data-plane.ts';

export interface MeterPorts {
  readonly clock: Clock;
  readonly plane: DataPlane;
  /** Null: bursts are not looked for. */
  readonly options: BurstOptions | null;
  readonly raise: (alert: BurstAlert | BurstOverAlert, runtime: SourceRuntime) => void;
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
    const bursting = new Map<SourceRuntime, TimerHandle>();

    const watch = (runtime: SourceRuntime, window: BurstWindow) => {
      const delayMs = Math.ceil((window.clearAtMs ?? 0) - clock.monotonicMs());
      const look = () => act(runtime, window, window.settle(clock.monotonicMs()));
      bursting.set(runtime, clock.setTimeout(scope.guard(look), Math.max(1, delayMs)));
    };
    const act = (runtime: SourceRuntime, window: BurstWindow, edges: readonly BurstEdge[]) => {
      const before = bursting.size;
      for (const edge of edges) raise(alertOf(edge, runtime, clock), runtime);
      clock.clearTimeout(bursting.get(runtime));
      if (window.isBursting) watch(runtime, window);
      else bursting.delete(runtime);
      if (before === 0 && bursting.size > 0) scope.send({ type: 'burst.began', sourceId: runtime.name });
      if (before > 0 && bursting.size === 0) scope.send({ type: 'bursts.over', sourceId: runtime.name });
    };
    const arrive = ({ runtime, records }: Arrival) => {
      const [record] = records;
      if (record === undefined || options === null) return;
      const window = windowOf(runtime, options);
      const edges = window.arrive(records.length, record.receivedMonoMs);
      if (edges.length > 0) act(runtime, window, edges);
    };
    scope.receive((command) => {
      if (command.type !== 'burstDetector.configure') return;
      options = command.burst as BurstOptions | null;
      const nowMs = clock.monotonicMs();
      for (const runtime of [...bursting.keys()]) {
        const window = options === null ? runtime.burst : windowOf(runtime, options);
        if (window !== null)
          act(runtime, window, options === null ? window.end(nowMs) : window.settle(nowMs));
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
function windowOf(runtime: SourceRuntime, options: BurstOptions): BurstWindow {
  if (runtime.burst?.options === options) return runtime.burst;
  runtime.burst = new BurstWindow(options, runtime.burst);
  return runtime.burst;
}

function alertOf(edge: BurstEdge, runtime: SourceRuntime, clock: Clock): BurstAlert | BurstOverAlert {
  const wallOffsetMs = clock.wallMs() - clock.monotonicMs();
  const wall = (monoMs: number) => Math.round(monoMs + wallOffsetMs);
  const sourceId = runtime.name;
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
