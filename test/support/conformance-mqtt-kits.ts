/** Kits of the conformance suite for MQTT: real brokers, and the simulated one. The session is kept, so that
 *  what is fed while the source is paused waits for it. */

import { mqttSource } from '../../actors/sources/mqtt-source.ts';
import type { ConformanceKit } from '../../src/testing/conformance-kit.ts';
import { simulatedMqttBroker } from '../../src/testing/simulated-mqtt.ts';
import { declares } from './conformance-kits.ts';
import type { BrokerKind } from './mqtt-broker-field.ts';
import { startPublisher, type TestPublisher } from './mqtt-publisher.ts';
import { startTcpProxy } from './tcp-proxy.ts';

const ABILITIES = declares(
  'pushback',
  'resumes',
  'decodes',
  'decode-function',
  'connects',
  'reconnects',
  'hangs',
);
const TOPIC = 'plant/a';
const KEPT = { topics: TOPIC, clean: false, clientId: 'gateway' } as const;
const UNDECODABLE = '{"a":';
/** Messages on their way to a broker at a time. */
const PUBLISHED_AT_ONCE = 20;

export function mqttKit(kind: BrokerKind): ConformanceKit {
  return {
    name: `an MQTT source before ${kind.name}`,
    clock: 'real',
    declares: ABILITIES,
    async open() {
      const broker = await kind.start();
      const proxy = await startTcpProxy(broker.port);
      let publisher: TestPublisher | null = await startPublisher(broker.url);
      let isSilent = false;
      const leave = async () => {
        await publisher?.close();
        publisher = null;
      };
      return {
        source: (overrides) =>
          mqttSource({
            ...overrides,
            ...KEPT,
            url: isSilent ? `mqtt://127.0.0.1:${proxy.port}` : broker.url,
          }),
        async feed(values) {
          for (let sent = 0; sent < values.length; sent += PUBLISHED_AT_ONCE) {
            const some = values.slice(sent, sent + PUBLISHED_AT_ONCE);
            await Promise.all(some.map((value) => publisher?.publish(TOPIC, String(value))));
          }
        },
        spoil: async () => publisher?.publish(TOPIC, UNDECODABLE),
        async cut() {
          await leave();
          await broker.stop();
        },
        // Through the proxy only then: a good-bye through it resets the connection, and acknowledgements are lost.
        async silence() {
          isSilent = true;
          proxy.freeze();
        },
        async restore() {
          proxy.thaw();
          if (publisher !== null) return;
          await broker.restart();
          publisher = await startPublisher(broker.url);
        },
        async close() {
          await leave();
          await proxy.close();
          await broker.dispose();
        },
      };
    },
  };
}

export const simulatedMqttKit: ConformanceKit = {
  name: 'an MQTT source before a simulated broker',
  clock: 'virtual',
  declares: ABILITIES,
  async open(clock) {
    const broker = simulatedMqttBroker({ clock });
    const { transport } = broker;
    return {
      source: (overrides) => mqttSource({ ...overrides, ...KEPT, url: 'mqtt://simulated', transport }),
      async feed(values) {
        for (const value of values) broker.publish(TOPIC, String(value));
      },
      spoil: async () => broker.publish(TOPIC, UNDECODABLE),
      cut: async () => broker.down(),
      silence: async () => broker.freeze(),
      restore: async () => broker.up(),
      close: async () => {},
    };
  },
};
