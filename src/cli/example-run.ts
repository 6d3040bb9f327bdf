/** Tries the examples of a configuration: the input goes through the stages of a real engine, under a
 *  virtual clock and without any of the configuration's sources, and what comes out is held against what is
 *  expected. */

import { isDeepStrictEqual } from 'node:util';
import { envelopeOf, type MqttEnvelope } from '../../actors/sources/mqtt/mqtt-source.ts';
import { pushSource, type PushOutcome, type PushSource } from '../../actors/sources/push-source.ts';
import { errorFacts, messageOf, type ErrorFacts } from '../domain/errors.ts';
import { readJson, writeJson } from '../domain/json-text.ts';
import { addressOf } from '../domain/address.ts';
import { SILENT_LOGGER } from '../domain/logger.ts';
import { isPoison, type FlowItem } from '../domain/record.ts';
import { createEngine, type Engine } from '../engine/engine.ts';
import type { GatewayConfig } from '../gateway/config/gateway-config.ts';
import { stagesOf } from '../gateway/config/stage-specs.ts';
import { virtualClock } from '../testing/virtual-clock.ts';

type Example = GatewayConfig['examples'][number];

/** What came out for one record: its data, or the error of the stage that failed. */
export type Output = { readonly data: unknown } | { readonly poison: string };

/** What became of a record that went in. */
export type Fate = 'passed' | 'failed' | 'filtered' | 'dropped' | 'dead letter';

export interface ExampleResult {
  readonly name: string;
  readonly passed: boolean;
  /** What is not as expected, a line each. */
  readonly differences: readonly string[];
  /** Of each record of the input, in its order. */
  readonly fates: readonly Fate[];
  readonly output: readonly Output[];
}

/** @throws HeadgateError HG_MODULE_FAILED */
export async function runExample(example: Example, config: GatewayConfig): Promise<ExampleResult> {
  const clock = virtualClock();
  const engine = createEngine({
    ...{ clock, seed: 1, logger: SILENT_LOGGER, timeline: { path: ':memory:' } },
    ...{ records: config.storage.records, stages: stagesOf(config) },
  });
  const items: FlowItem[] = [];
  const watching = engine.records$.subscribe((item) => items.push(item));
  await clock.runUntil(engine.start());
  try {
    const outcomes = await clock.runUntil(pushAll(example, engine, config));
    const output = items.map(outputOf);
    const differences = differencesOf(example.expect, output);
    const fates = outcomes.map((outcome, index) => fateOf(outcome, items, example, index));
    return { name: example.name, passed: differences.length === 0, differences, fates, output };
  } catch (error) {
    const differences = [`the stages never finish: ${messageOf(error)}`];
    return { name: example.name, passed: false, differences, fates: [], output: items.map(outputOf) };
  } finally {
    watching.unsubscribe();
    await clock.runUntil(engine.stop({ deadlineMs: 0 }));
  }
}

type Input = Example['input'][number];

/** Hands all records in at once, in order: a stage may wait for more than one of them. */
async function pushAll({ input }: Example, engine: Engine, config: GatewayConfig): Promise<PushOutcome[]> {
  const sources = new Map<string, PushSource>();
  for (const { tenant, id } of input) {
    const address = addressOf({ id, tenant });
    if (sources.has(address)) continue;
    const source = pushSource({ id, tenant, pendingMax: input.length });
    sources.set(address, source);
    await engine.register(source);
  }
  return Promise.all(
    input.map(({ tenant, id, data, ...meta }) => {
      const source = sources.get(addressOf({ id, tenant })) as PushSource;
      return source.push(asSourceMakesIt(data, config.sources[addressOf({ id, tenant })]), definedOnly(meta));
    }),
  );
}

/** The data as the source of that name hands it in: an MQTT message is an envelope, not a plain object. */
function asSourceMakesIt(data: unknown, source: GatewayConfig['sources'][string] | undefined): unknown {
  if (source?.type !== 'mqtt' || !isMap(data)) return data;
  const { topic, qos = 0, retain = false, payload, properties } = data as Partial<MqttEnvelope>;
  if (topic === undefined || !('payload' in data)) return data;
  return envelopeOf({ topic, qos, retain, ...(properties === undefined ? {} : { properties }) }, payload);
}

function definedOnly(meta: Omit<Input, 'tenant' | 'id' | 'data'>): Record<string, string | number> {
  const given = Object.entries(meta).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Record<string, string | number>;
}

function outputOf(item: FlowItem): Output {
  if (isPoison(item)) return failure(item.error);
  try {
    return { data: asStored(item.data) };
  } catch (error) {
    return failure(errorFacts(error));
  }
}

/** As the log keeps it. @throws HeadgateError HG_RECORD_UNSTORABLE */
function asStored(data: unknown): unknown {
  return readJson(writeJson(data));
}

function failure({ code, message }: ErrorFacts): Output {
  return { poison: `${code}: ${message}` };
}

function fateOf(outcome: PushOutcome, items: readonly FlowItem[], example: Example, index: number): Fate {
  const { tenant, id } = example.input[index] as Input;
  const before = example.input.slice(0, index).filter((one) => one.tenant === tenant && one.id === id);
  const own = items.find(
    (item) => item.sourceId === id && item.tenant === tenant && item.seq === before.length + 1,
  );
  if (own !== undefined) return isPoison(own) ? 'failed' : 'passed';
  if (outcome.filtered > 0) return 'filtered';
  return outcome.dropped > 0 ? 'dropped' : 'dead letter';
}

function differencesOf(expected: Example['expect'], output: readonly Output[]): string[] {
  const length = Math.max(expected.length, output.length);
  return Array.from({ length }, (_, index) => differenceAt(index, expected[index], output[index])).flat();
}

function differenceAt(index: number, wanted: Example['expect'][number] | undefined, got: Output | undefined) {
  const place = `record ${index + 1}`;
  if (wanted === undefined) return [`${place}: expected nothing more, got ${shown(got as Output)}`];
  const wantedText =
    wanted.poison === undefined ? `data ${text(wanted.data)}` : `a failure with "${wanted.poison}"`;
  if (got === undefined) return [`${place}: expected ${wantedText}, got nothing`];
  if (wanted.poison !== undefined) {
    const fits = 'poison' in got && got.poison.includes(wanted.poison);
    return fits ? [] : [`${place}: expected ${wantedText}, got ${shown(got)}`];
  }
  if ('poison' in got) return [`${place}: expected ${wantedText}, got ${shown(got)}`];
  return valueDifferences(asStored(wanted.data ?? null), got.data, `${place}: data`);
}

/** The places in which two values of JSON differ. */
function valueDifferences(wanted: unknown, got: unknown, path: string): string[] {
  if (isDeepStrictEqual(wanted, got)) return [];
  if (!isMap(wanted) || !isMap(got)) return [`${path}: expected ${text(wanted)}, got ${text(got)}`];
  const names = new Set([...Object.keys(wanted), ...Object.keys(got)]);
  return [...names].flatMap((name) => {
    const inner = Array.isArray(wanted) ? `${path}[${name}]` : `${path}.${name}`;
    if (!Object.hasOwn(got, name)) return [`${inner}: expected ${text(wanted[name])}, is not there`];
    if (!Object.hasOwn(wanted, name)) return [`${inner}: not expected, got ${text(got[name])}`];
    return valueDifferences(wanted[name], got[name], inner);
  });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function shown(output: Output): string {
  return 'poison' in output ? `a failure: ${output.poison}` : `data ${text(output.data)}`;
}

const SHOWN_CHARS_MAX = 200;

function text(value: unknown): string {
  const json = value === undefined ? 'nothing' : writeJson(value);
  return json.length > SHOWN_CHARS_MAX ? `${json.slice(0, SHOWN_CHARS_MAX)}…` : json;
}
