/** The way to a host, step by step: its name, its address, a connection. Each step that fails has a remedy of
 *  its own. */

import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { problem, type Verdict } from './check.ts';

export interface Place {
  readonly host: string;
  readonly port: number;
}

const PORTS: Readonly<Record<string, number>> = {
  'mqtt:': 1_883,
  'mqtts:': 8_883,
  'http:': 80,
  'https:': 443,
  'ws:': 80,
  'wss:': 443,
  'nats:': 4_222,
  'tls:': 4_222,
};

export function placeOf(url: URL): Place {
  const port = url.port === '' ? (PORTS[url.protocol] ?? 0) : Number(url.port);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}

/** Null where a connection stood, which is closed again. */
export async function unreachable({ host, port }: Place, signal: AbortSignal): Promise<Verdict | null> {
  const socket = await openSocket({ host, port }, signal);
  if (!('socket' in socket)) return socket;
  socket.socket.destroy();
  return null;
}

/** A connection, or why there is none. Whoever gets it closes it. */
export async function openSocket(
  { host, port }: Place,
  signal: AbortSignal,
): Promise<{ readonly socket: Socket } | Verdict> {
  try {
    await lookup(host);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    return problem(
      code === 'ENOTFOUND'
        ? `the host name ${host} is not known`
        : `the host name ${host} could not be looked up (${code})`,
      'correct the name, or see that name resolution works: getent hosts NAME',
    );
  }
  const socket = connect({ host, port });
  const abort = () => socket.destroy(new Error('given up'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    await once(socket, 'connect');
    return { socket };
  } catch (error) {
    socket.destroy();
    return refusal({ host, port }, (error as NodeJS.ErrnoException).code ?? String(error));
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function refusal({ host, port }: Place, code: string): Verdict {
  if (code === 'ECONNREFUSED') {
    return problem(
      `${host} is there, and nothing listens on its port ${port}`,
      'start the server, or correct the port',
    );
  }
  return problem(
    `${host}:${port} cannot be reached (${code})`,
    'see that the host is up and that no firewall is in between',
  );
}
