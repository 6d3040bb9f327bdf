/** How long events wait for the event loop. The figures are those of a window that lasts some seconds:
 *  whoever asks after that ends it and sees it, and so does everybody until the next has lasted as long. */

import { eventLoopUtilization, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../domain/clock.ts';

export interface LoopFacts {
  readonly p50Seconds: number;
  readonly p99Seconds: number;
  readonly maxSeconds: number;
  /** From 0 to 1. */
  readonly utilizationRatio: number;
}

export interface LoopMonitor {
  read(): LoopFacts;
  stop(): void;
}

/** The least that a window lasts. Several who ask at different times see much the same then. */
const WINDOW_MS_MIN = 10_000;
const RESOLUTION_MS = 20;
const NANOSECONDS = 1e9;

export function monitorLoop(clock: Clock): LoopMonitor {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let beganMs = clock.monotonicMs();
  let usage = eventLoopUtilization();
  let facts: LoopFacts | null = null;
  // The time between two turns holds the time that the monitor itself waits.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS - RESOLUTION_MS / 1_000);
  const look = (): LoopFacts => ({
    p50Seconds: delays.count === 0 ? 0 : seconds(delays.percentile(50)),
    p99Seconds: delays.count === 0 ? 0 : seconds(delays.percentile(99)),
    maxSeconds: delays.count === 0 ? 0 : seconds(delays.max),
    utilizationRatio: Math.min(1, eventLoopUtilization(usage).utilization || 0),
  });
  return {
    read() {
      const nowMs = clock.monotonicMs();
      if (nowMs - beganMs < WINDOW_MS_MIN) return facts ?? look();
      facts = look();
      delays.reset();
      usage = eventLoopUtilization();
      beganMs = nowMs;
      return facts;
    },
    stop: () => void delays.disable(),
  };
}
