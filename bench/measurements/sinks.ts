/** How fast an engine stores records and a sink delivers them; with and without a sink beside it that fails
 *  at every delivery. One run; each runs in a process of its own. */

import { setTimeout as wait } from 'node:timers/promises';
import { createEngine, functionSink, HeadgateError, pushSource } from '../../src/index.ts';
import { readings } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';
import { createThroughputMeter, perSecond } from './throughput-meter.ts';

export interface SinkOptions {
  readonly hasDeadSink: boolean;
  readonly warmUpRecords: number;
  readonly records: number;
}

export interface SinkFigures {
  /** Records, from the arrival of the first that counts until the last one is stored. */
  readonly storedPerSecond: number;
  /** The same, until the sink has it. */
  readonly deliveredPerSecond: number;
}

const PUSH_RECORDS = 500;
const PUSHES_IN_FLIGHT = 4;
/** By then the dead sink has failed often enough to have opened its circuit. */
const SETTLE_MS = 500;

export async function measureSinks(options: SinkOptions): Promise<SinkFigures> {
  const { hasDeadSink, warmUpRecords, records } = options;
  using scratch = scratchFolder();
  const path = scratch.nextFile();
  const engine = createEngine({ timeline: { path } });
  const source = pushSource({ id: 'readings' });
  const stored = createThroughputMeter({ warmUp: warmUpRecords, measured: records });
  const delivered = createThroughputMeter({ warmUp: warmUpRecords, measured: records });
  let failures = 0;
  let arrivedMs = 0;
  engine.batches$.subscribe((batch) => {
    stored.pass(batch.length, (index) => (arrivedMs = batch[index]?.receivedMonoMs ?? Number.NaN));
  });
  await engine.start();
  await engine.register(source);
  await engine.registerSink(
    functionSink({ id: 'fast', deliver: (batch) => delivered.pass(batch.length, () => arrivedMs) }),
  );
  if (hasDeadSink) {
    const fail = () => {
      failures++;
      throw new HeadgateError('HG_LINK_REFUSED', 'nobody is there', { remedy: 'retry' });
    };
    await engine.registerSink(functionSink({ id: 'dead', deliver: fail }));
  }
  await pushAll(source, warmUpRecords);
  while (delivered.count < warmUpRecords) await wait(1);
  await wait(SETTLE_MS);
  await pushAll(source, records);
  const passages = [await stored.finished(), await delivered.finished()] as const;
  await engine.stop({ deadlineMs: SETTLE_MS });
  checkStored(path, warmUpRecords + records);
  if (hasDeadSink !== failures > 0) throw new Error(`the dead sink failed ${failures} times`);
  return {
    storedPerSecond: perSecond(records, passages[0]),
    deliveredPerSecond: perSecond(records, passages[1]),
  };
}

async function pushAll(source: ReturnType<typeof pushSource>, records: number): Promise<void> {
  let left = records;
  const pushSome = async () => {
    while (left > 0) {
      const some = readings.slice(0, Math.min(PUSH_RECORDS, left));
      left -= some.length;
      await source.pushAll(some);
    }
  };
  await Promise.all(Array.from({ length: PUSHES_IN_FLIGHT }, pushSome));
}
