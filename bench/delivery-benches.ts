/** The benchmarks of the way from a transport into the file: what safety costs, beside programs that promise
 *  none of it. */

import { mosquittoMissing } from '../test/support/mqtt-brokers.ts';
import { inTurn, skipped, type Bench } from './bench.ts';
import { measureInChild } from './child.ts';
import type { MqttFlowFigures, MqttFlowOptions } from './measurements/mqtt-flow.ts';
import { installNodeRed } from './measurements/node-red.ts';
import { payloadBytes } from './measurements/readings.ts';
import type { Bound, Measured } from './result.ts';

const RATE = { unit: 'messages/s', better: 'higher' } as const;
const MQTT_LOOP = 'bare mqtt.js';

const ratio = (limit: number): Bound => ({ of: 'ratio', limit });

/** For what is only told: nothing is promised, but beyond this something is broken. */
const ceiling = (limit: number): Bound => ({ of: 'value', limit, isCeiling: true });

const QOS0 = { qos: 0, warmUpMessages: 200_000, messages: 500_000 } as const;
const QOS1 = { qos: 1, warmUpMessages: 100_000, messages: 400_000 } as const;
const NODE_RED = { qos: 0, warmUpMessages: 30_000, messages: 100_000 } as const;

const qos0: Bench = {
  name: 'mqtt-qos0-stored',
  rows: ['mqtt-qos0-stored'],
  async measure(runs) {
    const what = { name: 'mqtt-qos0-stored', ...RATE, referenceName: MQTT_LOOP, bound: ratio(0.9) };
    if (mosquittoMissing !== null) return [skipped(what, mosquittoMissing)];
    const [engine, loop] = await inTurn(
      runs,
      () => flow({ ...QOS0, consumer: 'engine' }),
      () => flow({ ...QOS0, consumer: 'loop' }),
    );
    return [{ ...what, values: rates(engine), references: rates(loop) }];
  },
};

/** One set of runs shows what a stored message costs in time, and what in everything else. */
const qos1: Bench = {
  name: 'mqtt-qos1',
  rows: [...['mqtt-qos1-stored', 'acks-cost'], ...['mqtt-qos1-cpu', 'mqtt-qos1-disk', 'mqtt-qos1-rss']],
  async measure(runs) {
    const stored = { name: 'mqtt-qos1-stored', ...RATE, referenceName: MQTT_LOOP, bound: ratio(1) };
    const acks = { name: 'acks-cost', ...RATE, referenceName: 'acknowledged first', bound: ratio(0.7) };
    const told = { better: 'lower', referenceName: MQTT_LOOP } as const;
    const cpu = { ...told, name: 'mqtt-qos1-cpu', unit: 'CPU s/M records', bound: ceiling(100) };
    const disk = {
      ...told,
      name: 'mqtt-qos1-disk',
      unit: 'MB/M records',
      referenceName: 'the payloads',
      bound: ceiling(10_000),
    };
    const rss = { ...told, name: 'mqtt-qos1-rss', unit: 'MB', bound: ceiling(1_000) };
    if (mosquittoMissing !== null) {
      return [stored, acks, cpu, disk, rss].map((one) => skipped(one, mosquittoMissing as string));
    }
    const [engine, loop, ackFirst] = await inTurn(
      runs,
      () => flow({ ...QOS1, consumer: 'engine' }),
      () => flow({ ...QOS1, consumer: 'loop' }),
      () => flow({ ...QOS1, consumer: 'ackFirst' }),
    );
    return [
      { ...stored, values: rates(engine), references: rates(loop) },
      { ...acks, values: rates(engine), references: rates(ackFirst) },
      { ...cpu, ...of(engine, loop, ({ cpuSecondsPerMillion }) => cpuSecondsPerMillion) },
      {
        ...disk,
        values: engine.map(({ writtenMbPerMillion }) => writtenMbPerMillion),
        references: [payloadBytes],
      },
      { ...rss, ...of(engine, loop, ({ rssMb }) => rssMb) },
    ];
  },
};

const nodeRed: Bench = {
  name: 'mqtt-vs-node-red',
  rows: ['mqtt-vs-node-red'],
  async measure(runs) {
    const what = { name: 'mqtt-vs-node-red', ...RATE, referenceName: 'Node-RED', bound: ratio(2) };
    const missing = mosquittoMissing ?? installNodeRed();
    if (missing !== null) return [skipped(what, missing)];
    const { warmUpMessages, messages } = NODE_RED;
    const [engine, peer] = await inTurn(
      runs,
      () => flow({ ...NODE_RED, consumer: 'engine', work: 'convert' }),
      () => measureInChild('nodeRed', { warmUpMessages, messages }),
    );
    return [{ ...what, values: rates(engine), references: peer }];
  },
};

const push: Bench = {
  name: 'push-ndjson-stored',
  rows: ['push-ndjson-stored'],
  async measure(runs) {
    const { engine, bare } = await measureInChild('push', { runs, batches: 300, batchRecords: 1_000 });
    return [
      {
        name: 'push-ndjson-stored',
        unit: 'records/s',
        values: engine,
        references: bare,
        referenceName: 'bare parse and insert',
        better: 'higher',
        bound: ratio(0.5),
      },
    ];
  },
};

const SINKS = { warmUpRecords: 50_000, records: 200_000 } as const;

/** Both what the engine takes in and what the sink that works delivers stand beside the dead one. */
const deadSink: Bench = {
  name: 'fast-sink-beside-dead-sink',
  rows: ['fast-sink-beside-dead-sink', 'intake-beside-dead-sink'],
  async measure(runs) {
    const [beside, alone] = await inTurn(
      runs,
      () => measureInChild('sinks', { ...SINKS, hasDeadSink: true }),
      () => measureInChild('sinks', { ...SINKS, hasDeadSink: false }),
    );
    const what = {
      unit: 'records/s',
      referenceName: 'without the dead sink',
      better: 'higher',
      bound: ratio(0.95),
    } as const;
    return [
      {
        ...what,
        name: 'fast-sink-beside-dead-sink',
        ...of(beside, alone, ({ deliveredPerSecond }) => deliveredPerSecond),
      },
      {
        ...what,
        name: 'intake-beside-dead-sink',
        ...of(beside, alone, ({ storedPerSecond }) => storedPerSecond),
      },
    ];
  },
};

const PACES = [
  { recordsPerSecond: 1_000, row: 'latency-1k' },
  { recordsPerSecond: 10_000, row: 'latency-10k' },
] as const;

const latency: Bench = {
  name: 'latency',
  rows: PACES.flatMap(({ row }) => [`${row}-p50`, `${row}-p99`]),
  async measure(runs) {
    const rows: Measured[] = [];
    for (const { recordsPerSecond, row } of PACES) {
      const [figures] = await inTurn(runs, () =>
        measureInChild('latency', { recordsPerSecond, warmUpMs: 1_000, windowMs: 3_000 }),
      );
      const told = {
        unit: 'ms',
        referenceName: 'bare commit',
        better: 'lower',
        bound: ceiling(1_000),
      } as const;
      for (const [part, key] of [['p50', 'p50Ms'] as const, ['p99', 'p99Ms'] as const]) {
        rows.push({
          ...told,
          name: `${row}-${part}`,
          values: figures.map(({ engine }) => engine[key]),
          references: figures.map(({ bare }) => bare[key]),
        });
      }
    }
    return rows;
  },
};

export const DELIVERY_BENCHES: readonly Bench[] = [qos0, qos1, nodeRed, push, deadSink, latency];

function flow(options: Omit<MqttFlowOptions, 'work'> & { work?: 'convert' }): Promise<MqttFlowFigures> {
  return measureInChild('mqttFlow', { work: 'store', ...options });
}

const rates = (figures: readonly MqttFlowFigures[]) => figures.map(({ perSecond }) => perSecond);

function of<Figures>(
  values: readonly Figures[],
  references: readonly Figures[],
  pick: (figures: Figures) => number,
): Pick<Measured, 'values' | 'references'> {
  return { values: values.map(pick), references: references.map(pick) };
}
