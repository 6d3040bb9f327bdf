/** A process that runs one MQTT source until it is killed: `node mqtt-child.ts OPTIONS`, the options as JSON.
 *  Says "open" on stdout when the source’s link stands, and each record as a line of JSON. */

import { mqttSource, type MqttSourceInput } from '../../actors/sources/mqtt/mqtt-source.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import { startRun } from './mqtt-runs.ts';

const spec = mqttSource(JSON.parse(process.argv[2] ?? '{}') as MqttSourceInput);
const run = startRun(spec, realClock);
await run.whenOpened();
process.stdout.write('open\n');
for (let count = 1; ; count++) {
  await run.records(count);
  process.stdout.write(`${JSON.stringify(run.values[count - 1])}\n`);
}
