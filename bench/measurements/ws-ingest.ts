/** Records a second that come over WebSockets and are acknowledged when they are stored: through ingest into
 *  an engine, and through a bare `ws` server that parses and inserts in batches. One run of one of them. */

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { bareLog, sendTo, SENDER, withIngest } from './ingest-peer.ts';
import { MESSAGE_RECORDS } from './ingest-shape.ts';
import type { SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';

export interface WsIngestOptions {
  readonly server: 'engine' | 'bare';
  readonly warmUpMessages: number;
  readonly messages: number;
}

export async function measureWsIngest(options: WsIngestOptions): Promise<number> {
  const { server, warmUpMessages, messages } = options;
  using scratch = scratchFolder();
  const path = scratch.nextFile();
  const load = { kind: 'ws', warmUp: warmUpMessages, measured: messages } as const;
  const seconds =
    server === 'engine'
      ? await withIngest(path, (ingest) => {
          const http = createServer();
          http.on('upgrade', (request, socket, head) =>
            ingest.upgrade(request, socket, head, () => SENDER, 'uploads'),
          );
          return sendTo(http, load);
        })
      : await throughBare(path, load);
  checkStored(path, (warmUpMessages + messages) * MESSAGE_RECORDS);
  return (messages * MESSAGE_RECORDS) / seconds;
}

interface Message {
  readonly id: number;
  readonly records: readonly SensorReading[];
}

async function throughBare(path: string, load: Parameters<typeof sendTo>[1]): Promise<number> {
  const log = bareLog(path);
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const { id, records } = JSON.parse(data.toString()) as Message;
      const lines = records.map((record) => JSON.stringify(record));
      log.store(lines, () => {
        socket.send(JSON.stringify({ ack: id, accepted: lines.length, rejected: 0, errors: [] }));
      });
    });
  });
  const seconds = await sendTo(http, load);
  for (const socket of server.clients) socket.terminate();
  log.close();
  return seconds;
}
