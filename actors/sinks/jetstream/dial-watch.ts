/** How far a connection to NATS has come, for the message of a connect timeout. The client shows nothing of a
 *  connection before it is ready, so Node's own report of new sockets (`node:diagnostics_channel`) is heard
 *  while one is opened. A socket is known by its port once it is connected. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

const NEW_SOCKETS = 'net.client.socket';
const PORT = '4222';

export interface DialWatch {
  /** As `connected to 10.0.0.7:4222, but no INFO`. */
  readonly describe: () => string;
  readonly stop: () => void;
}

/** Watches until `stop` is called. `servers` are addresses with or without a scheme. */
export function watchDial(servers: readonly string[]): DialWatch {
  const places = new Map(servers.map((server) => placeOf(server)));
  let latest: { readonly place: string; readonly socket: Socket } | null = null;
  const onSocket = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket };
    socket.once('connect', () => {
      const place = places.get(String(socket.remotePort));
      if (place !== undefined) latest = { place, socket };
    });
  };
  subscribe(NEW_SOCKETS, onSocket);
  return {
    describe() {
      if (latest === null) return `no connection to ${[...places.values()].join(', ')}`;
      const missing = latest.socket.bytesRead === 0 ? 'INFO' : 'end of the handshake after its INFO';
      return `connected to ${latest.place}, but no ${missing}`;
    },
    stop: () => unsubscribe(NEW_SOCKETS, onSocket),
  };
}

function placeOf(server: string): [port: string, place: string] {
  const url = new URL(/^[a-z]+:\/\//.test(server) ? server : `nats://${server}`);
  const port = url.port === '' ? PORT : url.port;
  return [port, `${url.hostname}:${port}`];
}
