import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import type { UnwrittenRows } from '../../src/engine/record-balance.ts';
import type { Gateway } from '../../src/gateway/gateway.ts';
import type { GatewayLog } from '../../src/gateway/gateway-log.ts';
import { runProcess, type SignalTarget } from '../../src/gateway/run-process.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';

const never = new Promise<never>(() => {});

/** A process whose gateway never comes to the end of its drain, unless `stopped` says what that came to. */
async function drainingProcess(stopped: Promise<{ unwritten: UnwrittenRows }> = never) {
  const clock = virtualClock();
  const exits: number[] = [];
  const target = Object.assign(new EventEmitter(), { exit: (code: number) => void exits.push(code) });
  const gateway = {
    ...{ start: () => Promise.resolve(), stop: () => stopped, ended: never, stopDeadlineMs: 60_000 },
  };
  const log = { ...SILENT_LOGGER, fatal: () => {} } as unknown as GatewayLog;
  const ended = runProcess(gateway as unknown as Gateway, {
    ...{ clock, log, durationMs: null, target: target as unknown as SignalTarget },
  });
  ended.catch(() => {});
  await clock.advance(10);
  return { clock, exits, ended, send: (signal: NodeJS.Signals) => target.emit(signal) };
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

test('an end that was asked for is an error where rows could not be written', async () => {
  const error = { code: 'HG_STORAGE_FAILED', message: 'another file stands in its place' };
  const { ended, send } = await drainingProcess(Promise.resolve({ unwritten: { rows: 7, error } }));
  send('SIGTERM');
  await expect(ended).rejects.toMatchObject({
    code: 'HG_ROWS_LOST',
    message:
      '7 rows of this run could not be written and are lost: another file stands in its place ' +
      '(HG_STORAGE_FAILED)',
  });
});

test('an end that was asked for is none where all is written', async () => {
  const { ended, send } = await drainingProcess(Promise.resolve({ unwritten: { rows: 0, error: null } }));
  send('SIGTERM');
  await expect(ended).resolves.toBeUndefined();
});

test('a gateway that does not stop within its deadline is an error', async () => {
  const { clock, ended, send } = await drainingProcess();
  send('SIGTERM');
  await clock.advance(62_000);
  await expect(ended).rejects.toMatchObject({ code: 'HG_ROWS_LOST' });
});
