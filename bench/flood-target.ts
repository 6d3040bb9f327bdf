/** Another's server, for the attacker of the ingest benchmarks to attack: what the attack takes of the
 *  machine is then the same, and nothing of it reaches the engine. Prints its port. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const server = createServer((request, response) => request.resume().on('end', () => response.end()));
const sockets = new WebSocketServer({ server, maxPayload: 256 * 1024, perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data) => socket.send(`${(data as Buffer).length}`));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
