/** One field: a publisher, a real Mosquitto, a proxy that keeps the accounts, and a place for databases. The
 *  engine is for the tests to start and to kill. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { startMosquitto, type MosquittoBroker } from '../../support/mqtt-brokers.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { createAckLedger, type AckLedger } from './ack-ledger.ts';
import { startChild, type ChildProgram, type HarnessChild } from './child.ts';
import { startOracle, type Oracle } from './oracle.ts';
import { holdsWithin, until, within } from './until.ts';
import { damageOf, isStored, judge, type Verdict } from './verdict.ts';

const CLIENT_ID = 'gateway';
const TOPIC = 'chaos/readings';
const KEEPALIVE_SECONDS = 2;
/** Nothing new for so long, while something is owed: the broker will not bring it any more. */
const PLATEAU_MS = 5_000;
const RECOVERY_MS_MAX = 60_000;
const LIVENESS_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;

export interface FieldOptions {
  /** The database is in a folder of this field's own unless one is given here. */
  readonly folder?: string;
  readonly keepaliveSeconds?: number;
}

export interface StartOptions {
  readonly program?: ChildProgram;
  /** Beside the field's own. */
  readonly file?: string;
  /** A command that runs the engine, as strace does. */
  readonly under?: readonly string[];
  /** The engine has sources of its own that can flood it. */
  readonly floods?: boolean;
  /** Records go after so long. */
  readonly recordAgeMsMax?: number;
}

export interface Field {
  readonly broker: MosquittoBroker;
  readonly proxy: TcpProxy;
  readonly oracle: Oracle;
  readonly ledger: AckLedger;
  /** A folder that is gone after the field. */
  readonly folder: string;
  /** The database of the engine. */
  readonly file: string;
  start(options?: StartOptions): HarnessChild;
  /** Starts the engine and waits until the broker has welcomed it. */
  startConnected(options?: StartOptions): Promise<HarnessChild>;
  /** Pauses the publisher, waits until nothing is owed any more or nothing more comes, asks for a fresh
   *  message to come through, stops the engine in order, and judges. `files`: databases, the field's own by
   *  default. */
  settle(engine: HarnessChild, files?: readonly string[]): Promise<Settled>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Settled extends Verdict {
  /** A message published after all faults was stored in time. */
  readonly isAlive: boolean;
  /** What checksums, chain and mark tell of the files; empty where all is whole, or another program wrote
   *  them.
   *  */
  readonly damage: readonly string[];
  /** Exit code of the engine after SIGTERM; null where it had to be killed. */
  readonly exitCode: number | null;
}

export async function startField(options: FieldOptions = {}): Promise<Field> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-'));
  const parts = new AsyncDisposableStack();
  parts.defer(() => rmSync(folder, { recursive: true, force: true }));
  try {
    const broker = await startMosquitto({
      config: ['max_inflight_messages 1000', 'max_queued_bytes 0', 'autosave_interval 1'],
    });
    parts.defer(() => broker.dispose());
    const ledger = createAckLedger();
    const proxy = await startTcpProxy(broker.port, { tap: () => ledger.tap() });
    parts.defer(() => proxy.close());
    await beginSession(broker.url);
    const oracle = await startOracle(broker.url, TOPIC);
    parts.defer(() => oracle.close());
    return assemble({ broker, proxy, oracle, ledger, folder }, parts, options);
  } catch (error) {
    await parts.disposeAsync();
    throw error;
  }
}

/** Makes the broker keep messages for the engine from the first on, whenever the engine comes. */
async function beginSession(url: string): Promise<void> {
  const client = await mqtt.connectAsync(url, { clientId: CLIENT_ID, clean: false });
  await client.subscribeAsync(TOPIC, { qos: 1 });
  await client.endAsync();
}

type FieldParts = Pick<Field, 'broker' | 'proxy' | 'oracle' | 'ledger' | 'folder'>;

function assemble(own: FieldParts, parts: AsyncDisposableStack, options: FieldOptions): Field {
  const { proxy, oracle, ledger } = own;
  const file = join(options.folder ?? own.folder, 'edge.db');
  const children = new Set<HarnessChild>();
  parts.defer(async () => {
    await Promise.all([...children].map((child) => child.kill()));
  });
  const start = ({ program = 'engine', file: other, under, floods = false, ...rest }: StartOptions = {}) => {
    const settings = {
      ...rest,
      floods,
      file: other ?? file,
      url: `mqtt://127.0.0.1:${proxy.port}`,
      topic: TOPIC,
      clientId: CLIENT_ID,
      keepaliveSeconds: options.keepaliveSeconds ?? KEEPALIVE_SECONDS,
    };
    const child = startChild(program, settings, under);
    children.add(child);
    void child.ended.then(() => children.delete(child));
    return child;
  };
  return {
    ...own,
    file,
    start,
    async startConnected(startOptions) {
      const before = ledger.sessions;
      const child = start(startOptions);
      await child.answered('started');
      await until('the broker welcomes the engine', RECOVERY_MS_MAX, () => ledger.sessions > before);
      return child;
    },
    async settle(engine, files = [file]) {
      oracle.setRate(0);
      await until('the broker acknowledges all', RECOVERY_MS_MAX, () => oracle.settled());
      await plateau(oracle, ledger);
      const fresh = oracle.publishOne();
      const isAlive = await holdsWithin(LIVENESS_MS_MAX, () => files.some((one) => isStored(one, fresh)), 50);
      engine.signal('SIGTERM');
      const end = await within(STOP_MS_MAX, 'the engine stops', engine.ended).catch(() => null);
      if (end === null) await engine.kill();
      const ours = engine.program === 'engine' ? files : [];
      const judged = { ...judge(oracle, ledger, files), damage: await damageOf(ours) };
      return { ...judged, isAlive, exitCode: end?.code ?? null };
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Resolves when all that is owed is acknowledged, or nothing has moved for a while. */
async function plateau(oracle: Oracle, ledger: AckLedger): Promise<void> {
  const isDone = () => [...oracle.takenByBroker].every((id) => ledger.acknowledged.has(id));
  let moved = -1;
  while (!isDone() && moved !== ledger.pubacks + ledger.delivered.size) {
    moved = ledger.pubacks + ledger.delivered.size;
    await holdsWithin(PLATEAU_MS, isDone, 50);
  }
}
