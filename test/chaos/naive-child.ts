/** The negative control: what one would write in an hour. mqtt.js acknowledges by itself, messages wait in
 *  memory, a timer writes them down. Takes the options of the engine's child and stores into a table of the
 *  same name. A harness that sees no loss here sees nothing. */

import Database from 'better-sqlite3';
import mqtt from 'mqtt';
import type { Message } from './rig/message.ts';
import type { Answer, ChildOptions } from './rig/child-protocol.ts';

const FLUSH_EVERY_MS = 100;

const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
process.on('disconnect', () => process.exit(3));

const db = new Database(options.file);
db.pragma('journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS records (dedup_key TEXT PRIMARY KEY, data TEXT NOT NULL)');
const insert = db.prepare('INSERT OR IGNORE INTO records VALUES (?, ?)');
const write = db.transaction((messages: readonly string[]) => {
  for (const message of messages) insert.run(String((JSON.parse(message) as Message).id), message);
});
const waiting: string[] = [];
const flush = () => write(waiting.splice(0));

// The session may bring messages at once: the handler stands before the connection does.
const client = mqtt.connect(options.url, {
  clientId: options.clientId,
  clean: false,
  keepalive: options.keepaliveSeconds,
  reconnectPeriod: 20,
});
client.on('error', () => {});
client.on('message', (_topic, payload) => void waiting.push(payload.toString()));
client.on('connect', () => void client.subscribe(options.topic, { qos: 1 }));
setInterval(flush, FLUSH_EVERY_MS);
process.send?.({ type: 'started' } satisfies Answer);

process.on('SIGTERM', () => {
  client.end(true, () => {
    flush();
    process.send?.({ type: 'stopped', delivered: 0 } satisfies Answer, () => process.exit(0));
  });
});
