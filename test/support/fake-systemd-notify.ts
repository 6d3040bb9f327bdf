/** A `systemd-notify` that writes down what it is told, one call a line. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface FakeNotify {
  /** What the process needs to believe that a service manager started it. */
  readonly env: Readonly<Record<string, string>>;
  /** The assignments of every call so far, in order. */
  readonly calls: () => string[];
  /** When those calls came that said this, epoch milliseconds. */
  readonly timesOf: (assignments: string) => number[];
}

/** `exitCode`: what every call ends with. */
export function fakeSystemdNotify(folder: string, { exitCode = 0 } = {}): FakeNotify {
  const bin = join(folder, 'bin');
  const record = join(folder, 'notified');
  mkdirSync(bin, { recursive: true });
  writeFileSync(record, '');
  const script = `#!/bin/sh\nIFS='|'\nprintf '%s %s\\n' "$(date +%s%3N)" "$*" >> '${record}'\necho refused >&2\nexit ${exitCode}\n`;
  writeFileSync(join(bin, 'systemd-notify'), script, { mode: 0o755 });
  const lines = () =>
    readFileSync(record, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): [time: string, assignments: string] => [line.split(' ', 1)[0] ?? '', line.slice(14)]);
  return {
    env: { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, NOTIFY_SOCKET: join(folder, 'no-socket') },
    calls: () => lines().map(([, assignments]) => assignments),
    timesOf: (assignments) => lines().flatMap(([time, said]) => (said === assignments ? [Number(time)] : [])),
  };
}
