/** A simulated broker on a virtual clock, and sources that know it. */

import { mqttConnection, type MqttConnection } from '../../actors/sources/mqtt/connection.ts';
import type { MqttConnectionInput } from '../../actors/protocols/mqtt/options.ts';
import { mqttSource, type MqttSourceInput } from '../../actors/sources/mqtt/mqtt-source.ts';
import type { SourceSpec } from '../../src/domain/source.ts';
import {
  simulatedMqttBroker,
  type SimulatedMqttBroker,
  type SimulatedMqttOptions,
} from '../../src/testing/simulated-mqtt.ts';
import { virtualClock, type VirtualClock } from '../../src/testing/virtual-clock.ts';
import { startRun, type SourceRun } from './mqtt-runs.ts';

export interface SimulatedField {
  readonly clock: VirtualClock;
  readonly broker: SimulatedMqttBroker;
  readonly sourceOf: (options?: Partial<MqttSourceInput>) => SourceSpec;
  readonly connectionOf: (options?: Partial<MqttConnectionInput>) => MqttConnection;
  readonly start: (options?: Partial<MqttSourceInput>, room?: number) => SourceRun;
}

/** Options of a session that the broker keeps. */
export const KEPT = { clean: false, clientId: 'gateway', keepaliveSeconds: 10 } as const;

export const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, index) => index + from);

export function field(brokerOptions: Partial<SimulatedMqttOptions> = {}): SimulatedField {
  const clock = virtualClock();
  const broker = simulatedMqttBroker({ clock, ...brokerOptions });
  const { transport } = broker;
  const url = 'mqtt://simulated';
  const sourceOf: SimulatedField['sourceOf'] = (options = {}) =>
    mqttSource({ id: 'm', url, topics: 'plant/a', transport, ...options });
  return {
    clock,
    broker,
    sourceOf,
    connectionOf: (options = {}) => mqttConnection({ url, transport, ...options }),
    start: (options = {}, room = Number.POSITIVE_INFINITY) => startRun(sourceOf(options), clock, { room }),
  };
}
