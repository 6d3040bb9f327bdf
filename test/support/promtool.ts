/** Prometheus' own judge of metrics and rules. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PROMTOOL = ['/usr/bin/promtool', '/usr/local/bin/promtool', '/opt/homebrew/bin/promtool'].find(
  existsSync,
);

/** Why it cannot be asked here, or null. */
export const promtoolMissing: string | null =
  PROMTOOL === undefined ? 'promtool is not installed (apt-get install prometheus)' : null;

export interface PromtoolAnswer {
  readonly exitCode: number | null;
  /** Everything it said; nothing where all is well with metrics. */
  readonly said: string;
}

export function promtool(args: readonly string[], input = ''): PromtoolAnswer {
  const { status, stdout, stderr } = spawnSync(PROMTOOL as string, args, { input, encoding: 'utf8' });
  return { exitCode: status, said: `${stdout}${stderr}`.trim() };
}
