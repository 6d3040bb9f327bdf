/** Faults of the system: strace makes chosen system calls of a process fail, or kills it at one. */

import { spawnSync } from 'node:child_process';

/** Why there is no strace to be used here; undefined where there is. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== 'linux') return 'strace is of Linux';
  const probe = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']);
  return probe.status === 0 ? undefined : 'strace is not installed, or tracing is refused here';
}

/** The command that runs another under strace. `inject` is a fault as strace's own option takes it, e.g.
 *  `fsync:error=EIO:when=20`; calls that were made to fail stand in the log with the word INJECTED.
 *  The command stays the child of whoever starts it, so that a signal reaches it and not strace. */
export function underStrace(inject: string, log: string): string[] {
  const [call] = inject.split(':');
  return ['strace', '-D', '-f', '-qq', '-y', '-o', log, '-e', `trace=${call}`, '-e', `inject=${inject}`];
}
