/** A TCP proxy that does to a connection what networks do: cut it, freeze it, slow it down, tear it to
 *  shreds. */

import net from 'node:net';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { realClock } from '../../src/platform/real-clock.ts';

export interface TcpProxy {
  readonly port: number;
  /** Connections that stand now. */
  readonly connections: number;
  /** Bytes passed on towards the client so far. */
  readonly bytesToClient: number;
  /** Resets every connection, as a lost link does. New ones are welcome. */
  cut(): void;
  /** Passes nothing on and closes nothing, in both directions, for connections that stand and new ones. */
  freeze(): void;
  thaw(): void;
  /** Passes at most so many bytes a second on towards the client, in pieces of a hundredth of that; null: no
   *  limit. */
  throttle(bytesPerSecond: number | null): void;
  /** Passes bytes on in pieces of at most so many, each a segment of its own, in both directions; null: as
   *  they come. */
  shred(segmentBytes: number | null): void;
  /** Resolves at the next connection. */
  nextConnection(): Promise<void>;
  close(): Promise<void>;
}

/** Sees the bytes of one connection right before they are passed on. */
export interface TapConnection {
  towardsClient(bytes: Buffer): void;
  towardsServer(bytes: Buffer): void;
}

export interface TcpProxyOptions {
  /** Called for each connection. */
  readonly tap?: () => TapConnection;
}

interface Pair {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

const THROTTLE_STEP_MS = 10;

/** Resolves when the socket takes more, or never will again. */
function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    for (const event of ['drain', 'close'] as const) socket.once(event, () => resolve());
  });
}

export async function startTcpProxy(targetPort: number, { tap }: TcpProxyOptions = {}): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let frozen = false;
  let bytesPerSecond: number | null = null;
  let segmentBytes: number | null = null;
  let bytesToClient = 0;
  const arrivals: (() => void)[] = [];

  const forward = (from: net.Socket, to: net.Socket, towardsClient: boolean, watch?: TapConnection) => {
    from.on('data', (bytes: Buffer) => {
      if (towardsClient) watch?.towardsClient(bytes);
      else watch?.towardsServer(bytes);
      void pass(from, to, bytes, towardsClient);
    });
  };
  const pass = async (from: net.Socket, to: net.Socket, bytes: Buffer, towardsClient: boolean) => {
    const limit = towardsClient ? bytesPerSecond : null;
    const isWhole = limit === null && segmentBytes === null;
    const allowed = limit === null ? bytes.length : Math.ceil((limit * THROTTLE_STEP_MS) / 1000);
    const step = Math.max(1, Math.min(allowed, segmentBytes ?? allowed));
    if (!isWhole) from.pause();
    for (let at = 0; at < bytes.length && to.writable; at += step) {
      const piece = bytes.subarray(at, at + step);
      if (towardsClient) bytesToClient += piece.length;
      if (!to.write(piece)) {
        from.pause();
        await drained(to);
      }
      if (limit !== null) await realClock.sleep(THROTTLE_STEP_MS);
      else if (!isWhole) await turn();
    }
    if (!frozen) from.resume();
  };

  const server = net.createServer({ pauseOnConnect: true }, (client) => {
    const target = net.connect(targetPort, '127.0.0.1');
    const pair = { client, server: target };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) {
      socket.setNoDelay();
      socket.on('error', end);
      socket.on('close', end);
    }
    const watch = tap?.();
    forward(client, target, false, watch);
    forward(target, client, true, watch);
    if (frozen) {
      client.pause();
      target.pause();
    } else {
      client.resume();
    }
    for (const arrived of arrivals.splice(0)) arrived();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const cut = () => {
    for (const { client, server: target } of [...pairs]) {
      client.resetAndDestroy();
      target.resetAndDestroy();
    }
  };
  return {
    port: (server.address() as net.AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    get bytesToClient() {
      return bytesToClient;
    },
    cut,
    freeze() {
      frozen = true;
      for (const { client, server: target } of pairs) {
        client.pause();
        target.pause();
      }
    },
    thaw() {
      frozen = false;
      for (const { client, server: target } of pairs) {
        client.resume();
        target.resume();
      }
    },
    throttle(limit) {
      bytesPerSecond = limit;
    },
    shred(bytes) {
      segmentBytes = bytes;
    },
    nextConnection: () => new Promise((resolve) => arrivals.push(resolve)),
    async close() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
