/** Opens the stream of bytes to a broker: TCP, TLS, or a WebSocket. */

import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { ConnectProgress } from '../socket/connect-progress.ts';
import { openSocket, socketAddress } from '../socket/open-socket.ts';
import { openWebSocket, WEB_SOCKET_ANSWER, webSocketPort } from '../socket/open-web-socket.ts';
import type { MqttLinkOptions } from './transport.ts';

const PORT = 1883;
const SECURE_PORT = 8883;
/** Room for what a broker may put into one WebSocket message beside a packet. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

/** @throws what the system says against the address at once; the rest comes as events. */
export function openMqttSocket({ url, tls, progress }: MqttLinkOptions, frameBytesMax: number): Duplex {
  const advance = progress?.advance;
  if (url.protocol === 'mqtt:') return openSocket(socketAddress(url, false, PORT), undefined, advance);
  if (url.protocol === 'mqtts:') return openSocket(socketAddress(url, true, SECURE_PORT), tls, advance);
  const { socket } = openWebSocket({
    ...{ url, tls, protocols: ['mqtt'], headers: {} },
    rule: { kind: 'split' },
    messageBytesMax: frameBytesMax + MESSAGE_OVERHEAD_BYTES,
    alive: () => {},
    ...(advance === undefined ? {} : { advance }),
  });
  const stream = createWebSocketStream(socket);
  socket.on('close', () => stream.destroy());
  return stream;
}

/** The steps of a link to this broker. `answers` are those of the broker, from CONNACK on. */
export function brokerProgress(url: URL, answers: readonly string[]): ConnectProgress {
  const isSecure = url.protocol === 'mqtts:' || url.protocol === 'wss:';
  const isWebSocket = url.protocol === 'ws:' || url.protocol === 'wss:';
  return new ConnectProgress({
    ...{ url, isSecure },
    defaultPort: isWebSocket ? webSocketPort(isSecure) : isSecure ? SECURE_PORT : PORT,
    answers: isWebSocket ? [WEB_SOCKET_ANSWER, ...answers] : answers,
  });
}
