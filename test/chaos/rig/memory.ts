/** What a process has taken of the memory, as Linux counts it. */

import { readFileSync } from 'node:fs';

const STATUS = '/proc/self/status';

/** Why it cannot be told here, or undefined. */
export function whyNoPeakMemory(): string | undefined {
  try {
    return peakOf(readFileSync(STATUS, 'latin1')) === null ? 'the system does not tell peaks' : undefined;
  } catch {
    return 'there is no /proc here';
  }
}

/** Most of the memory it ever had, megabytes. */
export function peakRssMb(pid: number): number {
  const peak = peakOf(readFileSync(`/proc/${pid}/status`, 'latin1'));
  if (peak === null) throw new Error(`the system does not tell the peak of process ${pid}`);
  return Math.round(peak / 1_024);
}

function peakOf(status: string): number | null {
  const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes);
}
