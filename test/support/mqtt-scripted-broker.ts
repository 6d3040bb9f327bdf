/** A broker that does what a test tells it to, wrong things above all: it reads the client’s packets and
 *  answers with whatever bytes the test gives. */

import { once } from 'node:events';
import net from 'node:net';
import mqttPacket, { type Packet } from 'mqtt-packet';

export interface ScriptedBroker {
  readonly url: string;
  /** Connections made so far. */
  readonly connections: number;
  close(): Promise<void>;
}

export interface ScriptedPeer {
  readonly socket: net.Socket;
  /** Sends packets, well formed. */
  send(...packets: Packet[]): void;
  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void;
}

/** `answer` is called for every packet a client sends; connects and subscriptions are not answered unless it
 *  does. */
export async function startScriptedBroker(
  answer: (packet: Packet, peer: ScriptedPeer) => void,
  protocolVersion: 4 | 5 = 4,
): Promise<ScriptedBroker> {
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    sockets.add(socket);
    const parser = mqttPacket.parser({ protocolVersion });
    const peer: ScriptedPeer = {
      socket,
      send(...packets) {
        for (const packet of packets) socket.write(mqttPacket.generate(packet, { protocolVersion }));
      },
      sendBytes: (bytes) => socket.write(bytes),
    };
    parser.on('packet', (packet: Packet) => answer(packet, peer));
    parser.on('error', () => socket.destroy());
    socket.on('data', (bytes) => parser.parse(bytes));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `mqtt://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    get connections() {
      return connections;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers connects and subscriptions as a broker does. */
export function politely(packet: Packet, peer: ScriptedPeer): void {
  if (packet.cmd === 'connect') {
    peer.send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false });
  } else if (packet.cmd === 'subscribe') {
    const { messageId = 0, subscriptions } = packet;
    peer.send({ cmd: 'suback', messageId, granted: subscriptions.map(({ qos }) => qos) });
  } else if (packet.cmd === 'pingreq') {
    peer.send({ cmd: 'pingresp' });
  } else if (packet.cmd === 'pubrec' || packet.cmd === 'pubrel') {
    peer.send({ cmd: packet.cmd === 'pubrec' ? 'pubrel' : 'pubcomp', messageId: packet.messageId ?? 0 });
  }
}
