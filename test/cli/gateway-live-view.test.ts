import { expect, test } from 'vitest';
import {
  alertText,
  gatewayLines,
  gatewayProgress,
  type GatewayFrame,
} from '../../src/cli/gateway-live-view.ts';
import type { BurstAlert } from '../../src/domain/alert.ts';
import type { Output } from '../../src/cli/output.ts';
import { createEngine } from '../../src/index.ts';

const output = { columns: 100, style: (_style, text) => text } as Output;

const stats = createEngine().stats();

function frame(fields: Partial<GatewayFrame> = {}): GatewayFrame {
  return {
    elapsedMs: 65_000,
    stats,
    readiness: { isReady: true, reasons: [] },
    alerts: [],
    places: [],
    ...fields,
  };
}

const BURST: BurstAlert = {
  ...{ event: 'BURST', severity: 'warning', sourceId: 'press', windowRecords: 31, windowDurationMs: 3.19 },
  ...{ rate: 9_700, timestamp: 0, start: 0, end: 0, again: false },
};

test('the first line says how the gateway is', () => {
  expect(gatewayLines(frame(), output).join('\n')).toContain('headgate  ready  1 min 5 s');
});

test('what is not ready is said with its reason', () => {
  const reasons = [{ code: 'HG_STORAGE_FULL', subject: 'storage', message: 'the disk is full' }];
  const lines = gatewayLines(frame({ readiness: { isReady: false, reasons } }), output);
  expect(lines.join('\n')).toContain('not ready: the disk is full');
  expect(gatewayProgress(frame({ readiness: { isReady: false, reasons } }))).toContain('not ready');
});

test('alerts and places stand below', () => {
  const alerts = [{ atMs: 0, text: alertText(BURST) }];
  const lines = gatewayLines(frame({ alerts, places: [['api', 'http://127.0.0.1:1']] }), output);
  expect(lines.at(-1)).toBe('  api      http://127.0.0.1:1');
  expect(lines.join('\n')).toContain('BURST press: 31 records within 3 ms');
});

test('the name of a source cannot act on the terminal', () => {
  expect(alertText({ ...BURST, sourceId: 'a\u001b[2J' })).not.toContain('\u001b');
});
