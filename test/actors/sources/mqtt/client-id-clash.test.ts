/** Two sources of one engine, registered by call, that use one client id at a real broker. */

import { expect, onTestFinished, test } from 'vitest';
import { createEngine, mqttSource, type Alert } from '../../../../src/index.ts';
import { mosquittoMissing, startMosquitto } from '../../../support/mqtt-brokers.ts';

const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

test.skipIf(mosquittoMissing !== null).each([4, 5] as const)(
  'over version %i both are told to clash, by the client id and not as trouble of the network',
  async (protocolVersion) => {
    const broker = await startMosquitto();
    const engine = createEngine({ timeline: false, logger: QUIET });
    onTestFinished(async () => {
      await engine.stop({ deadlineMs: 1_000 });
      await broker.dispose();
    });
    const alerts: Alert[] = [];
    const told = Promise.withResolvers<void>();
    engine.alerts$.subscribe((alert) => {
      if (alert.event !== 'CLIENT_ID_CLASH') return;
      alerts.push(alert);
      if (new Set(alerts.map(({ sourceId }) => sourceId)).size === 2) told.resolve();
    });
    await engine.start();
    for (const id of ['hall', 'roof']) {
      await engine.register(
        mqttSource({
          ...{ id, url: broker.url, topics: 't', protocolVersion, clientId: 'gw-7' },
          restart: { backoff: { kind: 'constant', initialMs: 50, maxMs: 50, jitter: 'none' } },
          breaker: { failures: 1_000 },
        }),
      );
    }
    await told.promise;
    for (const alert of alerts) {
      expect(alert).toMatchObject({ severity: 'warning', details: { clientId: 'gw-7' } });
      expect('message' in alert && alert.message).toMatch(/another client/);
    }
    expect(engine.health('hall').lastError?.message).toMatch(/another client|was closed/);
  },
);
