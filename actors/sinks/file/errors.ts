/** What can go wrong with the file of a file sink, as errors that say what to do. */

import { HeadgateError, messageOf, type ErrorCode } from '../../../src/domain/errors.ts';

type Problem = readonly [code: ErrorCode, text: string];

const PROBLEMS: Readonly<Record<string, Problem>> = {
  ENOSPC: ['HG_STORAGE_FULL', 'the disk is full; free space, writing goes on by itself'],
  EDQUOT: ['HG_STORAGE_FULL', 'the disk quota is used up; raise it, writing goes on by itself'],
  EFBIG: ['HG_STORAGE_FULL', 'the file cannot grow; set rotate.bytesMax below what the file system allows'],
  ENOENT: ['HG_LINK_REFUSED', 'its folder does not exist; create it'],
  ENOTDIR: ['HG_LINK_REFUSED', 'what is to be its folder is none; correct the path'],
  EISDIR: ['HG_LINK_REFUSED', 'it is a folder; name a file in it'],
  EACCES: ['HG_LINK_REFUSED', 'this process may not write it; give it the permission'],
  EPERM: ['HG_LINK_REFUSED', 'this process may not write it; give it the permission'],
  EROFS: ['HG_LINK_REFUSED', 'its file system is read-only'],
};

/** All of them are worth another try: a disk is freed, a folder is created. */
export function fileError(error: unknown, path: string): HeadgateError {
  if (error instanceof HeadgateError) return error;
  const reason = (error as { code?: unknown } | null)?.code;
  const known = typeof reason === 'string' ? PROBLEMS[reason] : undefined;
  const [code, text] = known ?? (['HG_LINK_LOST', messageOf(error)] as const);
  return new HeadgateError(code, `the file "${path}" cannot be written: ${text}`, {
    details: { path, ...(typeof reason === 'string' ? { reason } : {}) },
    cause: error,
  });
}

/** There is a file of that name which this sink has not written; it is left as it is. */
export function notOfThisSink(path: string, why: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `the file "${path}" ${why}; it was left untouched. Move it away or choose another path`,
    { details: { path } },
  );
}
