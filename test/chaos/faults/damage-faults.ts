/** What happens to files while nobody looks. None of it can be undone; all of it must be told. */

import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../rig/message.ts';
import { startField, type Field } from '../rig/field.ts';
import { until, within } from '../rig/until.ts';
import { integrityOf } from '../rig/verdict.ts';
import { factsOf, moreAcks, type Fault } from './fault.ts';

const HEADGATE = fileURLToPath(new URL('../../../src/cli/headgate.ts', import.meta.url));
const MESSAGES_PER_SECOND = 500;
const RECORDS = 300;
const WAIT_MS_MAX = 30_000;
const PAGE_BYTES = 4_096;
const LOG_HEADER_BYTES = 32;

/** An engine has stored some hundred messages and has ended in order. */
async function fieldWithLog(): Promise<Field> {
  const field = await startField();
  try {
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, RECORDS));
    field.oracle.setRate(0);
    engine.signal('SIGTERM');
    await within(WAIT_MS_MAX, 'the engine ends', engine.ended);
    return field;
  } catch (error) {
    await field[Symbol.asyncDispose]();
    throw error;
  }
}

/** Where the text of the first message stands in the file. */
function placeOfFirst(bytes: Buffer): number {
  const place = bytes.indexOf(messageOf(1).text);
  if (place < 0) throw new Error('the first message is not in the file');
  return place;
}

function changeByte(file: string, change: (bytes: Buffer) => { at: number; value: number }): void {
  const bytes = readFileSync(file);
  const { at, value } = change(bytes);
  bytes[at] = value;
  writeFileSync(file, bytes);
}

function alertsIn(file: string, event: string): number {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare('SELECT count(*) FROM alerts WHERE event = ?').pluck().get(event) as number;
  } finally {
    db.close();
  }
}

const payloadFlipped: Fault = {
  name: 'payload-bit-flipped',
  title: 'finds a record of which one bit has flipped, where SQLite sees nothing, and goes on with the file',
  expected: { sqliteSays: 'ok', verifyExitCode: 65, damagedRecords: 1, lost: 0, isAlive: true, exitCode: 0 },
  async run() {
    await using field = await fieldWithLog();
    changeByte(field.file, (bytes) => {
      const at = placeOfFirst(bytes);
      return { at, value: (bytes[at] as number) ^ 1 };
    });
    const sqliteSays = integrityOf(field.file);
    const verify = spawnSync(process.execPath, [HEADGATE, 'verify', field.file, '--json'], {
      encoding: 'utf8',
    });
    const report = JSON.parse(verify.stdout) as { records: { damagedCount: number } };
    const settled = await field.settle(await field.startConnected());
    const seen = { verifyExitCode: verify.status, damagedRecords: report.records.damagedCount };
    return { ...factsOf(settled), sqliteSays, ...seen };
  },
};

const pageDamaged: Fault = {
  name: 'page-damaged',
  title: 'moves a database with a broken page aside, raises an alert, and goes on with a fresh one',
  expected: { movedAside: 1, alerts: { atLeast: 1 }, duplicates: 0, stuck: 0, isAlive: true, exitCode: 0 },
  async run() {
    await using field = await fieldWithLog();
    // The first byte of a page says what kind of page it is.
    changeByte(field.file, (bytes) => ({
      at: Math.floor(placeOfFirst(bytes) / PAGE_BYTES) * PAGE_BYTES,
      value: 0x7f,
    }));
    const settled = await field.settle(await field.startConnected());
    const aside = new RegExp(`^${basename(field.file)}\\.damaged-\\d+$`);
    const movedAside = readdirSync(field.folder).filter((name) => aside.test(name)).length;
    return { ...factsOf(settled), movedAside, alerts: alertsIn(field.file, 'STORAGE_DAMAGED') };
  },
};

const logCutShort: Fault = {
  name: 'log-cut-short',
  title: 'tells that the end of the log is missing where the write-ahead log was cut short, and goes on',
  expected: {
    missing: { atLeast: 1 },
    sqliteSays: 'ok',
    alerts: 1,
    duplicates: 0,
    isAlive: true,
    exitCode: 0,
  },
  async run() {
    await using field = await startField();
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, 10));
    // A reader keeps what comes now in the write-ahead log.
    const reader = new Database(field.file, { readonly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM records').get();
    // The mark beside the file is renewed every some hundred transactions: what came after it is not missed.
    const mark = () => (existsSync(markFile) ? readFileSync(markFile, 'latin1') : '');
    const markFile = `${field.file}-mark`;
    const before = mark();
    await until('a new mark', WAIT_MS_MAX, () => mark() !== before);
    await engine.kill();
    reader.close();
    truncateSync(`${field.file}-wal`, LOG_HEADER_BYTES);
    const sqliteSays = integrityOf(field.file);
    const settled = await field.settle(await field.startConnected());
    const alerts = alertsIn(field.file, 'STORAGE_TRUNCATED');
    return { ...factsOf(settled), missing: settled.lost.length, sqliteSays, alerts };
  },
};

export const DAMAGE_FAULTS: readonly Fault[] = [payloadFlipped, pageDamaged, logCutShort];
