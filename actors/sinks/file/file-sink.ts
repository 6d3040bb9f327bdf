/** Writes records to a file, as NDJSON or CSV.
 *
 *  - With `fsync: 'batch'` a delivery resolves when its records are on the disk. After a crash the file is
 *    cut back to its last whole record, and the records that a repeated batch brings again are left out: each
 *    is in the files once. They are known by the keys at the end of the files.
 *  - A file that is large or old enough is renamed (file-rotation.ts) before the next record is written. */

import { z } from 'zod';
import { milliseconds } from '../../../src/config/source-options.ts';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { sinkSchema } from '../../../src/config/sink-options.ts';
import type { SinkIo, SinkLink, SinkSpec } from '../../../src/domain/sink.ts';
import { realPathOf } from '../../support/real-path.ts';
import { sinkSpec } from '../define-sink.ts';
import { fileError } from './errors.ts';
import { csvFormat, NDJSON, type FileFormat } from './formats.ts';
import { createFileWriter } from './writer.ts';
import { makeEach } from '../outbound-text.ts';

const COLUMNS = ['seq', 'tenant', 'sourceId', 'incarnation', 'sourceSeq', 'atMs', 'contentType', 'dedupKey'];

const columnSchema = z
  .string()
  .refine(
    (name) => name === 'key' || name === 'data' || COLUMNS.includes(name) || /^data(\.[^.]+)+$/.test(name),
    `must be key, ${COLUMNS.join(', ')}, data, or a field of it such as data.value`,
  );

export const fileSinkSchema = sinkSchema({
  path: z.string().min(1).describe('The file that is being written. Its folder must be there.'),
  format: z.enum(['ndjson', 'csv']).default('ndjson').describe('A record a line, as JSON or CSV.'),
  columns: z.array(columnSchema).min(1).optional().describe('The columns of CSV; `key` is always the first.'),
  escapeFormulas: z
    .boolean()
    .default(false)
    .describe('In CSV, whether an apostrophe stands before what a spreadsheet would take for a formula.'),
  rotate: z
    .strictObject({
      bytesMax: z
        .number()
        .int()
        .min(1)
        .nullable()
        .default(64 * 1024 * 1024)
        .describe('When the file is larger; null: size does not matter.'),
      ageMsMax: milliseconds(1)
        .nullable()
        .default(null)
        .describe('Since its first record was written; null: age does not matter.'),
      keepFiles: z
        .number()
        .int()
        .min(1)
        .nullable()
        .default(null)
        .describe('Rotated files that stay; null: all.'),
    })
    .prefault({})
    .describe('When a new file is begun.'),
  fsync: z
    .enum(['batch', 'rotate', 'never'])
    .default('batch')
    .describe(
      'When the file is forced to the disk: before a delivery counts, when it is rotated or' +
        ' closed, or never.',
    ),
})
  .refine(({ format, columns }) => format === 'csv' || columns === undefined, {
    path: ['columns'],
    message: 'goes with format "csv" only',
  })
  .refine(({ format, escapeFormulas }) => format === 'csv' || !escapeFormulas, {
    path: ['escapeFormulas'],
    message: 'goes with format "csv" only',
  });

export type FileSinkOptions = z.input<typeof fileSinkSchema>;
type Options = z.output<typeof fileSinkSchema>;

/** The columns of CSV where none are named. */
const COLUMNS_DEFAULT = ['seq', 'tenant', 'sourceId', 'incarnation', 'sourceSeq', 'atMs', 'data'];

/** @example fileSink({ id: 'archive', path: 'archive.ndjson', rotate: { keepFiles: 20 } })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function fileSink(input: FileSinkOptions): SinkSpec {
  const options = resolveOptions(fileSinkSchema, input, 'fileSink');
  const { columns = COLUMNS_DEFAULT, escapeFormulas } = options;
  const format = options.format === 'csv' ? csvFormat({ columns, escapeFormulas }) : NDJSON;
  const logic = { target: options.path, open: (io: SinkIo) => openLink(io, options, format) };
  return sinkSpec('file', options, logic, `file:${realPathOf(options.path)}`);
}

async function openLink(io: SinkIo, options: Options, format: FileFormat): Promise<SinkLink> {
  const writer = createFileWriter(io, options, format);
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw fileError(error, options.path);
    }
  };
  try {
    await guarded(() => writer.open());
  } catch (error) {
    await writer.close().catch(() => {});
    throw error;
  }
  let busy: Promise<unknown> = Promise.resolve();
  let closed = false;
  return {
    async deliver(batch) {
      if (closed) throw fileError(new Error('the sink has closed it'), options.path);
      const { made, rejections } = makeEach(batch, (record) => ({
        key: record.key,
        text: format.line(record),
      }));
      const work = guarded(() => writer.write(made.map(({ value }) => value)));
      busy = work.catch(() => {});
      await work;
      return rejections;
    },
    async close() {
      if (closed) return;
      closed = true;
      await busy;
      await writer.close().catch((error: unknown) => {
        io.log.warn({ sinkId: io.sinkId, error }, `the file "${options.path}" was not closed properly`);
      });
    },
  };
}
