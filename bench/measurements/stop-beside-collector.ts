/** How long a gateway takes to end after SIGTERM while the collector of its metrics no longer answers. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { scratchFolder } from './scratch.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/headgate.ts', import.meta.url));
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
  const config = `${scratch.nextFile()}.json`;
  const otlp = { url: `http://127.0.0.1:${port}`, intervalMs: EXPORT_EVERY_MS };
  const storage = { path: scratch.nextFile() };
  const sources = { clock: { type: 'simulated', intervalMs: 10 } };
  writeFileSync(config, JSON.stringify({ storage, metrics: { otlp }, sources }), { mode: 0o600 });

  const hanging = once(server, 'hanging');
  const args = [COMMAND, 'run', config];
  const gateway = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = text(gateway.stderr);
  const ended = once(gateway, 'close') as Promise<[number | null]>;
  await Promise.race([hanging, ended]);
  const askedMs = performance.now();
  gateway.kill('SIGTERM');
  const [exitCode] = await ended;
  const stopMs = performance.now() - askedMs;
  server.closeAllConnections();
  server.close();
  if (exitCode !== 0) throw new Error(`the gateway ended with ${exitCode}: ${await said}`);
  return stopMs;
}
