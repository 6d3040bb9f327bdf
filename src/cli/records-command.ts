/** `records export`: the record log as NDJSON or CSV, a page in memory at a time. */

import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileExists } from '../../storage/backup/copy-database.ts';
import { PRIVATE_MODE, syncFolderOf } from '../../storage/file/durable-file.ts';
import {
  openRecordFile,
  type RecordSelection,
  type StoredRecord,
} from '../../storage/reading/record-file.ts';
import { storageError } from '../../storage/file/storage-error.ts';
import { parseAddress } from '../domain/address.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { CsvOptions } from './csv-options.ts';
import { csvText, type CsvCell } from './csv-text.ts';
import type { Output } from './output.ts';

export interface ExportOptions extends CsvOptions {
  readonly format: 'ndjson' | 'csv';
  readonly source?: string;
  /** Epoch milliseconds. */
  readonly since?: number;
  readonly until?: number;
  readonly afterSeq?: number;
  readonly output?: string;
}

/** Damaged records that are named one by one. */
const NAMED_DAMAGED_MAX = 100;

/** @throws HeadgateError HG_RECORD_DAMAGED where records were left out, once all others are written;
 *  HG_FILE_EXISTS; codes of storage. */
export async function exportCommand(path: string, options: ExportOptions, output: Output): Promise<void> {
  const file = openRecordFile(path);
  const target = options.output === undefined ? standardTarget(output) : fileTarget(resolve(options.output));
  let [records, damaged] = [0, 0];
  try {
    if (options.format === 'csv') await target.write(csvText([CSV_COLUMNS], options));
    for (const page of file.pages(selectionOf(options))) {
      await target.write(textOf(page.records, options));
      records += page.records.length;
      for (const seq of page.damaged) {
        if (++damaged <= NAMED_DAMAGED_MAX) output.note(`record ${seq}: does not fit its checksum; left out`);
      }
      if (!output.open) return;
    }
    target.finish();
  } finally {
    target.giveUp();
    file.close();
  }
  if (options.output !== undefined) {
    output.note(`${records.toLocaleString('en')} ${records === 1 ? 'record' : 'records'}: ${options.output}`);
  }
  if (damaged === 0) return;
  const what = damaged === 1 ? 'one damaged record was' : `${damaged} damaged records were`;
  throw new HeadgateError('HG_RECORD_DAMAGED', `${path}: ${what} left out`);
}

function selectionOf({ source, since, until, afterSeq }: ExportOptions): RecordSelection {
  return {
    ...(source === undefined ? {} : parseAddress(source)),
    ...(since === undefined ? {} : { sinceMs: since }),
    ...(until === undefined ? {} : { untilMs: until }),
    ...(afterSeq === undefined ? {} : { afterSeq }),
  };
}

function textOf(records: readonly StoredRecord[], options: ExportOptions): string {
  return options.format === 'csv' ? csvText(records.map(csvRow), options) : ndjsonOf(records);
}

/** The data goes out as it is stored: reading it would change numbers that JavaScript has no room for. */
function ndjsonOf(records: readonly StoredRecord[]): string {
  return records
    .map((record) => {
      const { data, ...columns } = columnsOf(record);
      return `${JSON.stringify(columns).slice(0, -1)},"data":${data}}\n`;
    })
    .join('');
}

/** The columns of the table, and the key first. */
function columnsOf(record: StoredRecord) {
  return {
    key: record.key,
    seq: record.seq,
    tenant: record.tenant,
    source_id: record.sourceId,
    incarnation: record.incarnation,
    source_seq: record.sourceSeq,
    dedup_key: record.dedupKey,
    at_ms: record.atMs,
    content_type: record.contentType,
    data: record.data,
  };
}

const CSV_COLUMNS: readonly (keyof ReturnType<typeof columnsOf>)[] = [
  ...(['key', 'seq', 'tenant', 'source_id', 'incarnation', 'source_seq'] as const),
  ...(['dedup_key', 'at_ms', 'content_type', 'data'] as const),
];

function csvRow(record: StoredRecord): CsvCell[] {
  const columns = columnsOf(record);
  return CSV_COLUMNS.map((name) => columns[name]);
}

interface Target {
  write(text: string): Promise<void>;
  /** All of it is there. */
  finish(): void;
  /** Leaves nothing half done behind; after `finish` it does nothing. */
  giveUp(): void;
}

function standardTarget(output: Output): Target {
  return { write: (text) => output.write(text), finish: () => undefined, giveUp: () => undefined };
}

/** A file that is whole once it bears its name. */
function fileTarget(file: string): Target {
  if (existsSync(file)) throw fileExists(file);
  const part = `${file}.part`;
  let descriptor: number | null = guardFile(part, () => openSync(part, 'w', PRIVATE_MODE));
  const close = () => {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  };
  return {
    async write(text) {
      const bytes = Buffer.from(text);
      guardFile(part, () => {
        for (let written = 0; written < bytes.length;) {
          written += writeSync(descriptor as number, bytes, written);
        }
      });
    },
    finish() {
      guardFile(file, () => {
        fsyncSync(descriptor as number);
        close();
        renameSync(part, file);
        syncFolderOf(file);
      });
    },
    giveUp() {
      if (descriptor === null) return;
      close();
      rmSync(part, { force: true });
    },
  };
}

function guardFile<Result>(file: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw storageError(error, file);
  }
}
