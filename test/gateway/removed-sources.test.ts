/** Sources that are gone from the file, over a real gateway with a real file to read: where each goes on is
 *  kept for a time, over restarts, and then given up. */

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { gatewayRig } from '../support/gateway-rig.ts';

const METER = { meter: { type: 'file', path: 'meter.ndjson', format: 'ndjson' } };
const DOOR = { door: { type: 'push' } };

test('a source that comes back goes on where it was, also after a restart, until its time is over', async () => {
  const files = { 'meter.ndjson': '1\n2\n3\n' };
  const rig = await gatewayRig({ sources: { ...METER, ...DOOR } }, { watch: false }, files);
  let { gateway } = rig;
  const running: Gateway[] = [];
  try {
    await gateway.start();
    const stored = () => rig.query('SELECT data FROM records ORDER BY seq').map(({ data }) => Number(data));
    const cursors = () => rig.query('SELECT source_id FROM source_cursors').length;
    const change = async (config: object) => {
      rig.write(config);
      expect(await gateway.reload('signal')).toMatchObject({ outcome: 'applied' });
    };
    await expect.poll(stored).toEqual([1, 2, 3]);
    await change({ sources: DOOR });
    await gateway.stop();
    appendFileSync(join(rig.folder, 'meter.ndjson'), '4\n');
    gateway = createGateway({ file: rig.file, env: {}, log: rig.gatewayLog, watch: false });
    running.push(gateway);
    await gateway.start();
    expect(cursors()).toBe(1);
    await change({ sources: { ...METER, ...DOOR } });
    await expect.poll(stored).toEqual([1, 2, 3, 4]);

    await change({ sources: DOOR, removed: { sources: ['meter'] } });
    await expect.poll(cursors).toBe(0);
    await change({ sources: { ...METER, ...DOOR } });
    await expect.poll(stored).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    const alerts = () => rig.query('SELECT event FROM alerts').map(({ event }) => event);
    expect(alerts()).toEqual([]);

    await change({ sources: DOOR, engine: { removedGraceMs: 0 } });
    await expect.poll(alerts).toEqual(['SOURCES_FORGOTTEN']);
    expect(cursors()).toBe(0);
    await gateway.stop();
    const [removed, forgotten] = rig
      .rows({ kind: 'config' })
      .filter(({ event }) => event === 'config.removed' || event === 'config.sourcesForgotten')
      .slice(-2);
    expect(removed).toMatchObject({ event: 'config.removed', data: { sources: ['meter'], keptMs: 0 } });
    expect(forgotten).toMatchObject({
      event: 'config.sourcesForgotten',
      data: { sources: ['meter'], sourcesTotal: 1 },
    });
  } finally {
    for (const one of running) await one.stop();
    await rig.dispose();
  }
});
