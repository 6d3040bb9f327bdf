/** Looks at the processes of this machine, where it is Linux. */

import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of the children of `parent`. */
export function childrenOf(parent: number | string): string[] {
  return readdirSync('/proc').filter(
    (pid) => /\) \S (\d+) /.exec(procFile(pid, 'stat'))?.[1] === String(parent),
  );
}

/** Its words run together; empty where the process has gone. */
export function commandLine(pid: string): string {
  return procFile(pid, 'cmdline');
}

export function isPublisher(pid: string): boolean {
  return commandLine(pid).includes('demos/parts/publisher');
}

function procFile(pid: string, name: string): string {
  try {
    return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/${name}`, 'utf8') : '';
  } catch {
    return '';
  }
}
