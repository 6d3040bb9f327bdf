/** A gateway as a process: signals, what nobody caught, and the exit code. The first SIGTERM or SIGINT
 *  drains, a later one ends at once; SIGHUP reads the configuration again, and SIGUSR1 opens no
 *  debugger. */

import { constants } from 'node:os';
import type { Clock, TimerHandle } from '../domain/clock.ts';
import { errorFacts, HeadgateError } from '../domain/errors.ts';
import { NOTHING_UNWRITTEN, type UnwrittenRows } from '../engine/record-balance.ts';
import type { Gateway } from './gateway.ts';
import type { GatewayLog } from './gateway-log.ts';

export interface RunProcessOptions {
  readonly clock: Clock;
  readonly log: GatewayLog;
  /** Ends by itself after so long, as by a signal; null: never. */
  readonly durationMs: number | null;
  /** Called once the gateway runs. */
  readonly onStarted?: () => void;
  /** Whose signals are heard. Default: this process. */
  readonly target?: SignalTarget;
}

/** What of `process` is needed. */
export interface SignalTarget {
  on(event: string, listener: (...args: never[]) => void): unknown;
  off(event: string, listener: (...args: never[]) => void): unknown;
  exit(code: number): void;
}

/** What the storage did not take; `late`: the stop was left behind. */
type StopOutcome = UnwrittenRows | 'late';

/** Why it ended. */
export type ProcessEnd = 'asked' | 'crashed' | 'failed';

/** After something that nobody caught the process cannot be trusted for long. */
const CRASH_DEADLINE_MS = 3_000;
/** Past its deadline a stop has this long to give up by itself. */
const STOP_GRACE_MS = 2_000;

/** What comes again so soon is the same signal: the terminal and `timeout` send it to all processes, and npm
 *  sends it on to those it has started. */
const SAME_SIGNAL_MS = 1_000;

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;
type StopSignal = (typeof STOP_SIGNALS)[number];

/** Starts the gateway and resolves when it has come to the end that was asked for. A start that is under way
 *  when it is told to end comes to its own end first.
 *  @throws HeadgateError what {@link Gateway.start} throws; HG_ENGINE_ESCALATED where the engine or the
 *  process failed; HG_ROWS_LOST where the storage has not taken all that it was to keep. Everything is then
 *  closed again. */
export async function runProcess(gateway: Gateway, options: RunProcessOptions): Promise<void> {
  const { clock, log, durationMs, onStarted } = options;
  const ends = Promise.withResolvers<ProcessEnd>();
  const ears = listen(gateway, options, ends.resolve);
  let timer: TimerHandle = undefined;
  try {
    await gateway.start();
    onStarted?.();
    void gateway.ended.then(() => ends.resolve('failed'));
    if (durationMs !== null) timer = clock.setTimeout(() => ends.resolve('asked'), durationMs);
    const end = await ends.promise;
    const stop = await stopInTime(
      gateway,
      options,
      end === 'crashed' ? CRASH_DEADLINE_MS : gateway.stopDeadlineMs,
    );
    if (end === 'failed') log.fatal(FAILED, 'the engine has failed; the gateway ends');
    if (end !== 'asked') {
      throw new HeadgateError('HG_ENGINE_ESCALATED', 'the gateway has ended; its log says why');
    }
    demandAllWritten(stop);
  } finally {
    if (timer !== undefined) clock.clearTimeout(timer);
    ears.close();
  }
}

const FAILED = {
  next: 'headgate timeline FILE says what failed; the service manager starts the gateway anew',
};

/** Stops, and does not wait for ever: what hangs in the disk must not keep the process. */
async function stopInTime(
  gateway: Gateway,
  { clock, log }: RunProcessOptions,
  deadlineMs: number,
): Promise<StopOutcome> {
  const stopped = gateway.stop({ deadlineMs }).then(
    ({ unwritten }) => unwritten,
    (error: unknown) => {
      log.error(
        { ...errorFacts(error, 'HG_ENGINE_STATE'), next: 'see the lines before' },
        'the gateway did not stop well',
      );
      return NOTHING_UNWRITTEN;
    },
  );
  const late = new AbortController();
  const outcome = await Promise.race([
    stopped,
    clock.sleep(deadlineMs + STOP_GRACE_MS, late.signal).then(() => 'late' as const),
  ]);
  late.abort();
  if (outcome !== 'late') return outcome;
  const next = 'look at the disk; what was not acknowledged is sent again by its source';
  log.error({ deadlineMs, next }, 'the gateway did not stop within its deadline and is left behind');
  return outcome;
}

/** @throws HeadgateError HG_ROWS_LOST */
function demandAllWritten(stop: StopOutcome): void {
  if (stop === 'late') {
    const message =
      'the gateway did not stop within its deadline; rows that were not stored by then are lost';
    throw new HeadgateError('HG_ROWS_LOST', message);
  }
  const { rows, error } = stop;
  if (rows === 0) return;
  const reason = error === null ? '' : `: ${error.message} (${error.code})`;
  throw new HeadgateError(
    'HG_ROWS_LOST',
    `${rows} rows of this run could not be written and are lost${reason}`,
  );
}

function listen(
  gateway: Gateway,
  { clock, log, target = process as unknown as SignalTarget }: RunProcessOptions,
  end: (how: ProcessEnd) => void,
): { close(): void } {
  const told = new Set<string>();
  let askedAtMs = Number.NEGATIVE_INFINITY;
  const onStop = (signal: StopSignal) => {
    if (clock.monotonicMs() - askedAtMs < SAME_SIGNAL_MS) return;
    if (told.size > 0) {
      log.warn(
        { signal, next: 'what was not acknowledged is sent again' },
        'a second signal: the end, at once',
      );
      target.exit(128 + constants.signals[signal]);
      return;
    }
    told.add(signal);
    askedAtMs = clock.monotonicMs();
    log.info({ signal, deadlineMs: gateway.stopDeadlineMs }, 'the gateway drains and ends');
    end('asked');
  };
  // Node would open its debugger, in which every user of the machine can read all memory.
  const onDebug = () => {
    const next = 'to debug it, start it by node --inspect';
    log.warn({ signal: 'SIGUSR1', next }, 'a signal that means nothing to a gateway');
  };
  const onCrash = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    const next = 'report this as a defect with the stack; the service manager starts the gateway anew';
    log.fatal({ ...errorFacts(error, 'HG_ENGINE_STATE'), stack, next }, 'an uncaught error');
    if (told.has('crash')) target.exit(1);
    told.add('crash');
    end('crashed');
  };
  const listeners: readonly (readonly [string, (...args: never[]) => void])[] = [
    ...STOP_SIGNALS.map((signal) => [signal, () => onStop(signal)] as const),
    ['SIGHUP', () => void gateway.reload('signal')],
    ['SIGUSR1', onDebug],
    ['uncaughtException', onCrash],
    ['unhandledRejection', onCrash],
  ];
  for (const [event, listener] of listeners) target.on(event, listener);
  return {
    close() {
      for (const [event, listener] of listeners) target.off(event, listener);
    },
  };
}
