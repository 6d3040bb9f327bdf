/** The stream that a JetStream sink writes to, where it is told its name: it is looked for, and created where
 *  that is asked for. One that is there stays as it is. */

import type { StreamConfig } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { milliseconds } from '../../../src/config/source-options.ts';
import { HeadgateError, messageOf } from '../../../src/domain/errors.ts';
import type { Nats } from './nats-peer.ts';

const DUPLICATE_WINDOW_MS = 120_000;
const STREAM_NOT_FOUND = 10_059;

export const streamSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[^\s.*>/\\]+$/, 'must be a name without white space, ".", "*", ">" and slashes')
    .describe('The name of the stream.'),
  create: z
    .strictObject({
      subjects: z.array(z.string().min(1)).min(1).describe('The subjects that it stores.'),
      storage: z.enum(['file', 'memory']).default('file').describe('Where it keeps them.'),
      replicas: z.number().int().min(1).max(5).default(1).describe('On how many servers.'),
      ageMsMax: milliseconds(1).nullable().default(null).describe('How long messages stay; null: for ever.'),
      bytesMax: z.number().int().min(1).nullable().default(null).describe('Bytes at most; null: no bound.'),
      duplicateWindowMs: milliseconds(100)
        .default(DUPLICATE_WINDOW_MS)
        .describe('How long the server knows a message again.'),
    })
    .optional()
    .describe('How it is created where it is missing. Default: it must be there.'),
});

export type StreamOptions = z.output<typeof streamSchema>;

/** Returns the stream as it is. @throws HeadgateError HG_LINK_REFUSED (retry) where there is no such stream
 *  and none may be made. */
export async function requireStream(
  nats: Nats,
  connection: NatsConnection,
  { name, create }: StreamOptions,
  timeoutMs: number,
): Promise<StreamConfig> {
  try {
    const manager = await nats.jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs });
    const found = await unlessMissing(manager.streams.info(name));
    if (found !== null) return found.config;
    if (create === undefined) throw missing(name);
    const { subjects, storage, replicas, ageMsMax, bytesMax, duplicateWindowMs } = create;
    const added = await manager.streams.add({
      ...{ name, subjects },
      storage: storage === 'file' ? nats.StorageType.File : nats.StorageType.Memory,
      num_replicas: replicas,
      max_age: ageMsMax === null ? 0 : nats.nanos(ageMsMax),
      max_bytes: bytesMax ?? -1,
      // Not longer than the messages stay: the server refuses that.
      duplicate_window: nats.nanos(Math.min(duplicateWindowMs, ageMsMax ?? duplicateWindowMs)),
    });
    return added.config;
  } catch (error) {
    if (error instanceof HeadgateError) throw error;
    throw new HeadgateError(
      'HG_LINK_REFUSED',
      `the stream "${name}" cannot be used: ${messageOf(error)}; is JetStream enabled, and may this user ` +
        'ask for streams?',
      { details: { stream: name }, cause: error },
    );
  }
}

async function unlessMissing<Info>(info: Promise<Info>): Promise<Info | null> {
  try {
    return await info;
  } catch (error) {
    if ((error as { code?: unknown }).code === STREAM_NOT_FOUND) return null;
    throw error;
  }
}

function missing(name: string): HeadgateError {
  return new HeadgateError(
    'HG_LINK_REFUSED',
    `there is no stream "${name}"; create it, or let the sink do it (stream.create)`,
    { details: { stream: name } },
  );
}
