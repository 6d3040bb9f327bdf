/** Loaded before a program (`--import`): takes one safeguard out of the sources as they are loaded. What is
 *  left is a negative control: a harness that sees nothing wrong with it sees nothing. `HEADGATE_CONTROL`
 *  names it. */

import { registerHooks } from 'node:module';

interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const CONTROLS: Readonly<Record<string, readonly Mutation[]>> = {
  /** Acknowledgements go out over whatever link there is, also those of a link that has ended. */
  'no-epoch': [
    {
      file: '/actors/sources/mqtt/acks.ts',
      from: 'if (free.length > 0) options.send(free);',
      to: 'if (free.length > 0) globalThis.latestSend(free);',
    },
    {
      file: '/actors/sources/mqtt/acks.ts',
      from: 'const { takenIds } = options.session;',
      to: 'const { takenIds } = options.session; globalThis.latestSend = options.send;',
    },
    { file: '/actors/sources/mqtt/acks.ts', from: 'isOver = true;', to: 'wakeWaiters(); return;' },
  ],
  /** Numbers of records are given out again once the log is empty. */
  'no-autoincrement': [
    {
      file: '/storage/file/schema.ts',
      from: 'CREATE TABLE records (\n    seq INTEGER PRIMARY KEY AUTOINCREMENT,',
      to: 'CREATE TABLE records (\n    seq INTEGER PRIMARY KEY,',
    },
  ],
  /** Records are not held against their checksums. */
  'no-checksum': [
    {
      file: '/storage/tables/log-reader.ts',
      from: 'return row.crc === null || row.crc === recordChecksum(row);',
      to: 'return true;',
    },
  ],
};

const mutations = CONTROLS[process.env['HEADGATE_CONTROL'] ?? ''];
if (mutations === undefined) throw new Error('HEADGATE_CONTROL names no control');

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const own = mutations.filter(({ file }) => url.endsWith(file));
    if (own.length === 0) return loaded;
    let text = Buffer.from(loaded.source as Uint8Array).toString();
    for (const { file, from, to } of own) {
      if (!text.includes(from)) throw new Error(`${file} has no longer: ${from}`);
      text = text.replace(from, to);
    }
    return { ...loaded, source: text };
  },
});
