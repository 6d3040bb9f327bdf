/** Opens the stream of bytes to a broker: TCP, TLS, or a WebSocket. */

import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { openSocket, socketAddress } from '../socket/open-socket.ts';
import { openWebSocket } from '../socket/open-web-socket.ts';
import type { MqttLinkOptions } from './transport.ts';

const PORT = 1883;
const SECURE_PORT = 8883;
/** Room for what a broker may put into one WebSocket message beside a packet. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

/** @throws what the system says against the address at once; the rest comes as events. */
export function openWire({ url, tls }: MqttLinkOptions, frameBytesMax: number): Duplex {
  if (url.protocol === 'mqtt:') return openSocket(socketAddress(url, false, PORT));
  if (url.protocol === 'mqtts:') return openSocket(socketAddress(url, true, SECURE_PORT), tls);
  const { socket } = openWebSocket({
    ...{ url, tls, protocols: ['mqtt'], headers: {} },
    rule: { kind: 'split' },
    messageBytesMax: frameBytesMax + MESSAGE_OVERHEAD_BYTES,
    alive: () => {},
  });
  const stream = createWebSocketStream(socket);
  socket.on('close', () => stream.destroy());
  return stream;
}
