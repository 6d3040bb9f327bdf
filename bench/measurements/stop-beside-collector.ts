/** How long a gateway takes to end after SIGTERM while the collector of its metrics no longer answers. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startBenchGateway } from './gateway-process.ts';
import { scratchFolder } from './scratch.ts';

const EXPORT_EVERY_MS = 200;

/** Milliseconds from SIGTERM to the end of the process, once the collector has taken one export and left the
 *  next one unanswered. @throws Error where the gateway fails or does not end with 0 */
export async function measureStopBesideCollector(): Promise<number> {
  using scratch = scratchFolder();
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume();
    requests++;
    if (requests === 1) response.end('{}');
    else server.emit('hanging');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const hanging = once(server, 'hanging');
  const gateway = startBenchGateway(`${scratch.nextFile()}.json`, {
    storage: { path: scratch.nextFile() },
    http: { port: 0 },
    metrics: { otlp: { url: `http://127.0.0.1:${port}`, intervalMs: EXPORT_EVERY_MS } },
    sources: { clock: { type: 'simulated', intervalMs: 10 } },
  });
  await gateway.said('the gateway runs');
  await hanging;
  const askedMs = performance.now();
  await gateway.stop();
  const stopMs = performance.now() - askedMs;
  server.closeAllConnections();
  server.close();
  return stopMs;
}
