/** Other programs that remove, move or replace the files of the database, killed restores, and wrong clocks.
 */

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backupDatabase } from '../../../src/engine/backup.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { underStrace, whyNoStrace } from '../../storage/strace.ts';
import { startField, type Field } from '../rig/field.ts';
import { until, within } from '../rig/until.ts';
import { IN_FLIGHT_MS, outage } from './disk-faults.ts';
import { factsOf, moreAcks, SAFE_WITH_BROKER, type Fault } from './fault.ts';

const HEADGATE = fileURLToPath(new URL('../../../src/cli/headgate.ts', import.meta.url));
const MESSAGES_PER_SECOND = 300;
const WARM_UP_ACKS = 50;
const WAIT_MS_MAX = 30_000;
/** Two pages. */
const CUT_TO_BYTES = 8_192;
const DAY_MS = 86_400_000;
/** Longer than from one look of retention to the next. */
const RETENTION_MS = 12_000;

function alertsIn(file: string, event: string): number {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM alerts WHERE event = ?').pluck().get(event) as number;
  } finally {
    db.close();
  }
}

/** Starts an engine that has acknowledged some messages and goes on. */
async function startAtWork(field: Field) {
  const engine = await field.startConnected();
  field.oracle.setRate(MESSAGES_PER_SECOND);
  await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
  return engine;
}

const filesTaken: Fault = {
  name: 'database-files-taken',
  title: 'loses nothing where its database, log, shared memory and lock are removed or moved under it',
  expected: { ...SAFE_WITH_BROKER, alerts: { atLeast: 4 } },
  async run() {
    await using field = await startField();
    const { file } = field;
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    const steps = [
      () => rmSync(file),
      () => rmSync(`${file}-wal`),
      () => renameSync(file, `${file}.1`),
      () => rmSync(`${file}-shm`),
      () => rmSync(`${file}-lock`),
    ];
    for (const step of steps) {
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      step();
    }
    await until('acknowledgements after it', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    await until('the alerts', WAIT_MS_MAX, () => alertsIn(file, 'STORAGE_FILE_CHANGED') >= 4, 200);
    await engine.kill();
    const settled = await field.settle(await field.startConnected());
    return { ...factsOf(settled), alerts: alertsIn(file, 'STORAGE_FILE_CHANGED') };
  },
};

const databaseReplaced: Fault = {
  name: 'database-replaced',
  title: 'acknowledges nothing while another file has the name of its database, and goes on once it is back',
  expected: { ...SAFE_WITH_BROKER, acksMeanwhile: 0, alerts: { atLeast: 1 } },
  async run({ scale }) {
    await using field = await startField();
    const { file } = field;
    const engine = await startAtWork(field);
    const seen = await outage(field, scale === 'short' ? 2_000 : 10_000, {
      begin: () => {
        renameSync(file, `${file}.own`);
        writeFileSync(file, 'no database');
      },
      end: () => renameSync(`${file}.own`, file),
    });
    await until('the alert', WAIT_MS_MAX, () => alertsIn(file, 'STORAGE_FILE_CHANGED') >= 1, 200);
    const settled = await field.settle(engine);
    return { ...factsOf(settled), ...seen, alerts: alertsIn(file, 'STORAGE_FILE_CHANGED') };
  },
};

const databaseCutOff: Fault = {
  name: 'database-cut-off',
  title:
    'acknowledges nothing once its database is cut off under it, and says at the next start what is gone',
  expected: { acksMeanwhile: 0, wasUp: true, alerts: { atLeast: 1 }, isAlive: true, exitCode: 0 },
  async run({ scale }) {
    await using field = await startField();
    const { file } = field;
    const engine = await startAtWork(field);
    truncateSync(file, CUT_TO_BYTES);
    // Those of commits before it may be on their way.
    await realClock.sleep(IN_FLIGHT_MS);
    const before = field.ledger.pubacks;
    await realClock.sleep(scale === 'short' ? 2_000 : 10_000);
    const acksMeanwhile = field.ledger.pubacks - before;
    const wasUp = engine.isRunning;
    await engine.kill();
    const settled = await field.settle(await field.startConnected());
    const alerts = alertsIn(file, 'STORAGE_DAMAGED') + alertsIn(file, 'STORAGE_TRUNCATED');
    return { ...factsOf(settled), acksMeanwhile, wasUp, alerts };
  },
};

async function storedAndEnded(field: Field): Promise<void> {
  const engine = await startAtWork(field);
  field.oracle.setRate(0);
  engine.signal('SIGTERM');
  await within(WAIT_MS_MAX, 'the engine ends', engine.ended);
}

const restoreKilled: Fault = {
  name: 'restore-killed',
  title: 'finishes a restore that was killed between two changes of a name',
  expected: { ...SAFE_WITH_BROKER, killed: { atLeast: 2 }, pending: 0 },
  unavailable: whyNoStrace,
  async run({ scale }) {
    await using field = await startField();
    await storedAndEnded(field);
    const backup = join(field.folder, 'backup.db');
    await backupDatabase(field.file, backup);
    let killed = 0;
    const moments = scale === 'short' ? [4, 6] : [1, 2, 3, 4, 5, 6, 7];
    for (const when of moments) {
      const [command = '', ...args] = underStrace(`rename:signal=KILL:when=${when}`, '/dev/null');
      const restore = [process.execPath, HEADGATE, 'restore', backup, field.file];
      const { status } = spawnSync(command, [...args, ...restore], { encoding: 'utf8' });
      if (status !== 0) killed++;
      const engine = field.start();
      await engine.answered('started');
      engine.signal('SIGTERM');
      await within(WAIT_MS_MAX, 'the engine ends', engine.ended);
    }
    const pending = readdirSync(field.folder).filter((name) => /\.restor(e|ing)/.test(name)).length;
    return { ...factsOf(await field.settle(await field.startConnected())), killed, pending };
  },
};

const LIBRARY = ['x86_64-linux-gnu', 'aarch64-linux-gnu', 'arm-linux-gnueabihf']
  .map((machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`)
  .find((name) => existsSync(name));

/** The wall clock of a process, as it stands in a file. */
function underClock(file: string): string[] {
  const settings = ['FAKETIME_NO_CACHE=1', 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'DONT_FAKE_MONOTONIC=1'];
  return ['env', `LD_PRELOAD=${LIBRARY}`, `FAKETIME_TIMESTAMP_FILE=${file}`, ...settings];
}

const wrongClock: Fault = {
  name: 'clock-never-set',
  title: 'deletes nothing where it starts in 1970, or a month ahead, and the clock is then set',
  expected: { ...SAFE_WITH_BROKER, jumps: { atLeast: 1 }, behind: { atLeast: 1 } },
  unavailable: () => (LIBRARY === undefined ? 'libfaketime is not installed' : undefined),
  async run({ scale }) {
    await using field = await startField();
    await storedAndEnded(field);
    const clock = join(field.folder, 'clock');
    const clocks = ['@1970-01-01 00:01:00', '+30d'];
    for (const wrong of scale === 'short' ? clocks.slice(0, 1) : clocks) {
      writeFileSync(clock, wrong);
      const engine = field.start({ under: underClock(clock), recordAgeMsMax: 7 * DAY_MS });
      await engine.answered('started');
      field.oracle.setRate(MESSAGES_PER_SECOND);
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await realClock.sleep(scale === 'short' ? 1_000 : RETENTION_MS);
      writeFileSync(clock, '+0');
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await realClock.sleep(RETENTION_MS);
      field.oracle.setRate(0);
      engine.signal('SIGTERM');
      await within(WAIT_MS_MAX, 'the engine ends', engine.ended);
    }
    const settled = await field.settle(await field.startConnected());
    const alerts = (event: string) => alertsIn(field.file, event);
    return { ...factsOf(settled), jumps: alerts('CLOCK_JUMP'), behind: alerts('CLOCK_BEHIND') };
  },
};

export const STORAGE_FAULTS: readonly Fault[] = [
  filesTaken,
  databaseReplaced,
  databaseCutOff,
  restoreKilled,
  wrongClock,
];
