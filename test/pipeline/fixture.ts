/** Records for the tests of the data plane. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Receipt, type Outcome, type Settlement } from '../../src/domain/receipt.ts';
import { RECEIPT, type IngestRecord } from '../../src/domain/record.ts';

export function record(seq: number, more: Partial<IngestRecord> = {}): IngestRecord {
  return {
    sourceId: 'plc-7',
    tenant: 'default',
    incarnation: 1,
    seq,
    atMs: seq,
    receivedMonoMs: seq,
    data: { n: seq },
    contentType: undefined,
    key: undefined,
    cursor: undefined,
    ...more,
  };
}

/** Records 1 to `count`. */
export function records(count: number, more: Partial<IngestRecord> = {}): IngestRecord[] {
  return Array.from({ length: count }, (_, index) => record(index + 1, more));
}

export function seqsOf(batch: readonly IngestRecord[]): number[] {
  return batch.map(({ seq }) => seq);
}

/** The record with a receipt of its own; `tell` hears what became of it. */
export function tracked(item: IngestRecord, tell: (outcome: Outcome) => void): IngestRecord {
  const receipt = new Receipt((settlement) => tell(outcomeOf(settlement)));
  receipt.add(1);
  receipt.seal();
  return { ...item, [RECEIPT]: receipt };
}

function outcomeOf(settlement: Settlement): Outcome {
  const [outcome] = Object.entries(settlement).find(([, records]) => records > 0) ?? ['lost'];
  return outcome as Outcome;
}

/** Resolves when every promise that waits for no timer has settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Bytes on the heap once everything that nobody holds is gone. */
export async function heapBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await settled();
  collect();
  await settled();
  collect();
  return process.memoryUsage().heapUsed;
}
