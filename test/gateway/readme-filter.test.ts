/** The configuration of the README, run as it stands there against a real broker: its filter reads what MQTT
 *  messages become. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import mqtt from 'mqtt';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { until } from '../chaos/rig/until.ts';
import { startGateway, type GatewayConfig } from '../security/gateway-process.ts';
import { mosquittoMissing, startMosquitto } from '../support/mqtt-brokers.ts';

const WAIT_MS_MAX = 30_000;

function readmeConfiguration(url: string): GatewayConfig {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const yaml = /```yaml\n(# headgate\.yaml\n[^]*?)```/.exec(readme)?.[1] as string;
  // Another program may listen where the README has its boiler.
  const placed = yaml.replace('mqtt://127.0.0.1:1883', url).replace('127.0.0.1:18080', '127.0.0.1:1');
  return parse(placed) as GatewayConfig;
}

test.skipIf(mosquittoMissing !== null)(
  'the filter of the README keeps the plausible messages of its broker and leaves out the others',
  async () => {
    const broker = await startMosquitto();
    try {
      await using gateway = await startGateway({ config: readmeConfiguration(broker.url) });
      const client = await mqtt.connectAsync(broker.url);
      await until('the source has subscribed', WAIT_MS_MAX, async () => {
        const { json } = await gateway.ask({ path: '/api/sources/hall' });
        return (json as { state: string }).state === 'streaming';
      });
      for (const celsius of [21, -41, 22, 23]) {
        await client.publishAsync('hall/2/temperature', JSON.stringify({ celsius }), { qos: 1 });
      }
      await client.endAsync();
      await until('all messages have been dealt with', WAIT_MS_MAX, async () => {
        const { json } = await gateway.ask({ path: '/api/sources/hall' });
        return (json as { recordsProduced: number }).recordsProduced === 4;
      });
      expect(await gateway.stop()).toBe(0);
      const database = new Database(gateway.file, { readonly: true });
      expect(database.prepare(RECORDS).all()).toEqual(
        [21, 22, 23].map((celsius) => ({ source_id: 'hall', celsius })),
      );
      expect(database.prepare('SELECT * FROM dead_letters').all()).toEqual([]);
      database.close();
      expect(archived(join(gateway.folder, 'archive.ndjson'))).toBe(3);
    } finally {
      await broker.dispose();
    }
  },
  60_000,
);

const RECORDS = "SELECT source_id, data ->> '$.payload.celsius' AS celsius FROM records ORDER BY seq";

function archived(path: string): number {
  return readFileSync(path, 'utf8').trimEnd().split('\n').length;
}
