/** A Mosquitto of its own and a publisher, for one measurement: the same for whatever is measured. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import mqtt from 'mqtt';
import { startMosquitto } from '../../test/support/mqtt-brokers.ts';

const PUBLISHER = fileURLToPath(new URL('../blast-mqtt.ts', import.meta.url));

/** Mosquitto holds back nothing and throws nothing away: `max_queued_messages 0` (of the test support) and
 *  this are no limits. With its default of 20 messages in flight a QoS 1 flow measures the way there and
 *  back. */
const BROKER_CONFIG = ['max_inflight_messages 0', 'queue_qos0_messages true'];

/** The topics it publishes to. */
export const TOPICS = 'plant/+';

/** The session of whoever takes the messages; the broker keeps it while its client is away. */
export const KEPT_SESSION = { clientId: 'gateway', clean: false } as const;

export interface MqttField extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Publishes for {@link KEPT_SESSION}, while its client is away. Resolves when the broker has everything:
   *  it has up to four packets to deal with for each message, on one core, and would else be what is
   *  measured. */
  fill(what: { readonly qos: 0 | 1; readonly messages: number }): Promise<void>;
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
    async fill({ qos, messages }) {
      const away = await mqtt.connectAsync(broker.url, { ...KEPT_SESSION, reconnectPeriod: 0 });
      await away.subscribeAsync(TOPICS, { qos });
      await away.endAsync();
      const args = [PUBLISHER, String(broker.port), String(qos), String(messages)];
      const publisher = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      publishers.push(publisher);
      const [exitCode] = (await once(publisher, 'close')) as [number | null];
      if (exitCode !== 0) throw new Error(`the publisher ended with ${exitCode}`);
    },
    async [Symbol.asyncDispose]() {
      process.off('exit', killAll);
      killAll();
      await broker.dispose();
    },
  };
}
