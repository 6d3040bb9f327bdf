import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createServiceNotifier, statusOf } from '../../src/gateway/service-notifier.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { fakeSystemdNotify } from '../support/fake-systemd-notify.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-notify-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function notifier(env: Readonly<Record<string, string | undefined>>, pid = 7) {
  const lines: string[] = [];
  const line = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: line, info: line, warn: line, error: line };
  return { ...createServiceNotifier({ env, pid, clock: realClock, log }), lines };
}

describe('the service manager', () => {
  test('is told in order, and what would repeat what still waits is left out', async () => {
    const fake = fakeSystemdNotify(folder);
    const manager = notifier(fake.env);
    manager.notify('READY=1', 'STATUS=ready');
    manager.notify('WATCHDOG=1');
    manager.notify('WATCHDOG=1');
    manager.notify('STOPPING=1');
    await manager.flushed();
    expect(fake.calls()).toEqual(['READY=1|STATUS=ready', 'WATCHDOG=1', 'STOPPING=1']);
    expect(manager.lines).toEqual([]);
    manager.notify('WATCHDOG=1');
    await manager.flushed();
    expect(fake.calls()).toHaveLength(4);
  });

  test('is not told where there is none', async () => {
    const fake = fakeSystemdNotify(folder);
    const manager = notifier({ ...fake.env, NOTIFY_SOCKET: undefined });
    manager.notify('READY=1');
    await manager.flushed();
    expect([fake.calls(), manager.watchdogMs]).toEqual([[], null]);
  });

  test('that cannot be told is a line of the log, once where the command is missing', async () => {
    const manager = notifier({ NOTIFY_SOCKET: '/x', PATH: folder });
    manager.notify('READY=1');
    manager.notify('WATCHDOG=1');
    await manager.flushed();
    expect(manager.lines).toHaveLength(1);
    expect(manager.lines[0]).toMatch(/was not told.*ENOENT.*NotifyAccess/);
  });

  test('that refuses is a line of the log with its words', async () => {
    const fake = fakeSystemdNotify(folder, { exitCode: 1 });
    const manager = notifier(fake.env);
    manager.notify('READY=1');
    await manager.flushed();
    expect(manager.lines[0]).toMatch(/ended with 1 refused/);
  });
});

describe('the watchdog', () => {
  const cases: [title: string, env: Record<string, string>, watchdogMs: number | null][] = [
    ['is fed at the interval it asks for', { WATCHDOG_USEC: '30000000' }, 30_000],
    ['is fed by the process it means', { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7' }, 30_000],
    ['is not fed by another process', { WATCHDOG_USEC: '30000000', WATCHDOG_PID: '8' }, null],
    ['is not fed where there is none', {}, null],
    ['is not fed at an interval that is none', { WATCHDOG_USEC: 'soon' }, null],
  ];
  for (const [title, env, watchdogMs] of cases) {
    test(title, () => expect(notifier({ NOTIFY_SOCKET: '/x', ...env }).watchdogMs).toBe(watchdogMs));
  }
});

test('a status is one short line', () => {
  expect(statusOf('a\nREADY=1')).toBe('STATUS=a\\nREADY=1');
  expect(statusOf('x'.repeat(1_000))).toHaveLength(207);
});
