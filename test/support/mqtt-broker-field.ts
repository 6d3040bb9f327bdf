/** What tests with real brokers share: the kinds of broker and what each can do, and one of them with a
 *  publisher and a proxy in front of it for the tests of a block. */

import { afterAll, beforeAll, test } from 'vitest';
import {
  mqttSource,
  type MqttEnvelope,
  type MqttSourceInput,
} from '../../actors/sources/mqtt/mqtt-source.ts';
import type { SourceSpec } from '../../src/domain/source.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import {
  mosquittoMissing,
  startAedes,
  startMosquitto,
  type BrokerOptions,
  type TestBroker,
} from './mqtt-brokers.ts';
import { startPublisher, type TestPublisher } from './mqtt-publisher.ts';
import { startRun, type SourceRun } from './mqtt-runs.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

/** `sends again`: what was not acknowledged comes again over the next connection. Aedes 1.2 sends it under
 *  new packet ids while older messages still bear the same ones, and takes an acknowledgement for the wrong
 *  one: some are lost, to any client. */
export type Feature = 'mqtt5' | 'shared' | 'sends again' | 'keeps sessions over a restart';

export interface BrokerKind {
  readonly name: string;
  /** Why it cannot run here, or null. */
  readonly missing: string | null;
  readonly start: (options?: BrokerOptions) => Promise<TestBroker>;
  readonly features: ReadonlySet<Feature>;
  /** What is skipped for want of a feature, or null. */
  readonly lacks: string | null;
}

export const BROKER_KINDS: readonly BrokerKind[] = [
  {
    name: 'Mosquitto',
    missing: mosquittoMissing,
    start: startMosquitto,
    features: new Set<Feature>(['mqtt5', 'shared', 'sends again', 'keeps sessions over a restart']),
    lacks: null,
  },
  {
    ...{ name: 'Aedes', missing: null, start: startAedes, features: new Set() },
    lacks:
      'Aedes has no MQTT 5, no shared subscriptions, no sessions over a restart, and sends again wrongly',
  },
];

export interface BrokerField {
  readonly broker: TestBroker;
  readonly publisher: TestPublisher;
  readonly proxy: TcpProxy;
  /** Begins a test: gives a prefix for its topics that no other test has. */
  readonly fresh: () => string;
  /** A source of the topic `a` of this test. */
  readonly sourceOf: (options?: Partial<MqttSourceInput>) => SourceSpec;
  /** Starts a run and waits for its link. */
  readonly open: (options?: Partial<MqttSourceInput>) => Promise<SourceRun>;
  /** Options that lead through the proxy. */
  readonly throughProxy: () => { url: string };
  /** Options of a session that the broker keeps, this test’s own. */
  readonly kept: () => { clean: boolean; clientId: string };
  /** `test`, where the broker has the feature. */
  readonly withFeature: (feature: Feature) => ReturnType<typeof test.skipIf>;
}

/** Starts a broker for the block of tests this is called in. */
export function useBroker(kind: BrokerKind): BrokerField {
  let broker: TestBroker;
  let publisher: TestPublisher;
  let proxy: TcpProxy;
  let count = 0;
  let plant = '';

  beforeAll(async () => {
    broker = await kind.start();
    publisher = await startPublisher(broker.url);
    proxy = await startTcpProxy(broker.port);
  });
  afterAll(async () => {
    await publisher.close();
    await proxy.close();
    await broker.dispose();
  });

  const sourceOf: BrokerField['sourceOf'] = (options = {}) =>
    mqttSource({ id: 'm', url: broker.url, topics: `${plant}/a`, ...options });
  return {
    get broker() {
      return broker;
    },
    get publisher() {
      return publisher;
    },
    get proxy() {
      return proxy;
    },
    fresh() {
      plant = `plant${++count}`;
      return plant;
    },
    sourceOf,
    async open(options = {}) {
      const run = startRun(sourceOf(options), realClock);
      await run.whenOpened();
      return run;
    },
    throughProxy: () => ({ url: `mqtt://127.0.0.1:${proxy.port}` }),
    kept: () => ({ clean: false, clientId: `gateway-${plant}` }),
    withFeature: (feature) => test.skipIf(!kind.features.has(feature)),
  };
}

export const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, index) => index + from);

export const sorted = (values: readonly unknown[]): unknown[] =>
  [...values].sort((a, b) => Number(a) - Number(b));

export const payloads = (run: SourceRun): unknown[] =>
  run.values.map((value) => (value as MqttEnvelope).payload);
