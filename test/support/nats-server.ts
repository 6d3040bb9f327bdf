/** Debian's nats-server with JetStream, as a process of its own on a free port of 127.0.0.1, which it keeps
 *  over a restart, as it does its store. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './mqtt-brokers.ts';

const NATS_SERVER = [
  '/usr/sbin/nats-server',
  '/usr/local/bin/nats-server',
  '/opt/homebrew/bin/nats-server',
].find(existsSync);

export interface NatsServer {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port and store. */
  restart(): Promise<void>;
  /** Ends it and removes its store. */
  dispose(): Promise<void>;
}

const STARTS_MAX = 5;

/** `config`: further lines of its configuration file. */
export async function startNatsServer(config: readonly string[] = []): Promise<NatsServer> {
  if (NATS_SERVER === undefined)
    throw new Error('nats-server is not installed (apt-get install nats-server)');
  const server = NATS_SERVER;
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-nats-'));
  let port = await freePort();
  let child: ChildProcess | null = null;
  const killChild = () => child?.kill('SIGKILL');
  process.on('exit', killChild);

  const launch = async (): Promise<boolean> => {
    const file = path.join(folder, 'server.conf');
    const lines = [`listen: 127.0.0.1:${port}`, `jetstream { store_dir: "${folder}/store" }`, ...config];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const started = spawn(server, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    return untilReady(started);
  };
  const kill = async () => {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null) return;
    ending.kill('SIGKILL');
    await once(ending, 'exit');
  };

  // Another process may take a free port before the server does.
  for (let start = 1; !(await launch()); start++) {
    if (start === STARTS_MAX) throw new Error(`nats-server did not start in ${STARTS_MAX} tries`);
    port = await freePort();
  }
  return {
    get port() {
      return port;
    },
    get address() {
      return `127.0.0.1:${port}`;
    },
    kill,
    async restart() {
      await kill();
      if (!(await launch())) throw new Error(`nats-server did not start again on port ${port}`);
    },
    async dispose() {
      await kill();
      process.off('exit', killChild);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether it came up. Its output is read to the end, or it would block on a full pipe. */
async function untilReady(child: ChildProcess): Promise<boolean> {
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  return new Promise((resolve) => {
    lines.on('line', (line) => {
      if (line.includes('Server is ready')) resolve(true);
    });
    child.on('exit', () => resolve(false));
    child.on('error', () => resolve(false));
  });
}
