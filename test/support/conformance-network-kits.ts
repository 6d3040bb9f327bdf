/** Kits of the conformance suite whose far ends are real: an HTTP server, a WebSocket server, a file. Ports
 *  and paths are kept over a cut. */

import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { fileSource } from '../../actors/sources/file/file-source.ts';
import { httpSource } from '../../actors/sources/http/http-source.ts';
import { webSocketSource } from '../../actors/sources/websocket-source.ts';
import type { ConformanceField, ConformanceKit } from '../../src/testing/conformance-kit.ts';
import { simulatedHttp } from '../../src/testing/simulated-http.ts';
import { declares, ownOptions } from './conformance-kits.ts';

const UNDECODABLE = '{"a":';

const HTTP_ABILITIES = declares('pushback', 'decodes', 'decode-function', 'connects', 'reconnects', 'hangs');

/** Each poll is answered with the next value, or with 204 where there is none. */
export const httpKit: ConformanceKit = {
  name: 'an HTTP source',
  clock: 'real',
  declares: HTTP_ABILITIES,
  async open() {
    const bodies: string[] = [];
    let isSilent = false;
    const server = createServer((_, response: ServerResponse) => {
      if (isSilent) return;
      const body = bodies.shift();
      response.writeHead(body === undefined ? 204 : 200).end(body);
    });
    // Connections that wait for the next poll are kept open by both sides, and keep no process alive.
    server.on('connection', (socket) => socket.unref());
    const listen = async (port: number) => {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    };
    const port = await listen(0);
    const hangUp = async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    };
    return {
      source: (overrides) =>
        httpSource({ ...overrides, url: `http://127.0.0.1:${port}/next`, intervalMs: 1 }),
      feed: async (values) => void bodies.push(...values.map(String)),
      spoil: async () => void bodies.push(UNDECODABLE),
      cut: hangUp,
      async silence() {
        isSilent = true;
      },
      async restore() {
        isSilent = false;
        if (!server.listening) await listen(port);
      },
      close: hangUp,
    };
  },
};

export const simulatedHttpKit: ConformanceKit = {
  name: 'an HTTP source before a simulated server',
  clock: 'virtual',
  declares: HTTP_ABILITIES,
  async open(clock) {
    const bodies: string[] = [];
    let fault: 'refused' | 'silent' | null = null;
    const server = simulatedHttp(clock, () => {
      if (fault !== null) return { fault };
      const body = bodies.shift();
      return body === undefined ? { status: 204 } : { body, delayMs: 1 };
    });
    const behave = (next: typeof fault) => async () => {
      fault = next;
    };
    return {
      source: (overrides) =>
        httpSource({ ...overrides, url: 'http://sensor/next', intervalMs: 2, transport: server.transport }),
      feed: async (values) => void bodies.push(...values.map(String)),
      spoil: async () => void bodies.push(UNDECODABLE),
      cut: behave('refused'),
      silence: behave('silent'),
      restore: behave(null),
      close: async () => {},
    };
  },
};

export const webSocketKit: ConformanceKit = {
  name: 'a WebSocket source',
  clock: 'real',
  declares: declares('pushback', 'decodes', 'decode-function', 'connects', 'reconnects', 'hangs'),
  async open() {
    let isSilent = false;
    const unanswered: Duplex[] = [];
    const start = async (port: number): Promise<WebSocketServer> => {
      const server = new WebSocketServer({
        port,
        host: '127.0.0.1',
        verifyClient: ({ req }, accept) => {
          if (isSilent) unanswered.push(req.socket);
          else accept(true);
        },
      });
      server.on('connection', (client) => client.on('error', () => {}));
      await once(server, 'listening');
      return server;
    };
    let server: WebSocketServer | null = await start(0);
    const { port } = server.address() as AddressInfo;
    const send = (messages: readonly string[]) => {
      for (const client of server?.clients ?? []) for (const message of messages) client.send(message);
    };
    const hangUp = async () => {
      const ending = server;
      server = null;
      if (ending === null) return;
      const closed = once(ending, 'close');
      for (const client of ending.clients) client.terminate();
      for (const socket of unanswered.splice(0)) socket.destroy();
      ending.close();
      await closed;
    };
    return {
      source: (overrides) => webSocketSource({ ...overrides, url: `ws://127.0.0.1:${port}/feed` }),
      feed: async (values) => send(values.map(String)),
      spoil: async () => send([UNDECODABLE]),
      cut: hangUp,
      async silence() {
        isSilent = true;
      },
      async restore() {
        isSilent = false;
        server ??= await start(port);
      },
      close: hangUp,
    };
  },
};

export const fileKit: ConformanceKit = {
  name: 'a file source that follows',
  clock: 'real',
  declares: declares('pushback', 'resumes', 'decodes', 'connects'),
  async open(): Promise<ConformanceField> {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-conformance-'));
    const path = join(folder, 'log');
    writeFileSync(path, '');
    const append = (lines: readonly string[]) =>
      appendFileSync(path, lines.map((line) => `${line}\n`).join(''));
    return {
      source: (overrides) => fileSource({ ...ownOptions(overrides), path, pollMs: 2 }),
      feed: async (values) => append(values.map(String)),
      spoil: async () => append([UNDECODABLE]),
      cut: async () => rmSync(path),
      restore: async () => writeFileSync(path, ''),
      close: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};
