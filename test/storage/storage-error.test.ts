import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { HeadgateError, type ErrorCode, type Remedy } from '../../src/domain/errors.ts';
import { guardStorage, storageError } from '../../storage/file/storage-error.ts';

describe('an error of SQLite', () => {
  const cases: [string, ErrorCode, Remedy][] = [
    ['SQLITE_BUSY', 'HG_STORAGE_BUSY', 'retry'],
    ['SQLITE_BUSY_RECOVERY', 'HG_STORAGE_BUSY', 'retry'],
    ['SQLITE_BUSY_SNAPSHOT', 'HG_STORAGE_BUSY', 'retry'],
    ['SQLITE_LOCKED', 'HG_STORAGE_BUSY', 'retry'],
    ['SQLITE_FULL', 'HG_STORAGE_FULL', 'retry'],
    ['SQLITE_IOERR_SHMSIZE', 'HG_STORAGE_FULL', 'retry'],
    ['SQLITE_IOERR_WRITE', 'HG_STORAGE_FAILED', 'retry'],
    ['SQLITE_IOERR_FSYNC', 'HG_STORAGE_FAILED', 'retry'],
    ['SQLITE_READONLY', 'HG_STORAGE_READONLY', 'stop'],
    ['SQLITE_READONLY_DBMOVED', 'HG_STORAGE_READONLY', 'stop'],
    ['SQLITE_CANTOPEN', 'HG_STORAGE_READONLY', 'stop'],
    ['SQLITE_CORRUPT', 'HG_STORAGE_CORRUPT', 'stop'],
    ['SQLITE_CORRUPT_INDEX', 'HG_STORAGE_CORRUPT', 'stop'],
    ['SQLITE_NOTADB', 'HG_STORAGE_NOT_A_DATABASE', 'stop'],
    ['SQLITE_CONSTRAINT_NOTNULL', 'HG_STORAGE_FAILED', 'drop'],
    ['SQLITE_TOOBIG', 'HG_STORAGE_FAILED', 'drop'],
    ['SQLITE_ERROR', 'HG_STORAGE_FAILED', 'stop'],
    ['SQLITE_PROTOCOL', 'HG_STORAGE_FAILED', 'retry'],
  ];
  test.each(cases)('%s is %s, to %s', (sqlite, code, remedy) => {
    const cause = new Database.SqliteError('the words of SQLite', sqlite);
    const error = storageError(cause, '/data/edge.db');
    expect(error).toMatchObject({ code, remedy, cause, details: { file: '/data/edge.db', sqlite } });
    expect(error.message).toMatch(/^\/data\/edge\.db: .*the words of SQLite/);
  });
});

test('any other error is one of the rows, which would be refused again', () => {
  const error = storageError(new TypeError('cannot bind that'), 'edge.db');
  expect(error).toMatchObject({
    code: 'HG_STORAGE_FAILED',
    remedy: 'drop',
    message: 'edge.db: cannot bind that',
  });
});

test('an error of our own passes as it is', () => {
  const error = new HeadgateError('HG_STORAGE_VERSION', 'too new');
  expect(storageError(error, 'edge.db')).toBe(error);
});

test('a guarded action gives its result, or a HeadgateError', () => {
  expect(guardStorage('edge.db', () => 7)).toBe(7);
  expect(() =>
    guardStorage('edge.db', () => {
      throw new Database.SqliteError('locked', 'SQLITE_BUSY');
    }),
  ).toThrow(expect.objectContaining({ code: 'HG_STORAGE_BUSY' }));
});
