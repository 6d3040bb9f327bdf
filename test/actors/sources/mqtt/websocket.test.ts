/** MQTT over a WebSocket: another wire, the same frames. */

import { describe, expect, test } from 'vitest';
import { mqttSource } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { freePort, mosquittoMissing, startMosquitto } from '../../../support/mqtt-brokers.ts';
import { numbers } from '../../../support/mqtt-broker-field.ts';
import { startPublisher } from '../../../support/mqtt-publisher.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import { skipNote } from '../../../support/skip-note.ts';

describe.skipIf(mosquittoMissing !== null)(`over a WebSocket${skipNote(mosquittoMissing)}`, () => {
  test.each([
    [4, 1],
    [5, 2],
  ] as const)(
    'of version %i messages of QoS %i arrive and are acknowledged',
    async (protocolVersion, qos) => {
      const port = await freePort();
      const broker = await startMosquitto({
        config: ['allow_anonymous true', `listener ${port} 127.0.0.1`, 'protocol websockets'],
      });
      const spec = mqttSource({
        ...{ id: 'm', url: `ws://127.0.0.1:${port}/mqtt`, topics: 'a', qos, protocolVersion },
        ...{ clean: false, clientId: 'gateway', decode: 'json' },
      });
      const run = startRun(spec, realClock);
      await run.whenOpened();
      const device = await startPublisher(broker.url);
      // More than the broker sends without acknowledgement.
      await device.publishNumbers('a', 500, { qos });
      await run.records(500);
      expect(run.values).toEqual(numbers(500));
      await run.stop();
      // What was acknowledged does not come again.
      await device.publish('a', '501');
      const next = startRun(spec, realClock);
      await next.records(1);
      expect(next.values).toEqual([501]);
      await next.stop();
      await device.close();
      await broker.dispose();
    },
  );

  test('where nobody listens, or no WebSocket, the link is refused', async () => {
    const nobody = startRun(
      mqttSource({ id: 'm', url: `ws://127.0.0.1:${await freePort()}`, topics: 'a' }),
      realClock,
    );
    expect(await nobody.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    const broker = await startMosquitto();
    const plain = startRun(
      mqttSource({ id: 'm', url: broker.url.replace('mqtt:', 'ws:'), topics: 'a' }),
      realClock,
    );
    expect(await plain.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
    await broker.dispose();
  });
});
