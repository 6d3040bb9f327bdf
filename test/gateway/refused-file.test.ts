/** A configuration file that is edited wrongly while the gateway runs is an alert, until it is in order. */

import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { expect, test } from 'vitest';
import { gatewayConfig, gatewayRig } from '../support/gateway-rig.ts';

const RIGHT = { sources: { line3: { type: 'push' } } };
const WRONG = 'sources:\n  line3:\n    type: push\n    decoed: json\n';

test('a wrong edit is one alert with line and remedy until the file is in order', async () => {
  const rig = await gatewayRig(RIGHT);
  try {
    const { gateway } = rig;
    const shown: string[] = [];
    gateway.engine.alerts$.subscribe(({ event }) => void shown.push(event));
    await gateway.start();
    const refusals = () => rig.rows({ event: 'config.refused' }).length;
    const edit = async (text: string, expected: number) => {
      writeFileSync(rig.file, text);
      await expect.poll(refusals).toBe(expected);
    };
    await edit(WRONG, 1);
    await edit(`${WRONG}    retry: 3\n`, 2);
    // What is applied another way, and not kept, leaves the file wrong.
    const other = stringify(gatewayConfig({ sources: { line3: { type: 'push' }, other: { type: 'push' } } }));
    expect(await gateway.apply(other, { format: 'yaml', origin: 'api' })).toMatchObject({
      outcome: 'applied',
    });
    await expect.poll(() => shown).toEqual(['CONFIG_REFUSED']);
    writeFileSync(rig.file, other);
    await expect.poll(() => shown).toEqual(['CONFIG_REFUSED', 'CONFIG_REFUSED_OVER']);
    await gateway.stop();
    const [began, over] = rig.rows({ kind: 'alert' });
    expect(began?.['data']).toMatchObject({
      ...{ severity: 'warning', sourceId: null },
      message: expect.stringMatching(
        /line 4: sources\.line3\.decoed: is unknown; did you mean "decode"\?; mend it, the version before/,
      ) as string,
    });
    expect(over?.['data']).toMatchObject({
      severity: 'info',
      details: { state: 'unchanged', repeats: 1, durationMs: expect.any(Number) as number },
    });
    const asked = rig.query("select event, severity from alerts where event like 'CONFIG%' order by seq");
    expect(asked).toEqual([
      { event: 'CONFIG_REFUSED', severity: 'warning' },
      { event: 'CONFIG_REFUSED_OVER', severity: 'info' },
    ]);
  } finally {
    await rig.dispose();
  }
});
