/** Notices that another program took a database's files away, exchanged them or cut them off while they are
 *  in use. SQLite goes on with the files it has open, whatever stands at their names: what is stored then
 *  would be gone with the process.
 *
 *  Only names are looked at (`stat`): a file descriptor on the database, once closed, would take away the
 *  locks of every connection that this process has to it. */

import { statSync } from 'node:fs';

/** `gone`, `replaced`, `shorter`: the database. `logGone`: its log or shared memory is gone, or another file.
 *  `logShorter`: its log was cut off. `lockGone`: its lock is gone, or another file. */
export type FileChange = 'gone' | 'replaced' | 'shorter' | 'logGone' | 'logShorter' | 'lockGone';

interface Seen {
  /** Device and inode; empty: no file. */
  readonly id: string;
  readonly bytes: bigint;
}

interface Files {
  readonly database: Seen;
  readonly log: Seen;
  readonly memory: Seen;
  readonly lock: Seen;
}

export class FileWatch {
  readonly #file: string;
  #known: Files;

  /** To be made once the connection and the lock are open. */
  constructor(file: string) {
    this.#file = file;
    this.#known = this.#look();
  }

  /** The worst change since {@link adopt} and {@link rebase}; null: none. */
  check(): FileChange | null {
    const { database, log, memory, lock } = this.#look();
    const known = this.#known;
    // First: what stands at the other names may be another engine's by now.
    if (isOther(lock, known.lock)) return 'lockGone';
    if (database.id !== known.database.id) return database.id === '' ? 'gone' : 'replaced';
    if (database.bytes < known.database.bytes) return 'shorter';
    if (isOther(log, known.log) || isOther(memory, known.memory)) return 'logGone';
    return log.bytes < known.log.bytes ? 'logShorter' : null;
  }

  /** Of the file that stands at the name; 0: none. */
  databaseBytes(): number {
    return Number(seen(this.#file).bytes);
  }

  /** The files may have become smaller by our own doing; they are still the same ones. */
  rebase(): void {
    const { database, log, memory } = this.#look();
    const known = this.#known;
    this.#known = {
      database: { id: known.database.id, bytes: database.bytes },
      // They come to be with the first commit.
      log: { id: known.log.id === '' ? log.id : known.log.id, bytes: log.bytes },
      memory: known.memory.id === '' ? memory : known.memory,
      lock: known.lock,
    };
  }

  /** The files of the database that stand there now are the ones in use. */
  adopt(): void {
    this.#known = { ...this.#look(), lock: this.#known.lock };
  }

  /** The lock that stands there now is the one that is held. */
  adoptLock(): void {
    this.#known = { ...this.#known, lock: this.#look().lock };
  }

  #look(): Files {
    return {
      database: seen(this.#file),
      log: seen(`${this.#file}-wal`),
      memory: seen(`${this.#file}-shm`),
      lock: seen(`${this.#file}-lock`),
    };
  }
}

function isOther(now: Seen, known: Seen): boolean {
  return known.id !== '' && now.id !== known.id;
}

function seen(name: string): Seen {
  const stat = statSync(name, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? { id: '', bytes: 0n } : { id: `${stat.dev}:${stat.ino}`, bytes: stat.size };
}
