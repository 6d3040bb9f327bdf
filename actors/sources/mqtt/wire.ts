/** Opens the stream of bytes to a broker: TCP, TLS, or a WebSocket. */

import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { createWebSocketStream, WebSocket, type ClientOptions } from 'ws';
import type { MqttLinkOptions } from './transport.ts';

const PORT = 1883;
const SECURE_PORT = 8883;
/** Room for what a broker may put into one WebSocket message beside a packet. */
const MESSAGE_OVERHEAD_BYTES = 1024 * 1024;

/** @throws what the system says against the address at once; the rest comes as events. */
export function openWire({ url, tls: certificates }: MqttLinkOptions, frameBytesMax: number): Duplex {
  // An IPv6 address stands in brackets within a URL only.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const trust = certificates as tls.ConnectionOptions | undefined;
  if (url.protocol === 'mqtt:') {
    // Acknowledgements are small and the broker waits for them.
    return net.connect({ host, port: Number(url.port || PORT) }).setNoDelay();
  }
  if (url.protocol === 'mqtts:') {
    const name = net.isIP(host) === 0 ? { servername: host } : {};
    return tls.connect({ ...trust, ...name, host, port: Number(url.port || SECURE_PORT) }).setNoDelay();
  }
  const socket = new WebSocket(url, ['mqtt'], {
    ...(trust as ClientOptions | undefined),
    maxPayload: frameBytesMax + MESSAGE_OVERHEAD_BYTES,
  });
  const stream = createWebSocketStream(socket);
  socket.on('close', () => stream.destroy());
  return stream;
}
