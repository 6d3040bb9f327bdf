/** An engine with one MQTT source, until it is killed: `node mqtt-engine-child.ts DATABASE OPTIONS`, the
 *  source’s options as JSON. Each record bears `{ id }`, which is its dedup key. Says on stdout, a number a
 *  line, how many records it has stored. */

import { createEngine, mqttSource } from '../../src/index.ts';

const [path = '', options = '{}'] = process.argv.slice(2);
const engine = createEngine({ timeline: { path } });
let stored = 0;
engine.batches$.subscribe((batch) => {
  stored += batch.length;
  process.stdout.write(`${stored}\n`);
});
await engine.start();
await engine.register(
  mqttSource({
    ...(JSON.parse(options) as Parameters<typeof mqttSource>[0]),
    dedupKey: (data) => String((data as { id: number }).id),
  }),
);
