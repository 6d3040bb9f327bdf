import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayLog } from '../../src/gateway/gateway-log.ts';
import { runProcess, type SignalTarget } from '../../src/gateway/run-process.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

/** A process whose gateway never comes to the end of its drain. */
async function drainingProcess() {
  const clock = virtualClock();
  const exits: number[] = [];
  const target = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  const never = new Promise<never>(() => {});
  const gateway = { start: () => Promise.resolve(), stop: () => never, ended: never, stopDeadlineMs: 60_000 };
  const log = { ...SILENT_LOGGER, fatal: () => {} } as unknown as GatewayLog;
  void runProcess(gateway as unknown as Gateway, {
    ...{ clock, log, durationMs: null, target: target as unknown as SignalTarget },
  });
  await clock.advance(10);
  return { clock, exits, send: (signal: NodeJS.Signals) => target.emit(signal) };
}

test('a signal that comes again at once is one; one that comes later ends the process', async () => {
  const { clock, exits, send } = await drainingProcess();
  send('SIGINT');
  send('SIGINT');
  await clock.advance(999);
  send('SIGTERM');
  expect(exits).toEqual([]);
  await clock.advance(1);
  send('SIGTERM');
  expect(exits).toEqual([143]);
});
