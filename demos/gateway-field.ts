/** A field for a gateway to be tried on: an MQTT broker, a process that publishes real measurements to it as
 *  devices do, and two HTTP sensors that fail now and then. What `headgate start` brings along. */

import { seededRandom } from '../src/testing.ts';
import { startBroker } from './parts/broker.ts';
import type { Feed } from './parts/feed.ts';
import { startHttpSensor, type HttpSensor } from './parts/http-sensor.ts';
import { startPublisher } from './parts/publisher-process.ts';
import { readingsFrom } from './parts/readings.ts';

export interface GatewayField extends AsyncDisposable {
  readonly brokerUrl: string;
  /** What each HTTP sensor answers with, by its name. */
  readonly sensorUrls: Readonly<Record<(typeof SENSORS)[number], string>>;
  /** Lets the devices publish. */
  begin(): void;
  /** Rejects if the devices' process ends before it is told to. */
  readonly finished: Promise<unknown>;
}

/** Of MQTT, where nobody else listens there. */
const BROKER_PORT = 1883;

const SENSORS = ['boiler', 'meter'] as const;
const SENSOR_FAIL_RATE = 0.05;
/** Beyond the time that the configuration gives an answer. */
const LATE_ANSWER_MS = 1_500;

/** Three stations of one weather service: two report at a steady pace, one in bursts. */
const FEEDS: readonly Feed[] = [
  { topic: 'weather/harbour', qos: 1, startDay: 0, cycle: [{ waitMs: 200, records: 1 }], cycles: null },
  { topic: 'weather/airport', qos: 1, startDay: 365, cycle: [{ waitMs: 500, records: 2 }], cycles: null },
  {
    topic: 'weather/mountain',
    qos: 1,
    startDay: 730,
    cycle: [
      { waitMs: 6_000, records: 40 },
      { waitMs: 1_000, records: 1 },
    ],
    cycles: null,
  },
];

/** Starts all of it on loopback. The broker has the usual port if it is free, else any.
 *  @throws HeadgateError HG_PEER_MISSING where the package aedes is not installed. */
export async function startGatewayField(seed: number): Promise<GatewayField> {
  await using started = new AsyncDisposableStack();
  const broker = started.use(await startBroker(BROKER_PORT));
  const sensorUrls = {} as Record<(typeof SENSORS)[number], string>;
  for (const [index, name] of SENSORS.entries()) {
    sensorUrls[name] = started.use(await startSensor(seed, name, index)).url;
  }
  const publisher = started.use(await startPublisher({ brokerUrl: broker.url, feeds: FEEDS }));
  const parts = started.move();
  return {
    brokerUrl: broker.url,
    sensorUrls,
    begin: () => publisher.begin(),
    finished: publisher.finished,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function startSensor(seed: number, name: string, index: number): Promise<HttpSensor> {
  const random = seededRandom(`${seed}/${name}`);
  const next = readingsFrom(index * 100);
  return startHttpSensor({
    read: () => ({ sensor: name, ...next() }),
    failRate: SENSOR_FAIL_RATE,
    random: () => random.next(),
    lateAnswerMs: LATE_ANSWER_MS,
  });
}
