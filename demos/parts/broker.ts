/** An MQTT broker inside the demo's own process, on the loopback interface. */

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { HeadgateError } from '../../src/index.ts';

export interface Broker extends AsyncDisposable {
  readonly url: string;
  /** Ends every connection, then the broker. Safe to call twice. */
  close(): Promise<void>;
}

/** On `wishedPort` if nobody else listens there, else on any that is free.
 *  @throws HeadgateError HG_PEER_MISSING where the package aedes is not installed. */
export async function startBroker(wishedPort = 0): Promise<Broker> {
  const { Aedes } = await loadAedes();
  const broker = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  await listen(server, wishedPort);

  let closing: Promise<void> | undefined;
  const closeAll = async () => {
    await new Promise<void>((resolve) => broker.close(() => resolve()));
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const close = () => (closing ??= closeAll());
  const { port } = server.address() as AddressInfo;
  return { url: `mqtt://127.0.0.1:${port}`, close, [Symbol.asyncDispose]: close };
}

async function listen(server: Server, wishedPort: number): Promise<void> {
  try {
    server.listen(wishedPort, '127.0.0.1');
    await once(server, 'listening');
  } catch (error) {
    if (wishedPort === 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    await listen(server, 0);
  }
}

/** The broker is a package of its own, which only the demos need: it may be missing. */
async function loadAedes(): Promise<typeof import('aedes')> {
  try {
    return await import('aedes');
  } catch (error) {
    if (!isMissing(error, 'aedes')) throw error;
    throw new HeadgateError(
      'HG_PEER_MISSING',
      'this needs the MQTT broker aedes, which is not installed: npm install aedes (demos also run --virtual)',
      { details: { package: 'aedes' }, cause: error },
    );
  }
}

/** Whether `error` says that this very package was not found, rather than something that it needs. */
export function isMissing(error: unknown, name: string): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return code === 'ERR_MODULE_NOT_FOUND' && typeof message === 'string' && message.includes(`'${name}'`);
}
