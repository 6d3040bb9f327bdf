/** Messages a second from Mosquitto: through an engine that stores every record, and through a bare mqtt.js
 *  loop that parses and counts. One run of one of them; each runs in a process of its own. */

import { readFileSync } from 'node:fs';
import mqtt from 'mqtt';
import { createEngine, filter, mqttSource, transform } from '../../src/index.ts';
import type { IngestRecord, MqttEnvelope, Stage } from '../../src/index.ts';
import type { SourceIo, SourceSpec } from '../../src/domain/source.ts';
import type { RecordMeta } from '../../src/domain/record.ts';
import { KEPT_SESSION, startMqttField, TOPICS, type MqttField } from './mqtt-field.ts';
import { countPassing, isPlausible, isWarm, toFahrenheit, type SensorReading } from './readings.ts';
import { scratchFolder } from './scratch.ts';
import { checkStored } from './stored-records.ts';
import { createThroughputMeter, perSecond, type ThroughputMeter } from './throughput-meter.ts';

export interface MqttFlowOptions {
  /** `loop`: mqtt.js alone. `engine`: stores, and acknowledges what is stored. `ackFirst`: the same engine
   *  whose source acknowledges what it has handed in. */
  readonly consumer: 'engine' | 'ackFirst' | 'loop';
  /** `store`: the filter lets all pass. `convert`: a filter that takes out a tenth, and a transform. */
  readonly work: 'store' | 'convert';
  readonly qos: 0 | 1;
  readonly warmUpMessages: number;
  readonly messages: number;
}

export interface MqttFlowFigures {
  /** Messages from the arrival of the first that counts until the last one is stored, or counted. */
  readonly perSecond: number;
  /** Of all threads of the process. */
  readonly cpuSecondsPerMillion: number;
  /** What the process gave to the disk, from before the start until the file is closed. */
  readonly writtenMbPerMillion: number;
  /** The most memory it had. */
  readonly rssMb: number;
}

export async function measureMqttFlow(options: MqttFlowOptions): Promise<MqttFlowFigures> {
  const { consumer, work, qos, warmUpMessages, messages } = options;
  await using field = await startMqttField();
  await field.fill({ qos, messages: warmUpMessages + messages });
  const passes = work === 'store' ? isPlausible : isWarm;
  const all = countPassing(warmUpMessages + messages, passes);
  const warmUp = countPassing(warmUpMessages, passes);
  const meter = createThroughputMeter({ warmUp, measured: all - warmUp });
  const writtenBefore = writtenBytes();
  if (consumer === 'loop') await runLoop(options, field, meter);
  else await runEngine(options, field, meter, all);
  const passage = await meter.finished();
  return {
    perSecond: perSecond(messages, passage),
    cpuSecondsPerMillion: (passage.cpuSeconds / messages) * 1_000_000,
    writtenMbPerMillion: (writtenBytes() - writtenBefore) / (warmUpMessages + messages),
    rssMb: process.resourceUsage().maxRSS / 1_000,
  };
}

async function runLoop({ qos }: MqttFlowOptions, field: MqttField, meter: ThroughputMeter): Promise<void> {
  const client = mqtt.connect(field.url, { ...KEPT_SESSION, reconnectPeriod: 0 });
  let sum = 0;
  client.on('message', (_topic, payload) => {
    sum += (JSON.parse(payload.toString()) as SensorReading).value;
    meter.pass();
  });
  await client.subscribeAsync(TOPICS, { qos });
  await meter.finished();
  await client.endAsync(true);
  if (!(sum > 0)) throw new Error('the loop did nothing');
}

async function runEngine(
  { consumer, work, qos }: MqttFlowOptions,
  field: MqttField,
  meter: ThroughputMeter,
  stored: number,
): Promise<void> {
  using scratch = scratchFolder();
  const path = scratch.nextFile();
  const engine = createEngine({
    timeline: { path },
    // Far above what comes: it looks at every record and refuses none.
    rateLimit: { recordsPerSecondMax: 1_000_000_000 },
    stages: work === 'store' ? [filter((record) => isPlausible(readingOf(record)))] : converting(),
  });
  engine.batches$.subscribe((batch) => {
    meter.pass(batch.length, (index) => (batch[index] as IngestRecord).receivedMonoMs);
  });
  const spec = mqttSource({ id: 'plant', url: field.url, topics: TOPICS, qos, ...KEPT_SESSION });
  await engine.start();
  await engine.register(consumer === 'ackFirst' ? acknowledgedFirst(spec) : spec);
  try {
    await meter.finished();
  } finally {
    await engine.stop();
  }
  checkStored(path, stored);
}

const readingOf = ({ data }: IngestRecord) => (data as MqttEnvelope).payload as SensorReading;

function converting(): Stage[] {
  return [
    filter((record) => isWarm(readingOf(record))),
    transform((record) => ({ ...(record.data as MqttEnvelope), payload: toFahrenheit(readingOf(record)) })),
  ];
}

/** The same source, whose records bear no receipt: it has nothing to wait for before it acknowledges. */
function acknowledgedFirst(spec: SourceSpec): SourceSpec {
  const { logic } = spec;
  return { ...spec, logic: { ...logic, stream: (io) => logic.stream(withoutReceipts(io)) } };
}

function withoutReceipts(io: SourceIo): SourceIo {
  // A message's record bears nothing else.
  const bare = (meta?: RecordMeta): RecordMeta =>
    meta?.contentType === undefined ? {} : { contentType: meta.contentType };
  return Object.assign(Object.create(io) as SourceIo, {
    emit: (data: unknown, meta?: RecordMeta) => io.emit(data, bare(meta)),
    emitAll: (data: readonly unknown[], meta?: RecordMeta) => io.emitAll(data, bare(meta)),
    receive: (payload: string | Uint8Array, meta?: RecordMeta) => io.receive(payload, bare(meta)),
  });
}

/** Bytes this process caused to be written to the disk so far. Linux tells. */
function writtenBytes(): number {
  const [, bytes] = /^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8')) ?? [];
  return Number(bytes);
}
