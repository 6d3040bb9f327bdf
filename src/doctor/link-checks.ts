/** Whether what a configuration leads to is there and lets the gateway in. Credentials that are refused are
 *  told apart from a service that is not there. */

import { access, constants, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { mqttJsTransport } from '../../actors/sources/mqtt/mqtt-js-transport.ts';
import { connectionSchema, resolveConnection } from '../../actors/protocols/mqtt/options.ts';
import type { Clock } from '../domain/clock.ts';
import { HeadgateError, messageOf } from '../domain/errors.ts';
import { ok, problem, warning, type Check, type Verdict } from './check.ts';
import type { Link } from './links.ts';
import { openSocket, placeOf, unreachable } from './probe.ts';

/** The time by another machine's clock: an answer that bears one. */
export interface ForeignTime {
  readonly host: string;
  readonly theirWallMs: number;
  readonly ourWallMs: number;
  /** How long the question took: the two may differ by so much and be right. */
  readonly tookMs: number;
}

const CREDENTIALS = 'correct the user name, password, token or access list';

/** @param heard is told of every clock that an answer shows */
export function linkChecks(
  links: readonly Link[],
  clock: Clock,
  heard: (time: ForeignTime) => void,
): Check[] {
  return links.map((link) => ({
    subject: link.subject,
    isService: link.kind !== 'file',
    run: (signal) => look(link, clock, heard, signal),
  }));
}

async function look(
  link: Link,
  clock: Clock,
  heard: (time: ForeignTime) => void,
  signal: AbortSignal,
): Promise<Verdict> {
  if (link.kind === 'file') return fileVerdict(link);
  const url = new URL(link.url);
  if (link.kind === 'nats') return natsVerdict(url, signal);
  const away = await unreachable(placeOf(url), signal);
  if (away !== null) return away;
  if (link.kind === 'mqtt') return mqttVerdict(link, clock, signal);
  if (link.kind === 'http') return httpVerdict(link, url, clock, heard, signal);
  return webSocketVerdict(link, url, signal);
}

/** Connects under a name of its own, with a session that ends with it: the gateway's own is not disturbed. */
function mqttVerdict(
  link: Extract<Link, { kind: 'mqtt' }>,
  clock: Clock,
  signal: AbortSignal,
): Promise<Verdict> {
  const { url, username, password, protocolVersion, tls } = link;
  const clientId = `headgate-doctor-${process.pid}-${Math.trunc(clock.monotonicMs())}`;
  const fields = connectionSchema.parse({ url, username, password, protocolVersion, tls, clientId });
  const options = { ...resolveConnection(fields), session: { takenIds: new Set<number>() } };
  return new Promise((resolve) => {
    const mqtt = mqttJsTransport(
      options,
      {
        opened: () => {
          resolve(ok(`the broker ${options.url.host} accepts the connection`));
          void mqtt.close();
        },
        message: () => true,
        closed: (error) => resolve(mqttRefusal(error)),
      },
      clock,
    );
    signal.addEventListener('abort', () => void mqtt.close(), { once: true });
  });
}

function mqttRefusal(error: Error): Verdict {
  if (error instanceof HeadgateError && error.code === 'HG_LINK_UNAUTHORISED') {
    return refusedCredentials(error.message);
  }
  return problem(error.message, 'see that it is an MQTT broker, and what its log says');
}

async function httpVerdict(
  link: Extract<Link, { kind: 'http' | 'websocket' }>,
  url: URL,
  clock: Clock,
  heard: (time: ForeignTime) => void,
  signal: AbortSignal,
): Promise<Verdict> {
  const method = link.method === 'GET' ? 'GET' : 'HEAD';
  const beganMs = clock.monotonicMs();
  const answer = await fetch(bare(url), {
    method,
    headers: { ...basicOf(url), ...link.headers },
    redirect: 'manual',
    signal,
  });
  const tookMs = clock.monotonicMs() - beganMs;
  const theirWallMs = Date.parse(answer.headers.get('date') ?? '');
  if (Number.isFinite(theirWallMs)) {
    heard({ host: url.host, theirWallMs, ourWallMs: clock.wallMs(), tookMs });
  }
  await answer.body?.cancel();
  return statusVerdict(answer.status, url.host, method);
}

function statusVerdict(status: number, host: string, method: string): Verdict {
  const is = `${host} answers ${status}`;
  if (status === 401 || status === 403)
    return refusedCredentials(`${host} refuses the credentials (${status})`);
  if (status >= 500) return problem(is, 'see what the log of that server says');
  // Servers that take deliveries need not know HEAD.
  if (status >= 400 && method === 'GET') return problem(is, 'correct the path of the url');
  if (status === 404) return warning(`${is} to HEAD`, 'see that the path of the url is right');
  if (status >= 300 && status < 400) return warning(`${is}, a redirection`, 'name the address it leads to');
  return ok(is);
}

function webSocketVerdict(
  link: Extract<Link, { kind: 'http' | 'websocket' }>,
  url: URL,
  signal: AbortSignal,
): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = new WebSocket(bare(url), { headers: { ...basicOf(url), ...link.headers } });
    const end = (verdict: Verdict) => {
      resolve(verdict);
      socket.terminate();
    };
    socket.on('open', () => end(ok(`${url.host} opens the WebSocket`)));
    socket.on('unexpected-response', (_request, response) => {
      const status = response.statusCode ?? 0;
      const isRefused = status === 401 || status === 403;
      end(
        isRefused
          ? refusedCredentials(`${url.host} refuses the credentials (${status})`)
          : problem(`${url.host} answers ${status} and opens no WebSocket`, 'correct the path of the url'),
      );
    });
    socket.on('error', (error) => end(problem(messageOf(error), 'see that it is a WebSocket server')));
    signal.addEventListener('abort', () => socket.terminate(), { once: true });
  });
}

/** A NATS server speaks first. */
async function natsVerdict(url: URL, signal: AbortSignal): Promise<Verdict> {
  const opened = await openSocket(placeOf(url), signal);
  if (!('socket' in opened)) return opened;
  const { socket } = opened;
  try {
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    for await (const line of createInterface({ input: socket })) {
      if (line.startsWith('INFO ')) return ok(`${url.host} is a NATS server; its credentials were not tried`);
      break;
    }
    return problem(`${url.host} answers, but not as a NATS server`, 'correct host and port');
  } finally {
    socket.destroy();
  }
}

async function fileVerdict({ path, isWritten }: Extract<Link, { kind: 'file' }>): Promise<Verdict> {
  if (isWritten) {
    const folder = dirname(path);
    try {
      await access(folder, constants.W_OK);
      return ok(`${folder} can be written`);
    } catch (error) {
      return problem(
        `${folder} cannot be written (${(error as NodeJS.ErrnoException).code ?? messageOf(error)})`,
        'create it, or give it to the user that runs the gateway',
      );
    }
  }
  const found = await stat(path).catch(() => null);
  if (found === null) return warning(`there is no ${path} yet`, 'nothing is read until it is there');
  try {
    await access(path, constants.R_OK);
    return ok(`${path} can be read`);
  } catch {
    return problem(`${path} cannot be read`, 'let the user that runs the gateway read it');
  }
}

/** Not a matter of the service: what it was told is wrong. */
function refusedCredentials(message: string): Verdict {
  return { ...problem(message, CREDENTIALS), isOurFault: true };
}

function bare(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain;
}

function basicOf({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}
