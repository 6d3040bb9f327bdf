/** A Mosquitto of its own and a publisher, for one measurement: the same for whatever is measured. */

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startMosquitto } from '../../test/support/mqtt-brokers.ts';

const PUBLISHER = fileURLToPath(new URL('../blast-mqtt.ts', import.meta.url));

/** Mosquitto holds back nothing and throws nothing away: `max_queued_messages 0` (of the test support) and
 *  this are no limits. With its default of 20 messages in flight a QoS 1 flow measures the way there and
 *  back. */
const BROKER_CONFIG = ['max_inflight_messages 0'];

/** The topics it publishes to. */
export const TOPICS = 'plant/+';

export interface MqttField extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Begins to publish; to be called once the subscription stands. */
  publish(qos: 0 | 1, messages: number): void;
}

export async function startMqttField(): Promise<MqttField> {
  const broker = await startMosquitto({ config: BROKER_CONFIG });
  const publishers: ReturnType<typeof spawn>[] = [];
  const killAll = () => {
    for (const publisher of publishers) publisher.kill('SIGKILL');
  };
  process.on('exit', killAll);
  return {
    url: broker.url,
    port: broker.port,
    publish(qos, messages) {
      const args = [PUBLISHER, String(broker.port), String(qos), String(messages)];
      publishers.push(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] }));
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', killAll);
      killAll();
      await broker.dispose();
    },
  };
}
