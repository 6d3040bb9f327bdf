/** Reads what strace wrote (`-f -y -xx`): lines of system calls become operations on the files of one
 *  folder.
 *
 *  An operation stands where its call returned. Threads that write to the same file at the same time would
 *  make that order a guess; SQLite does not do so. Memory-mapped files (the `-shm` of SQLite) are left out:
 *  after a power cut SQLite builds them anew. */

import { createReadStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DiskOperation } from './disk-operation.ts';

/** The calls to trace. */
export const TRACED_CALLS = [
  'openat',
  'write',
  'pwrite64',
  'fsync',
  'fdatasync',
  'ftruncate',
  'rename',
  'renameat',
  'renameat2',
  'unlink',
  'unlinkat',
  // None of these is expected; seeing one means that the reading here is not complete.
  'writev',
  'pwritev',
  'pwritev2',
  'fallocate',
  'sync_file_range',
  'copy_file_range',
] as const;

const UNREAD_CALLS: ReadonlySet<string> = new Set(TRACED_CALLS.slice(-6));

interface Call {
  readonly name: string;
  /** Between the parentheses. */
  readonly parameters: string;
  readonly result: number;
}

/** @throws Error on a call that changes a file of the folder in a way that is not understood. */
export async function readStraceLog(
  log: string,
  { folder, notebook }: { readonly folder: string; readonly notebook: string },
): Promise<DiskOperation[]> {
  const operations: DiskOperation[] = [];
  const reader = operationReader(folder, notebook, (operation) => void operations.push(operation));
  const unfinished = new Map<string, string>();
  for await (const line of createInterface({ input: createReadStream(log, 'latin1') })) {
    const call = readCall(line, unfinished);
    if (call !== null && call.result >= 0) reader(call);
  }
  return operations;
}

/** A call that was cut in two by another thread is put together where it returned. */
function readCall(line: string, unfinished: Map<string, string>): Call | null {
  const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
  const begun = rest.lastIndexOf(' <unfinished ...>');
  if (begun >= 0) {
    unfinished.set(thread, rest.slice(0, begun));
    return null;
  }
  const resumed = /^<\.\.\. \w+ resumed>/.exec(rest);
  const whole = resumed === null ? rest : `${unfinished.get(thread) ?? ''}${rest.slice(resumed[0].length)}`;
  const name = /^(\w+)\(/.exec(whole)?.[1];
  const end = whole.lastIndexOf(') ');
  const result = /^\)\s+= (-?\d+)/.exec(whole.slice(end))?.[1];
  if (name === undefined || result === undefined) return null;
  return { name, parameters: whole.slice(name.length + 1, end), result: Number(result) };
}

function operationReader(
  folder: string,
  notebook: string,
  emit: (operation: DiskOperation) => void,
): (call: Call) => void {
  const known = new Set<string>();
  /** Where the next `write` of a descriptor goes. */
  const offsets = new Map<number, number>();
  const sizes = new Map<string, number>();
  const isOurs = (path: string) => (path === folder || dirname(path) === folder) && !path.endsWith('-shm');

  const write = (path: string, at: number, bytes: Buffer) => {
    sizes.set(path, Math.max(sizes.get(path) ?? 0, at + bytes.length));
    if (path === notebook) emit({ kind: 'note', text: bytes.toString() });
    else emit({ kind: 'write', path, at, bytes });
  };
  const open = ({ parameters, result }: Call) => {
    const path = decode(/, "((?:\\x..)*)"/.exec(parameters)?.[1] ?? '');
    if (!isOurs(path)) return;
    if (parameters.includes('O_CREAT') && !known.has(path)) {
      known.add(path);
      if (path !== notebook) emit({ kind: 'create', path });
    }
    if (parameters.includes('O_TRUNC') && path !== notebook) emit({ kind: 'truncate', path, size: 0 });
    if (parameters.includes('O_TRUNC')) sizes.set(path, 0);
    offsets.set(result, parameters.includes('O_APPEND') ? (sizes.get(path) ?? 0) : 0);
  };
  const onNames = ({ name, parameters }: Call) => {
    const [path = '', to = ''] = [...parameters.matchAll(/"((?:\\x..)*)"/g)].map((match) => decode(match[1]));
    if (!isOurs(path)) return;
    known.delete(path);
    if (name.startsWith('unlink')) emit({ kind: 'unlink', path });
    else {
      known.add(to);
      sizes.set(to, sizes.get(path) ?? 0);
      emit({ kind: 'rename', path, to });
    }
  };
  const onDescriptor = ({ name, parameters, result }: Call) => {
    const [, number = '', hex = ''] = /^(\d+)<((?:\\x..)*)>/.exec(parameters) ?? [];
    const [descriptor, path] = [Number(number), decode(hex)];
    if (!isOurs(path)) return;
    if (UNREAD_CALLS.has(name)) throw new Error(`${name} on ${path}: this call is not understood here`);
    const last = Number(parameters.slice(parameters.lastIndexOf(',') + 1));
    if (name === 'fsync' || name === 'fdatasync') emit({ kind: 'sync', path });
    else if (name === 'ftruncate') {
      sizes.set(path, last);
      emit({ kind: 'truncate', path, size: last });
    } else {
      const bytes = Buffer.from(/"((?:\\x..)*)"/.exec(parameters)?.[1]?.replaceAll('\\x', '') ?? '', 'hex');
      const at = name === 'pwrite64' ? last : (offsets.get(descriptor) ?? 0);
      if (bytes.length < result) throw new Error(`strace cut off a write to ${path}`);
      if (name === 'write') offsets.set(descriptor, at + result);
      write(path, at, bytes.subarray(0, result));
    }
  };
  return (call) => {
    if (call.name === 'openat') open(call);
    else if (call.name.startsWith('rename') || call.name.startsWith('unlink')) onNames(call);
    else onDescriptor(call);
  };
}

function decode(hex = ''): string {
  const path = Buffer.from(hex.replaceAll('\\x', ''), 'hex').toString();
  return path.startsWith('/') ? join(path) : path;
}
