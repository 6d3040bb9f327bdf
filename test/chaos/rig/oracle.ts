/** The publisher, which nothing kills. It knows what it sent and what the broker took on: the two sides of
 *  every account in these tests. */

import mqtt from 'mqtt';
import { realClock } from '../../../src/platform/real-clock.ts';
import { messageOf } from './message.ts';

/** Messages under way to the broker. More would only wait in memory. */
const IN_FLIGHT_MAX = 500;
const STEP_MS = 5;

export interface Oracle {
  /** Ids run from 1 to this one. */
  readonly issued: number;
  /** Ids the broker acknowledged: from then on they are its to keep. */
  readonly takenByBroker: ReadonlySet<number>;
  /** Publishes so many messages a second from now on; 0 pauses. */
  setRate(messagesPerSecond: number): void;
  /** Publishes one more message at once and returns its id. */
  publishOne(): number;
  /** Resolves when everything issued is acknowledged by the broker. */
  settled(): boolean;
  close(): Promise<void>;
}

export async function startOracle(url: string, topic: string): Promise<Oracle> {
  const client = await mqtt.connectAsync(url, {
    clientId: 'oracle',
    clean: false,
    reconnectPeriod: 50,
    connectTimeout: 2_000,
  });
  client.on('error', () => {});
  const takenByBroker = new Set<number>();
  let issued = 0;
  let perStep = 0;
  let due = 0;
  const publishOne = () => {
    const id = ++issued;
    client.publish(topic, JSON.stringify(messageOf(id)), { qos: 1 }, (error) => {
      if (error === null || error === undefined) takenByBroker.add(id);
    });
    return id;
  };
  const stopping = new AbortController();
  const publishing = (async () => {
    while (!stopping.signal.aborted) {
      due = Math.min(due + perStep, IN_FLIGHT_MAX);
      for (; due >= 1 && issued - takenByBroker.size < IN_FLIGHT_MAX; due--) publishOne();
      await realClock.sleep(STEP_MS, stopping.signal);
    }
  })().catch(() => {});
  return {
    get issued() {
      return issued;
    },
    takenByBroker,
    setRate(messagesPerSecond) {
      perStep = (messagesPerSecond * STEP_MS) / 1000;
      due = 0;
    },
    publishOne,
    settled: () => takenByBroker.size === issued,
    async close() {
      stopping.abort();
      await publishing;
      await client.endAsync(true);
    },
  };
}
