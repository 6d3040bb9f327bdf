/** Opens the stream of bytes to a far end: TCP, or TLS, which keeps what it saw of the far end's certificate
 *  for the advice on a handshake that failed. */

import net from 'node:net';
import tls, { type DetailedPeerCertificate } from 'node:tls';

export type PemInput = string | Uint8Array | readonly (string | Uint8Array)[];

/** How the far end is verified, and what it is shown of this one. */
export interface TlsOptions {
  readonly ca?: PemInput;
  readonly cert?: PemInput;
  readonly key?: PemInput;
  readonly rejectUnauthorized: boolean;
  /** The name that the certificate must be for. Default: the host. */
  readonly serverName?: string | undefined;
}

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
}

/** The certificate of the far end, by the error its handshake ended with. */
const certificates = new WeakMap<object, DetailedPeerCertificate>();

/** Where a URL leads to. An IPv6 address stands in brackets within a URL only. */
export function socketAddress(url: URL, isSecure: boolean, defaultPort: number): SocketAddress {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(url.port || defaultPort), isSecure };
}

/** `advance` is called when the connection stands, and again after the handshake of TLS.
 *  @throws what the system says against the address at once; the rest comes as events. */
export function openSocket(
  { host, port, isSecure }: SocketAddress,
  trust?: TlsOptions,
  advance: () => void = () => {},
): net.Socket {
  // Acknowledgements and requests are small, and somebody waits for them.
  if (!isSecure) return net.connect({ host, port }, advance).setNoDelay();
  const { serverName = net.isIP(host) === 0 ? host : undefined, ...options } = trust ?? {};
  const name = serverName === undefined ? {} : { servername: serverName };
  const socket = tls.connect({ ...(options as tls.ConnectionOptions), ...name, host, port });
  keepCertificate(socket);
  return socket.setNoDelay().once('connect', advance).once('secureConnect', advance);
}

/** Node ends the socket as soon as it has judged the certificate, so this looks at it before. The event is
 *  not documented: where it does not come, advice goes without names and dates. */
export function keepCertificate(socket: tls.TLSSocket): void {
  let seen: DetailedPeerCertificate | null = null;
  socket.prependListener('secure', () => {
    seen = socket.getPeerCertificate(true);
  });
  socket.prependListener('error', (error: Error) => {
    if (seen !== null) certificates.set(error, seen);
  });
}

/** The certificate that the handshake behind `error` met, with its chain; null where none was seen. */
export function certificateBehind(error: unknown): DetailedPeerCertificate | null {
  let inner = error;
  for (let depth = 0; depth < 5 && typeof inner === 'object' && inner !== null; depth++) {
    const found = certificates.get(inner);
    if (found !== undefined) return found;
    inner = (inner as { cause?: unknown }).cause;
  }
  return null;
}
