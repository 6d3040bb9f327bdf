/** Kits of the conformance suite for MQTT: real brokers and the simulated one, both kinds of session. */

import { mqttSource } from '../../actors/sources/mqtt/mqtt-source.ts';
import type { ConformanceAbility, ConformanceKit } from '../../src/testing/conformance-kit.ts';
import { simulatedMqttBroker } from '../../src/testing/simulated-mqtt.ts';
import { declares } from './conformance-kits.ts';
import type { BrokerKind } from './mqtt-broker-field.ts';
import { startPublisher, type TestPublisher } from './mqtt-publisher.ts';
import { startTcpProxy } from './tcp-proxy.ts';

/** `clean`: the broker forgets a client that goes. `kept`: what is fed while it is away waits for it. */
export type Session = 'clean' | 'kept';
export const SESSIONS: readonly Session[] = ['clean', 'kept'];

/** In a kept session a full outlet is not yet borne as the contract has it: see the tests. */
const abilitiesOf = (session: Session): ReadonlySet<ConformanceAbility> =>
  declares(
    'decodes',
    'decode-function',
    'connects',
    'reconnects',
    'hangs',
    session === 'kept' ? 'resumes' : 'pushback',
  );

const TOPIC = 'plant/a';
const optionsOf = (session: Session) =>
  session === 'kept' ? ({ topics: TOPIC, clean: false, clientId: 'gateway' } as const) : { topics: TOPIC };
const UNDECODABLE = '{"a":';
/** What is in a blocked outlet is not acknowledged, and the suite wants more of it than a broker sends
 *  unacknowledged by default. */
const INFLIGHT_MAX = 10_000;
/** Messages on their way to a broker at a time. */
const PUBLISHED_AT_ONCE = 20;

export function mqttKit(kind: BrokerKind, session: Session): ConformanceKit {
  return {
    name: `an MQTT source before ${kind.name}, its session ${session}`,
    clock: 'real',
    declares: abilitiesOf(session),
    async open() {
      const broker = await kind.start({ config: [`max_inflight_messages ${INFLIGHT_MAX}`] });
      const proxy = await startTcpProxy(broker.port);
      let publisher: TestPublisher | null = await startPublisher(broker.url);
      let isSilent = false;
      const publish = async (payload: string) => publisher?.publish(TOPIC, payload);
      const leave = async () => {
        await publisher?.close();
        publisher = null;
      };
      return {
        source: (overrides) =>
          mqttSource({
            ...overrides,
            ...optionsOf(session),
            url: isSilent ? `mqtt://127.0.0.1:${proxy.port}` : broker.url,
          }),
        async feed(values) {
          for (let sent = 0; sent < values.length; sent += PUBLISHED_AT_ONCE) {
            const some = values.slice(sent, sent + PUBLISHED_AT_ONCE);
            await Promise.all(some.map((value) => publish(String(value))));
          }
        },
        spoil: () => publish(UNDECODABLE),
        async cut() {
          await leave();
          await broker.stop();
        },
        // Through the proxy only then: a good-bye through it resets the link and loses what is under way.
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

export function simulatedMqttKit(session: Session): ConformanceKit {
  return {
    name: `an MQTT source before a simulated broker, its session ${session}`,
    clock: 'virtual',
    declares: abilitiesOf(session),
    async open(clock) {
      const broker = simulatedMqttBroker({ clock, inflightMessagesMax: INFLIGHT_MAX });
      const { transport } = broker;
      const url = 'mqtt://simulated';
      return {
        source: (overrides) => mqttSource({ ...overrides, ...optionsOf(session), url, transport }),
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
}
