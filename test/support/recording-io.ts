/** A SourceIo that keeps what a source hands in: for testing the code of a source without an engine. */

import { DEFAULT_TENANT } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { seededRandom } from '../../src/domain/random.ts';
import type { Receipt } from '../../src/domain/receipt.ts';
import type { RecordMeta } from '../../src/domain/record.ts';
import type { SourceIo, SourceSpec } from '../../src/domain/source.ts';

export interface RecordingIo extends SourceIo {
  /** Records handed in, decoded, in order. */
  readonly values: unknown[];
  readonly metas: (RecordMeta | undefined)[];
  readonly undecodable: { payload: string | Uint8Array; error: unknown }[];
  readonly failures: unknown[];
  readonly state: { opened: boolean; goodReads: number };
  /** How many records fit before emit says false; `makeRoom` raises it and wakes those who wait. */
  makeRoom(records: number): void;
  abort(): void;
  /** Receipts of records that have not been settled, one entry a record; only with `settle: 'by hand'`. */
  readonly owed: Receipt[];
  /** Cursors that were kept without a record, in order. */
  readonly cursors: string[];
  readonly alerts: { event: string; message: string; details: Readonly<Record<string, unknown>> }[];
  /** Resolves once `done()` holds; looked at after every call of the source. */
  until(done: () => boolean): Promise<void>;
}

export function recordingIo(
  spec: SourceSpec,
  clock: Clock,
  options: { room?: number; cursor?: string; pollsSinceMs?: number; settle?: 'at once' | 'by hand' } = {},
): RecordingIo {
  const controller = new AbortController();
  let capacity = options.room ?? Number.POSITIVE_INFINITY;
  const roomWaiters: (() => void)[] = [];
  let watchers: { done: () => boolean; resolve: () => void }[] = [];
  const values: unknown[] = [];
  const metas: (RecordMeta | undefined)[] = [];
  const undecodable: RecordingIo['undecodable'] = [];
  const failures: unknown[] = [];
  const owed: Receipt[] = [];
  const alerts: RecordingIo['alerts'] = [];
  const cursors: string[] = [];
  const state = { opened: false, goodReads: 0 };

  const hasRoom = () => values.length < capacity || controller.signal.aborted;
  const wakeRoomWaiters = () => {
    if (!hasRoom()) return;
    for (const wake of roomWaiters.splice(0)) wake();
  };
  const look = () => {
    watchers = watchers.filter(({ done, resolve }) => {
      if (!done()) return true;
      resolve();
      return false;
    });
  };
  const emitAll = (data: readonly unknown[], meta?: RecordMeta): boolean => {
    meta?.receipt?.add(data.length);
    if (controller.signal.aborted) {
      meta?.receipt?.settle('lost', data.length);
      return true;
    }
    for (const value of data) {
      values.push(value);
      metas.push(meta);
      if (meta?.receipt !== undefined) owed.push(meta.receipt);
    }
    if (options.settle !== 'by hand') for (const receipt of owed.splice(0)) receipt.settle('stored');
    look();
    return hasRoom();
  };
  controller.signal.addEventListener('abort', wakeRoomWaiters);

  return {
    sourceId: spec.id,
    tenant: spec.tenant ?? DEFAULT_TENANT,
    signal: controller.signal,
    clock,
    random: seededRandom(1),
    log: SILENT_LOGGER,
    cursor: options.cursor ?? null,
    async keepCursor(cursor) {
      cursors.push(cursor);
      look();
    },
    pollsSinceMs: options.pollsSinceMs ?? null,
    countPollsFrom: () => {},
    alert(event, message, details = {}) {
      alerts.push({ event, message, details });
      look();
    },
    opened() {
      state.opened = true;
      look();
    },
    emit: (data, meta) => emitAll([data], meta),
    emitAll,
    receive(payload, meta) {
      const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
      try {
        return emitAll(spec.decode === null ? [payload] : spec.decode(bytes, meta?.contentType), meta);
      } catch (error) {
        undecodable.push({ payload, error });
        meta?.receipt?.add(1);
        meta?.receipt?.settle('deadLettered');
        look();
        return hasRoom();
      }
    },
    room: () => (hasRoom() ? Promise.resolve() : new Promise((resolve) => roomWaiters.push(resolve))),
    readFailed(error) {
      failures.push(error);
      look();
    },
    readSucceeded() {
      state.goodReads++;
      look();
    },
    values,
    metas,
    undecodable,
    failures,
    state,
    owed,
    alerts,
    cursors,
    makeRoom(records) {
      capacity += records;
      wakeRoomWaiters();
    },
    abort: () => controller.abort(),
    until: (done) =>
      done() ? Promise.resolve() : new Promise((resolve) => watchers.push({ done, resolve })),
  };
}
