/** The publisher of the benchmarks: `node bench/blast-mqtt.ts PORT QOS MESSAGES`. Writes frames that were
 *  made beforehand, as fast as the broker takes them, and reads its acknowledgements without a look at them:
 *  it is never what a flow waits for. */

import { once } from 'node:events';
import net from 'node:net';
import mqttPacket from 'mqtt-packet';
import { READINGS, readings } from './measurements/readings.ts';

const [port = 0, qos = 0, messages = 0] = process.argv.slice(2).map(Number);
const socket = net.connect(port, '127.0.0.1');
socket.setNoDelay(true);
socket.write(
  mqttPacket.generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    clientId: `blast-${process.pid}`,
    keepalive: 0,
  }),
);
await once(socket, 'data');
socket.resume();

const frames = readings.map((reading, index) =>
  mqttPacket.generate({
    cmd: 'publish',
    topic: `plant/${reading.sensor}`,
    payload: JSON.stringify(reading),
    qos: qos as 0 | 1,
    ...(qos === 0 ? {} : { messageId: index + 1 }),
    retain: false,
    dup: false,
  }),
);
for (let sent = 0; sent < messages; sent += READINGS) {
  const chunk = Buffer.concat(frames.slice(0, messages - sent));
  if (!socket.write(chunk)) await once(socket, 'drain');
}
socket.end();
// The broker closes when it has read everything: to cut the connection earlier would take from it what is still
// on the way.
await once(socket, 'close');
