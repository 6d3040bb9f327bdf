/** Tells the service manager how the process is, by systemd's protocol. Node has no datagram sockets of the
 *  Unix domain, so that every message is a short run of `systemd-notify`; the unit needs `NotifyAccess=all`.
 *  Where no manager listens (`NOTIFY_SOCKET` is not set) nothing is run. */

import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock, TimerHandle } from '../domain/clock.ts';
import { messageOf } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import { printable } from '../domain/printable-text.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface ServiceNotifier {
  /** How often the manager wants to hear that the process is well, milliseconds; null where it does not. */
  readonly watchdogMs: number | null;
  /** Sends assignments such as `READY=1`. Messages go out in order; one that would repeat what is still
   *  waiting to go out is left out. */
  notify(...assignments: readonly string[]): void;
  /** Resolves when all that was said is out, or could not be sent. */
  flushed(): Promise<void>;
}

export interface ServiceNotifierOptions {
  readonly env: Environment;
  readonly pid: number;
  readonly clock: Clock;
  readonly log: Logger;
}

const COMMAND = 'systemd-notify';
/** A run that takes longer is ended: the next message must not wait behind it. */
const RUN_MS_MAX = 5_000;
const STATUS_CHARS_MAX = 200;

export function createServiceNotifier({ env, pid, clock, log }: ServiceNotifierOptions): ServiceNotifier {
  if ((env['NOTIFY_SOCKET'] ?? '') === '') return SILENT;
  const waiting: (readonly string[])[] = [];
  let sending: Promise<void> | null = null;
  let isMissing = false;

  const send = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const problem = await run(next, env, clock);
      if (problem === null) continue;
      // Once: a process that does not exist now will not in ten seconds.
      if (problem.isMissing && isMissing) continue;
      isMissing ||= problem.isMissing;
      log.warn({ command: COMMAND, problem: problem.text, next: NEXT }, 'the service manager was not told');
    }
    sending = null;
  };

  return {
    watchdogMs: watchdogMsOf(env, pid),
    notify(...assignments) {
      const isWaiting = waiting.some((one) => one.join('\n') === assignments.join('\n'));
      if (!isWaiting) waiting.push(assignments);
      sending ??= send();
    },
    flushed: () => sending ?? Promise.resolve(),
  };
}

const NEXT =
  'install systemd-notify and set NotifyAccess=all in the unit, or use Type=exec without WatchdogSec';

const SILENT: ServiceNotifier = {
  watchdogMs: null,
  notify: () => undefined,
  flushed: () => Promise.resolve(),
};

/** `STATUS=…` with a text that is one line. */
export function statusOf(text: string): string {
  return `STATUS=${printable(text).slice(0, STATUS_CHARS_MAX)}`;
}

/** sd_watchdog_enabled(3): microseconds, and whom they are meant for. */
function watchdogMsOf(env: Environment, pid: number): number | null {
  const meant = env['WATCHDOG_PID'] ?? '';
  const microseconds = Number(env['WATCHDOG_USEC'] ?? '');
  if (meant !== '' && Number(meant) !== pid) return null;
  return Number.isFinite(microseconds) && microseconds > 0 ? microseconds / 1_000 : null;
}

interface SendProblem {
  readonly isMissing: boolean;
  readonly text: string;
}

/** Null where it went out. */
function run(assignments: readonly string[], env: Environment, clock: Clock): Promise<SendProblem | null> {
  return new Promise((resolve) => {
    let child: ChildProcess;
    let timer: TimerHandle = null;
    let stderr = '';
    const end = (problem: SendProblem | null) => {
      clock.clearTimeout(timer);
      resolve(problem);
    };
    try {
      child = spawn(COMMAND, assignments, { env: { ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
    } catch (error) {
      end({ isMissing: false, text: messageOf(error) });
      return;
    }
    timer = clock.setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = `${stderr}${text}`.slice(-500)));
    child.on('error', (error: NodeJS.ErrnoException) =>
      end({ isMissing: error.code === 'ENOENT', text: error.message }),
    );
    child.on('close', (code, signal) =>
      end(code === 0 ? null : { isMissing: false, text: `ended with ${code ?? signal} ${stderr}`.trim() }),
    );
  });
}
