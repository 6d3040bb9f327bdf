/** What a gateway that is killed owes a real broker: every message it acknowledged is in its log, and what it
 *  did not acknowledge comes again. */

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { mosquittoMissing, startMosquitto } from '../../../support/mqtt-brokers.ts';
import { numbers } from '../../../support/mqtt-broker-field.ts';
import { startPublisher } from '../../../support/mqtt-publisher.ts';
import { skipNote } from '../../../support/skip-note.ts';

const SCRIPT = new URL('../../../support/mqtt-engine-child.ts', import.meta.url).pathname;

interface EngineChild {
  /** Resolves when the engine says it has stored so many records, this time. */
  stored(count: number): Promise<void>;
  kill(): Promise<void>;
}

function startEngine(database: string, options: object): EngineChild {
  const child: ChildProcess = spawn(process.execPath, [SCRIPT, database, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stored = 0;
  let watch: () => void = () => {};
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    stored = Number(line);
    watch();
  });
  const died = once(child, 'exit');
  return {
    async stored(count) {
      const reached = new Promise<void>((resolve) => {
        watch = () => {
          if (stored >= count) resolve();
        };
        watch();
      });
      const early = died.then(() => {
        throw new Error(`the engine ended after ${stored} records`);
      });
      early.catch(() => {});
      await Promise.race([reached, early]);
    },
    async kill() {
      child.kill('SIGKILL');
      await died;
    },
  };
}

describe.skipIf(mosquittoMissing !== null)(
  `an engine that is killed while messages flow${skipNote(mosquittoMissing)}`,
  () => {
    test(
      'has every message in its log, each once, after it was started again',
      { tags: 'full', timeout: 60_000 },
      async () => {
        const TOTAL = 8_000;
        const AT_ONCE = 500;
        const folder = mkdtempSync(path.join(tmpdir(), 'headgate-crash-'));
        const database = path.join(folder, 'edge.db');
        const broker = await startMosquitto({ config: ['max_inflight_messages 500'] });
        const options = { id: 'm', url: broker.url, topics: 'a', clean: false, clientId: 'gateway' };
        // The session must be there before the first message.
        const device = await startPublisher(broker.url);
        await device.publish('a', JSON.stringify({ id: 0 }), { retain: true });
        let engine = startEngine(database, options);
        await engine.stored(1);

        const publishing = (async () => {
          for (let sent = 0; sent < TOTAL; sent += AT_ONCE) {
            const some = numbers(AT_ONCE, sent + 1);
            await Promise.all(some.map((id) => device.publish('a', JSON.stringify({ id }))));
          }
        })();
        for (const count of [1_000, 1, 400]) {
          await engine.stored(count);
          await engine.kill();
          engine = startEngine(database, options);
        }
        await publishing;
        await device.publish('a', JSON.stringify({ id: TOTAL + 1 }));

        const ids = await untilComplete(database, TOTAL + 1, engine);
        await engine.kill();
        const there = new Set(ids);
        expect(numbers(TOTAL + 2, 0).filter((id) => !there.has(id))).toEqual([]);
        expect(ids).toHaveLength(TOTAL + 2);
        await device.close();
        await broker.dispose();
        rmSync(folder, { recursive: true, force: true });
      },
    );
  },
);

/** The ids in the log, once the last one is among them; looked for whenever the engine has stored more. */
async function untilComplete(database: string, last: number, engine: EngineChild): Promise<number[]> {
  const reader = new Database(database, { readonly: true });
  const isThere = reader.prepare('SELECT 1 FROM records WHERE dedup_key = ?').pluck();
  for (let count = 1; isThere.get(String(last)) === undefined; count++) await engine.stored(count);
  const ids = reader.prepare("SELECT json_extract(data, '$.id') FROM records").pluck().all() as number[];
  reader.close();
  return ids;
}
