/** Opens a WebSocket as a client whose large messages are rewritten on their way in; see
 *  web-socket-frames.ts. */

import { Duplex } from 'node:stream';
import { WebSocket, type ClientOptions } from 'ws';
import { openSocket, socketAddress, type TlsOptions } from './open-socket.ts';
import { webSocketFrames, type FrameRule, type WebSocketFrames } from './web-socket-frames.ts';

export interface WebSocketPlan {
  readonly url: URL;
  readonly protocols: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions | undefined;
  readonly rule: FrameRule;
  /** Bytes of one message that ws takes. */
  readonly messageBytesMax: number;
  /** Bytes came. */
  readonly alive: () => void;
  /** A step of the opening is done: connection, TLS handshake, WebSocket handshake. */
  readonly advance?: () => void;
}

export interface OpenedWebSocket {
  readonly socket: WebSocket;
  readonly frames: WebSocketFrames;
}

const PORT = 80;
const SECURE_PORT = 443;

export function webSocketPort(isSecure: boolean): number {
  return isSecure ? SECURE_PORT : PORT;
}

/** The first answer of the far end, in messages about an opening that takes too long. */
export const WEB_SOCKET_ANSWER = 'answer to the WebSocket handshake';

/** @throws what the system says against the address at once; the rest comes as events. */
export function openWebSocket(plan: WebSocketPlan): OpenedWebSocket {
  const { url, protocols, headers, tls, rule, messageBytesMax, alive, advance } = plan;
  const frames = webSocketFrames(rule);
  const isSecure = url.protocol === 'wss:';
  const address = socketAddress(url, isSecure, webSocketPort(isSecure));
  const socket = new WebSocket(url, [...protocols], {
    headers: { ...headers },
    maxPayload: messageBytesMax,
    // Frames that are compressed cannot be rewritten, and each connection would cost memory.
    perMessageDeflate: false,
    followRedirects: false,
    // A text that is cut may end within a character. Whoever takes messages checks those that are whole.
    skipUTF8Validation: true,
    createConnection: (() =>
      new FrameSocket(openSocket(address, tls, advance), frames, alive)) as unknown as NonNullable<
      ClientOptions['createConnection']
    >,
  });
  if (advance !== undefined) socket.once('open', advance);
  return { socket, frames };
}

/** The stream between ws and the wire. While ws takes nothing, nothing is read. */
class FrameSocket extends Duplex {
  readonly #wire: Duplex;

  constructor(wire: Duplex, frames: WebSocketFrames, alive: () => void) {
    super({ allowHalfOpen: false });
    this.#wire = wire;
    wire.on('data', (bytes: Buffer) => {
      alive();
      let hasRoom = true;
      for (const piece of frames.push(bytes)) hasRoom = this.push(piece);
      if (!hasRoom) wire.pause();
    });
    wire.on('end', () => this.push(null));
    wire.on('error', (error: Error) => this.destroy(error));
    wire.on('close', () => this.destroy());
  }

  override _read(): void {
    this.#wire.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#wire.write(bytes, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#wire.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wire.destroy();
    done(error);
  }
}
