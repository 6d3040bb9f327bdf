/** Real brokers for tests: Mosquitto as a process of its own, Aedes within this one. Both listen on a free
 *  port of 127.0.0.1 and keep it over a restart. */

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import tls from 'node:tls';
import { Aedes } from 'aedes';
import type { TestCertificates } from './mqtt-certificates.ts';

export interface BrokerOptions {
  /** Clients must give these; anyone may connect by default. */
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly certificates?: TestCertificates;
  /** With certificates: clients must show one of the same authority. */
  readonly clientCertificates?: boolean;
  /** Further lines for mosquitto.conf. */
  readonly config?: readonly string[];
}

export interface TestBroker {
  readonly name: 'mosquitto' | 'aedes';
  readonly url: string;
  readonly port: number;
  /** Ends it in order. Sessions are saved where the broker can save them. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  /** Stops it and removes what it stored. */
  dispose(): Promise<void>;
}

export interface MosquittoBroker extends TestBroker {
  /** Sends the process a signal: SIGSTOP makes it hang, SIGCONT lets it go on. */
  signal(name: NodeJS.Signals): void;
}

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find(
  existsSync,
);

/** Why tests with Mosquitto cannot run here, or null. */
export const mosquittoMissing: string | null =
  MOSQUITTO === undefined ? 'mosquitto is not installed (apt-get install mosquitto)' : null;

const STARTS_MAX = 5;

export async function startMosquitto(options: BrokerOptions = {}): Promise<MosquittoBroker> {
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-mosquitto-'));
  let port = await freePort();
  let child: ChildProcess | null = null;
  const killChild = () => child?.kill('SIGKILL');
  process.on('exit', killChild);

  const launch = async (): Promise<boolean> => {
    const file = path.join(folder, 'mosquitto.conf');
    writeFileSync(file, mosquittoConfig(folder, port, options));
    const started = spawn(MOSQUITTO as string, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    child = started;
    return untilRunning(started);
  };
  const end = async (signal: NodeJS.Signals) => {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null) return;
    ending.kill(signal);
    await once(ending, 'exit');
  };

  // Another process may take a free port before the broker does.
  for (let start = 1; !(await launch()); start++) {
    if (start === STARTS_MAX) throw new Error(`mosquitto did not start in ${STARTS_MAX} tries`);
    port = await freePort();
  }
  return {
    name: 'mosquitto',
    port,
    url: `${options.certificates === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${port}`,
    signal: (name) => void child?.kill(name),
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async restart() {
      await end('SIGTERM');
      if (!(await launch())) throw new Error(`mosquitto did not start again on port ${port}`);
    },
    async dispose() {
      await end('SIGTERM');
      process.off('exit', killChild);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether the broker came up. Its output is read to the end, or it would block on a full pipe. */
async function untilRunning(child: ChildProcess): Promise<boolean> {
  const lines = createInterface({ input: child.stderr as NodeJS.ReadableStream });
  return new Promise((resolve) => {
    lines.on('line', (line) => {
      if (line.includes(' running')) resolve(true);
    });
    child.on('exit', () => resolve(false));
    child.on('error', () => resolve(false));
  });
}

function mosquittoConfig(folder: string, port: number, options: BrokerOptions): string {
  const { credentials, certificates, clientCertificates = false, config = [] } = options;
  const lines = [
    'user root',
    `listener ${port} 127.0.0.1`,
    'persistence true',
    `persistence_location ${folder}/`,
    'max_queued_messages 0',
    'set_tcp_nodelay true',
    'log_dest stderr',
    ...config,
  ];
  if (credentials === undefined) {
    lines.push('allow_anonymous true');
  } else {
    const file = path.join(folder, 'passwords');
    writeFileSync(file, `${credentials.username}:${credentials.password}\n`, { mode: 0o600 });
    // Replaces the passwords in the file by their hashes.
    execFileSync('mosquitto_passwd', ['-U', file]);
    lines.push('allow_anonymous false', `password_file ${file}`);
  }
  if (certificates !== undefined) {
    lines.push(
      `certfile ${certificates.certFile}`,
      `keyfile ${certificates.keyFile}`,
      `cafile ${certificates.caFile}`,
    );
    lines.push(`require_certificate ${clientCertificates}`);
  }
  return `${lines.join('\n')}\n`;
}

export async function startAedes(options: BrokerOptions = {}): Promise<TestBroker> {
  const { credentials, certificates, clientCertificates = false } = options;
  let broker: Aedes | null = null;
  let server: net.Server | null = null;
  let sockets = new Set<net.Socket>();
  let port = 0;

  const launch = async () => {
    const created = await Aedes.createBroker({
      authenticate(_client, username, password, done) {
        const known =
          credentials === undefined ||
          (username === credentials.username && password?.toString() === credentials.password);
        if (known) done(null, true);
        else done(Object.assign(new Error('wrong credentials'), { returnCode: 4 }), null);
      },
    });
    const accept = (socket: net.Socket) => {
      socket.setNoDelay();
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      created.handle(socket);
    };
    const listening =
      certificates === undefined
        ? net.createServer(accept)
        : tls.createServer(
            {
              cert: readFileSync(certificates.certFile),
              key: readFileSync(certificates.keyFile),
              ca: readFileSync(certificates.caFile),
              requestCert: clientCertificates,
              rejectUnauthorized: clientCertificates,
            },
            accept,
          );
    listening.listen(port, '127.0.0.1');
    await once(listening, 'listening');
    port = (listening.address() as net.AddressInfo).port;
    broker = created;
    server = listening;
  };
  const end = async () => {
    const [ending, closing] = [broker, server];
    broker = null;
    server = null;
    if (ending === null || closing === null) return;
    for (const socket of sockets) socket.destroy();
    sockets = new Set();
    closing.close();
    await once(closing, 'close');
    await new Promise<void>((resolve) => ending.close(() => resolve()));
  };

  await launch();
  return {
    name: 'aedes',
    get port() {
      return port;
    },
    url: `${certificates === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${port}`,
    stop: end,
    kill: end,
    async restart() {
      await end();
      await launch();
    },
    dispose: end,
  };
}

/** A port nothing listens on just now. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
