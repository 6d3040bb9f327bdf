/** QoS 2 the way a store that outlives the client needs it.
 *
 *  mqtt.js acknowledges a QoS 2 message (PUBREC), keeps it in memory and hands it over when the broker
 *  releases it (PUBREL): a link lost in between loses the message for good if the client is not the same any
 *  more. mqtt.js asks its `incomingStore` before it acknowledges, so this store hands the message over right
 *  there and keeps its id alone, as method B of MQTT 5.0, 4.3.3 has it. The ids live as long as the session,
 *  longer than a link: the same id again is the same message and is not handed over twice. After a restart of
 *  the process the ids are gone and a message may come twice; none is lost. */

import { Store as MemoryStore, type IClientOptions, type IPublishPacket, type Packet } from 'mqtt';
import type { MessageOutcome, MqttSessionMemory } from './mqtt-transport.ts';

type Store = NonNullable<IClientOptions['incomingStore']>;

export function qos2Store(
  session: MqttSessionMemory,
  receive: (packet: IPublishPacket, done: (outcome: MessageOutcome) => void) => void,
): Store {
  const { takenIds } = session;
  const store: Store = {
    put(packet, acknowledge) {
      const id = packet.messageId ?? 0;
      // Without the DUP flag an id is used again, by a broker that numbers anew: another message.
      if (takenIds.has(id) && (packet as IPublishPacket).dup) {
        acknowledge();
        return store;
      }
      receive(packet as IPublishPacket, (outcome) => {
        // Without its acknowledgement mqtt.js reads no further: the link is on its way out, or waits to be.
        if (outcome !== 'taken') return;
        takenIds.add(id);
        acknowledge();
      });
      return store;
    },
    get({ messageId = 0 }, callback) {
      if (takenIds.has(messageId)) callback(undefined, released(messageId));
      else callback(new Error('no such message'));
      return store;
    },
    del({ messageId = 0 }, callback) {
      takenIds.delete(messageId);
      callback();
      return store;
    },
    // mqtt.js streams what it has to send again, never what it received.
    createStream: () => new MemoryStore().createStream(),
    close(callback) {
      callback();
    },
  };
  return store;
}

/** What mqtt.js passes on as the message being released. */
function released(messageId: number): Packet {
  return { cmd: 'publish', messageId, qos: 2, topic: '', payload: '', dup: false, retain: false };
}
