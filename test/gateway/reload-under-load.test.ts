/** The configuration is changed a hundred times while records stream in: none is lost, none is stored twice,
 *  and what no change names does not notice. */

import { afterEach, describe, expect, test } from 'vitest';
import type { PushSource } from '../../actors/sources/push-source.ts';
import { seededRandom, type Random } from '../../src/domain/random.ts';
import type { ReloadOutcome } from '../../src/gateway/gateway-control.ts';
import { mosquittoMissing, startMosquitto, type MosquittoBroker } from '../support/mqtt-brokers.ts';
import { startPublisher } from '../support/mqtt-publisher.ts';
import { gatewayConfig, gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';

const RELOADS = 100;
const SEED = 20_261_128;

let rig: GatewayRig;
let broker: MosquittoBroker | undefined;
afterEach(async () => {
  await rig.dispose();
  await broker?.dispose();
  broker = undefined;
});

/** A version of the configuration in which all but the untouched sources differs from the one before. */
function version(n: number, random: Random, untouched: object): object {
  const sources: Record<string, object> = { ...untouched };
  const chance = (probability: number) => random.next() < probability;
  for (const id of ['sim-1', 'sim-2', 'sim-3']) {
    if (chance(0.7)) sources[id] = { type: 'simulated', intervalMs: 5 + Math.floor(random.next() * 20) };
  }
  if (chance(0.5)) sources['other'] = { type: 'push' };
  return {
    sources,
    stages: [
      { set: { version: String(n) } },
      ...(chance(0.5) ? [{ queue: { name: 'between', capacityRecords: 100 } }] : []),
      ...(chance(0.5) ? [{ set: { twice: 'record.data.version * 2' } }] : []),
    ],
    limits: { global: chance(0.3) ? { recordsPerSecondMax: 1_000_000, policy: 'delay' } : null },
    burst: chance(0.3) ? { thresholdRecords: 100_000, windowMs: 500 } : null,
    sinks: chance(0.5) ? { out: { type: 'file', path: `out-${n % 2}.ndjson` } } : {},
  };
}

/** Lets records stream in while it reloads. */
type UnderLoad = (reload: () => Promise<ReloadOutcome>) => Promise<ReloadOutcome>;

/** Changes the configuration again and again: over the file, over the API, and now and then to nonsense. */
async function reloadOften(untouched: object, underLoad: UnderLoad): Promise<ReloadOutcome[]> {
  const random = seededRandom(SEED);
  const outcomes: ReloadOutcome[] = [];
  for (let n = 1; n <= RELOADS; n++) {
    const next = version(n, random, untouched);
    const reload = () => {
      if (n % 5 !== 0 && n % 3 === 0) {
        const text = JSON.stringify(gatewayConfig(next));
        return rig.gateway.apply(text, { format: 'json', origin: 'api' });
      }
      if (n % 5 !== 0) rig.write(next);
      else rig.write(n % 2 === 0 ? 'sources: [' : { ...next, stages: [{ filter: 'record.dat.' }] });
      return rig.gateway.reload('signal');
    };
    outcomes.push(await underLoad(reload));
  }
  return outcomes;
}

function expectOutcomes(outcomes: readonly ReloadOutcome[]): void {
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  const problems = outcomes.flatMap((one) => (one.outcome === 'failed' ? one.problems : []));
  expect(problems).toEqual([]);
  expect(counts).toEqual({ applied: RELOADS * 0.8, refused: RELOADS * 0.2 });
}

interface StoredRecord {
  readonly sourceSeq: number;
  readonly incarnation: number;
  readonly data: { readonly n: number; readonly version: number };
}

function stored(sourceId: string): StoredRecord[] {
  return rig
    .query(`select source_seq, incarnation, data from records where source_id = '${sourceId}' order by seq`)
    .map((row) => {
      const data = JSON.parse(row['data'] as string) as StoredRecord['data'];
      return { sourceSeq: row['source_seq'] as number, incarnation: row['incarnation'] as number, data };
    });
}

/** Of a source that no change has named: every record once, in order, in one incarnation, without a gap, each
 *  by one version of the stages, and never by an older one than the record before it. */
function expectUntouched(records: readonly StoredRecord[], count: number): void {
  expect(records.map(({ data }) => data.n)).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  expect(new Set(records.map(({ incarnation }) => incarnation)).size).toBe(1);
  expect(records.map(({ sourceSeq }) => sourceSeq)).toEqual(records.map((_, index) => index + 1));
  const versions = records.map(({ data }) => data.version);
  expect(versions).toEqual(versions.toSorted((one, other) => one - other));
  expect(new Set(versions).size).toBeGreaterThan(RELOADS / 4);
}

describe('a hundred reloads under load', () => {
  test('lose nothing that was pushed and acknowledged', { tags: 'full', timeout: 240_000 }, async () => {
    const untouched = { line: { type: 'push' } };
    rig = await gatewayRig({ sources: untouched, stages: [{ set: { version: '0' } }] });
    await rig.gateway.start();
    const source = rig.gateway.engine.sourceSpec('line') as PushSource;
    let isOver = false;
    let pushed = 0;
    let acknowledged = 0;
    const load = (async () => {
      while (!isOver) {
        const batch = Array.from({ length: 20 }, () => ({ n: (pushed += 1) }));
        acknowledged += (await source.pushAll(batch)).stored;
      }
    })();
    // A reload after some records more, not after some time more.
    const outcomes = await reloadOften(untouched, async (reload) => {
      const enough = acknowledged + 100;
      const outcome = await reload();
      await expect.poll(() => acknowledged, { interval: 1 }).toBeGreaterThan(enough);
      return outcome;
    });
    isOver = true;
    await load;
    await rig.gateway.stop();
    expectOutcomes(outcomes);
    expect(acknowledged).toBe(pushed);
    expectUntouched(stored('line'), pushed);
    expect(rig.rows({ kind: 'config', event: 'config.applying' })).toHaveLength(RELOADS * 0.8);
    expect(rig.rows({ kind: 'config', event: 'config.refused' })).toHaveLength(RELOADS * 0.2);
  });

  test.skipIf(mosquittoMissing !== null)(
    'lose nothing that a broker delivers, over one connection',
    { timeout: 240_000 },
    async () => {
      broker = await startMosquitto();
      const untouched = {
        plant: { type: 'mqtt', url: broker.url, topics: 'plant/#', qos: 1, clientId: 'headgate-reload' },
      };
      rig = await gatewayRig({ sources: untouched, stages: [PAYLOAD, { set: { version: '0' } }] });
      await rig.gateway.start();
      const { engine } = rig.gateway;
      await expect.poll(() => engine.health('plant').state).toBe('streaming');
      const publisher = await startPublisher(broker.url);
      let published = 0;
      const publishSome = async () => {
        for (let batch = 0; batch < 5; batch++) {
          const numbers = Array.from({ length: 20 }, () => (published += 1));
          await Promise.all(numbers.map((n) => publisher.publish('plant/line', JSON.stringify({ n }))));
        }
      };
      const outcomes = await reloadOften(untouched, async (reload) => {
        const load = publishSome();
        const outcome = await reload();
        await load;
        return outcome;
      });
      await expect.poll(() => engine.health('plant').recordsProduced).toBe(published);
      await rig.gateway.stop();
      await publisher.close();
      expectOutcomes(outcomes);
      const records = stored('plant');
      expect(records).toHaveLength(published);
      expectUntouched(records.map(flattened), published);
      expect(rig.rows({ actor: 'plant', event: 'link.opened' })).toHaveLength(1);
    },
  );
});

const PAYLOAD = { set: { n: 'record.data.payload.n' } };

/** An MQTT record bears what was published in its envelope. */
function flattened(record: StoredRecord): StoredRecord {
  const { payload, version: by } = record.data as unknown as { payload: { n: number }; version: number };
  return { ...record, data: { n: payload.n, version: by } };
}
