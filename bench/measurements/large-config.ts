/** A configuration of very many sources: how long it takes to read, and how long the event loop of a gateway
 *  keeps others waiting while it is reloaded. */

import { get } from 'node:http';
import { readConfig } from '../../src/gateway/config/read-config.ts';
import { startBenchGateway, writeConfig } from './gateway-process.ts';
import { scratchFolder } from './scratch.ts';

const ASK_EVERY_MS = 5;

/** Milliseconds that reading `sources` push sources takes, written as YAML; one value a run, after a
 *  warm-up. */
export async function measureConfigReading(runs: number, sources: number): Promise<number[]> {
  const names = Array.from({ length: sources }, (_, index) => `  s${index}:\n    type: push\n`);
  const text = `sources:\n${names.join('')}`;
  const readMs: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const startedMs = performance.now();
    const reading = readConfig(text, { format: 'yaml', file: '/etc/headgate.yaml', env: {} });
    if (!reading.ok) throw new Error('the configuration was not read');
    if (run > 0) readMs.push(performance.now() - startedMs);
  }
  return readMs;
}

/** The longest wait, in milliseconds, for an answer of `/healthz` while a gateway of one push source reloads
 *  to `sources` of them. It is asked again as soon as it has answered. */
export async function measureReload(sources: number): Promise<{ worstMs: number; reloadMs: number }> {
  using scratch = scratchFolder();
  const file = `${scratch.nextFile()}.json`;
  const storage = { path: scratch.nextFile() };
  const config = (count: number) => ({
    ...{ storage, http: { port: 0, limits: { requestsPerSecondMax: 100_000 } } },
    sources: Object.fromEntries(Array.from({ length: count }, (_, index) => [`s${index}`, { type: 'push' }])),
  });
  const gateway = startBenchGateway(file, config(1));
  const { url } = await gateway.said('the gateway runs');
  for (let warmUp = 0; warmUp < 50; warmUp++) await ask(`${String(url)}/healthz`);
  writeConfig(file, config(sources));
  const startedMs = performance.now();
  let isOver = false;
  const over = gateway.said('the new configuration runs').then(() => {
    isOver = true;
    return performance.now() - startedMs;
  });
  let worstMs = 0;
  while (!isOver) {
    worstMs = Math.max(worstMs, await ask(`${String(url)}/healthz`));
    await new Promise((resolve) => void setTimeout(resolve, ASK_EVERY_MS));
  }
  const reloadMs = await over;
  await gateway.stop();
  return { worstMs, reloadMs };
}

/** Milliseconds until the answer has come. */
function ask(url: string): Promise<number> {
  const askedMs = performance.now();
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      response.resume();
      response.on('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - askedMs);
        else reject(new Error(`${url} answered ${response.statusCode}`));
      });
    }).on('error', reject);
  });
}
