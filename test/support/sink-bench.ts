/** What a sink's code gets from the engine, for testing it without one. */

import { DEFAULT_TENANT } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import type { OutboundRecord, SinkIo, SinkLink, SinkSpec } from '../../src/domain/sink.ts';
import { realClock } from '../../src/platform/real-clock.ts';

export interface SinkBench {
  readonly io: SinkIo;
  /** What the link said of itself while nothing was being delivered. */
  readonly failures: unknown[];
  abort(): void;
  open(spec: SinkSpec): Promise<SinkLink>;
  /** Alerts that were raised, as `EVENT: message`. */
  readonly alerts: string[];
  /** Resolves at the next call of `io.failed`. */
  nextFailure(): Promise<unknown>;
}

export function sinkBench(clock: Clock = realClock): SinkBench {
  const controller = new AbortController();
  const failures: unknown[] = [];
  const alerts: string[] = [];
  let waiting: ((error: unknown) => void)[] = [];
  const io: SinkIo = {
    sinkId: 'sink',
    tenant: DEFAULT_TENANT,
    signal: controller.signal,
    clock,
    log: SILENT_LOGGER,
    alert: (event, message) => void alerts.push(`${event}: ${message}`),
    failed(error) {
      failures.push(error);
      for (const tell of waiting) tell(error);
      waiting = [];
    },
  };
  return {
    io,
    failures,
    alerts,
    abort: () => controller.abort(),
    open: (spec) => spec.logic.open(io),
    nextFailure: () => new Promise((resolve) => waiting.push(resolve)),
  };
}

const LOG = 'gateway-1:11111111-2222-4333-8444-555555555555';

export function outbound(seq: number, data: unknown = { n: seq }, log = LOG): OutboundRecord {
  return {
    seq,
    key: `${log}:${seq}`,
    tenant: DEFAULT_TENANT,
    sourceId: 'plc-7',
    incarnation: 1,
    sourceSeq: seq,
    atMs: 1_577_836_800_000 + seq,
    data,
    contentType: undefined,
    dedupKey: undefined,
  };
}

/** Records `first` to `last`. */
export function outboundRange(first: number, last: number): OutboundRecord[] {
  return Array.from({ length: last - first + 1 }, (_, index) => outbound(first + index));
}
