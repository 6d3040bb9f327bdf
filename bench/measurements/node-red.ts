/** Messages a second through Node-RED: MQTT in, JSON, a function that filters and transforms, a function that
 *  counts. It runs as its users run it, as a process of its own, and stores nothing. */

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startMqttField } from './mqtt-field.ts';
import { countPassing, isWarm } from './readings.ts';

export interface NodeRedOptions {
  readonly warmUpMessages: number;
  readonly messages: number;
}

const PEERS = fileURLToPath(new URL('../peers/', import.meta.url));
const NODE_RED = join(PEERS, 'node_modules/node-red/red.js');
const INSTALL = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
const ANSWER_MS_MAX = 60_000;
const LINES_KEPT = 30;

export function isNodeRedInstalled(): boolean {
  return existsSync(NODE_RED);
}

/** Installs it from the lockfile beside it, unless it is there. Returns why it cannot be, or null. */
export function installNodeRed(): string | null {
  if (isNodeRedInstalled()) return null;
  const { status, error, stderr } = spawnSync('npm', INSTALL, { cwd: PEERS, encoding: 'utf8' });
  if (status === 0) return null;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1) ?? `npm ended with ${status}`;
  return `Node-RED cannot be installed (npm ${INSTALL[0]} in bench/peers): ${reason}`;
}

/** @throws Error where Node-RED does not come up, or messages do not come through it. */
export async function measureNodeRed({ warmUpMessages, messages }: NodeRedOptions): Promise<number> {
  await using field = await startMqttField();
  await field.fill({ qos: 0, messages: warmUpMessages + messages });
  const userDir = mkdtempSync(join(tmpdir(), 'headgate-node-red-'));
  copyFileSync(join(PEERS, 'node-red-flow.json'), join(userDir, 'flow.json'));
  const child = spawn(process.execPath, [NODE_RED, '--settings', join(PEERS, 'node-red-settings.cjs')], {
    cwd: userDir,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      NODE_ENV: 'production',
      BENCH_USER_DIR: userDir,
      BENCH_MQTT_PORT: String(field.port),
      BENCH_WARM_UP: String(countPassing(warmUpMessages, isWarm)),
      BENCH_MESSAGES: String(countPassing(warmUpMessages + messages, isWarm)),
    },
  });
  const kill = () => child.kill('SIGKILL');
  process.on('exit', kill);
  try {
    const said = listen(child);
    const [, ms] = await said(/^bench: (\S+) ms/);
    return (messages / Number(ms)) * 1_000;
  } finally {
    const ended = once(child, 'exit');
    if (child.exitCode === null && child.signalCode === null) {
      kill();
      await ended;
    }
    process.off('exit', kill);
    rmSync(userDir, { recursive: true, force: true });
  }
}

/** Waits for a line that a process says, now or before; the latest lines are kept for that. */
function listen(child: ChildProcess): (wanted: RegExp) => Promise<RegExpExecArray> {
  let lines: string[] = [];
  let onLine = () => {};
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    lines = [...lines.slice(1 - LINES_KEPT), line];
    onLine();
  });
  return (wanted) =>
    new Promise((resolve, reject) => {
      const giveUp = (why: string) => {
        clearTimeout(timer);
        onLine = () => {};
        reject(new Error(`Node-RED ${why}; it said:\n${lines.join('\n')}`));
      };
      const timer = setTimeout(giveUp, ANSWER_MS_MAX, `did not come to ${wanted}`);
      child.once('exit', () => giveUp('ended'));
      onLine = () => {
        const found = lines.map((line) => wanted.exec(line)).find((match) => match !== null);
        if (found === undefined) return;
        clearTimeout(timer);
        onLine = () => {};
        resolve(found);
      };
      onLine();
    });
}
