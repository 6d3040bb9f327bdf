/** The gateway as an operator starts it, `headgate run FILE` in a process of its own, looked at from
 *  outside: its address, its log, its files, its memory. */

import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { HEADGATE } from '../support/command-line.ts';
import { until, within } from '../chaos/rig/until.ts';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;

type Section = Readonly<Record<string, unknown>>;
export type GatewayConfig = Readonly<Record<string, Section | readonly Section[]>>;

export interface GatewayStart {
  /** Sections of the configuration, laid over {@link PLAIN}. */
  readonly config?: GatewayConfig;
  /** Beside the configuration, by name; mode 0600. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs it, as prlimit does. */
  readonly under?: readonly string[];
}

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly token?: string;
  /** Take the place of what would be sent otherwise, Host included. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** What the text says as JSON; undefined where it is none. */
  readonly json: unknown;
}

export interface GatewayProcess {
  readonly pid: number;
  readonly port: number;
  readonly folder: string;
  /** The database. */
  readonly file: string;
  ask(asked: Asked): Promise<Answer>;
  /** All it has written, stdout and stderr. */
  log(): string;
  /** Lines of the log, each as JSON. @throws where one is none */
  logLines(): Record<string, unknown>[];
  /** Bytes of memory it holds now. */
  residentBytes(): number;
  /** SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Something to ask and to send to, with limits that are not in the way of many questions from one address.
 */
const PLAIN: GatewayConfig = {
  storage: { path: 'edge.db' },
  sources: { line: { type: 'push', decode: 'json' } },
  http: { port: 0, limits: { requestsPerSecondMax: 100_000, failedLoginsPerMinuteMax: 1_000_000 } },
};

/** @throws Error with what it wrote, where it does not come up. */
export async function startGateway(start: GatewayStart = {}): Promise<GatewayProcess> {
  const { program, folder, end, output, dispose } = launch(start);
  try {
    const url = () => /"url":"(https?:\/\/[^"]+)"/.exec(output())?.[1];
    const gone = end.then((code) => {
      throw new Error(`the gateway ended with ${code}: ${output()}`);
    });
    gone.catch(() => {});
    await Promise.race([until('the gateway runs', START_MS_MAX, () => url() !== undefined), gone]);
    const port = Number(new URL(url() as string).port);
    const pid = program.pid as number;
    return {
      ...{ pid, port, folder, file: join(folder, 'edge.db') },
      ask: (asked) => ask(port, asked),
      log: output,
      logLines: () =>
        output()
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Record<string, unknown>),
      residentBytes: () => residentBytesOf(pid),
      async stop() {
        program.kill('SIGTERM');
        return within(STOP_MS_MAX, 'the gateway stops', end);
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

export interface Refusal {
  readonly code: number | null;
  readonly output: string;
}

/** Starts it where it should not come up; resolves when it has ended. */
export async function refusedStart(start: GatewayStart | string): Promise<Refusal> {
  const { end, output, dispose } = launch(start);
  try {
    return { code: await within(START_MS_MAX, 'the gateway ends', end), output: output() };
  } finally {
    await dispose();
  }
}

/** `start` as text is the configuration as it is, in YAML. */
function launch(start: GatewayStart | string) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-security-'));
  const isText = typeof start === 'string';
  const { config = {}, files = {}, env = {}, under = [] }: GatewayStart = isText ? {} : start;
  const name = isText ? 'headgate.yaml' : 'headgate.json';
  const text = isText ? start : JSON.stringify(laidOver(PLAIN, config), null, 2);
  for (const [path, content] of Object.entries({ ...files, [name]: text })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content, { mode: 0o600 });
  }
  const [command, ...args] = [...under, process.execPath, HEADGATE, 'run', name];
  const program = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => (written += chunk));
  }
  const end = once(program, 'close').then(([code]) => code as number | null);
  return {
    ...{ program, folder, end },
    output: () => written,
    dispose: async () => {
      program.kill('SIGKILL');
      await end;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One level deep: a section that is given has its own fields, and those of the other one that it leaves
 *  out. */
function laidOver(under: GatewayConfig, over: GatewayConfig): GatewayConfig {
  const sections = Object.entries(over).map(([name, section]) => {
    const below = under[name];
    return [name, isSection(section) && isSection(below) ? { ...below, ...section } : section];
  });
  return { ...under, ...Object.fromEntries(sections) };
}

function isSection(value: GatewayConfig[string] | undefined): value is Section {
  return value !== undefined && !Array.isArray(value);
}

const ASK_MS_MAX = 30_000;

/** Asks over a connection of its own; nothing is followed, decoded or added but Host and the token. */
export async function ask(
  port: number,
  { method = 'GET', path, token, headers, body }: Asked,
): Promise<Answer> {
  const request = http.request({
    ...{ host: '127.0.0.1', port, method, path, agent: false, setHost: false },
    headers: {
      host: `127.0.0.1:${port}`,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
  });
  // An answer that comes before the whole question is one.
  request.on('error', () => {});
  request.end(body);
  const [response] = (await within(
    ASK_MS_MAX,
    `${method} ${path} is answered`,
    once(request, 'response'),
  )) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function residentBytesOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

export interface TestToken {
  readonly token: string;
  /** As `auth.tokens` has it. */
  readonly stored: Section;
}

export function testToken(name: string, scopes: readonly string[], more: Section = {}): TestToken {
  const token = `hg_${randomBytes(32).toString('base64url')}`;
  const hash = `sha256:${createHash('sha256').update(token).digest('hex')}`;
  return { token, stored: { name, hash, scopes, ...more } };
}

/** All bytes of all files under a folder, as Latin-1 text: where a secret would show, however it was
 *  written. */
export function bytesUnder(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return new Map(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path, readFileSync(path, 'latin1')]),
  );
}
