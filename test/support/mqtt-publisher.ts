/** A plain mqtt.js client to publish with in tests: what a device would be. */

import mqtt, { type IClientOptions, type IClientPublishOptions } from 'mqtt';

/** Brokers limit the QoS 2 messages of one client; Mosquitto takes 20. */
const UNACKNOWLEDGED_MAX = 20;

export interface TestPublisher {
  /** Resolves when the broker has the message (QoS 1 and 2: acknowledged it). */
  publish(topic: string, payload: string | Buffer, options?: IClientPublishOptions): Promise<void>;
  /** As many messages, their payloads the numbers from `from`; {@link UNACKNOWLEDGED_MAX} at a time. */
  publishNumbers(
    topic: string,
    count: number,
    options?: IClientPublishOptions & { from?: number },
  ): Promise<void>;
  close(): Promise<void>;
}

export async function startPublisher(url: string, options: IClientOptions = {}): Promise<TestPublisher> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
  client.on('error', () => {});
  const publish: TestPublisher['publish'] = async (topic, payload, { qos = 1, ...rest } = {}) => {
    await client.publishAsync(topic, payload, { qos, ...rest });
  };
  return {
    publish,
    async publishNumbers(topic, count, { from = 1, ...rest } = {}) {
      for (let sent = 0; sent < count; sent += UNACKNOWLEDGED_MAX) {
        const length = Math.min(UNACKNOWLEDGED_MAX, count - sent);
        await Promise.all(
          Array.from({ length }, (_, index) => publish(topic, String(from + sent + index), rest)),
        );
      }
    },
    async close() {
      await client.endAsync(true);
    },
  };
}
