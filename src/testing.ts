/** What tests and simulations need: the virtual clock, seeded chance, simulated transports and the
 *  conformance suite. */

import './node-version.ts';

export { virtualClock, type VirtualClock } from './testing/virtual-clock.ts';
export { seededRandom, type Random } from './domain/random.ts';
export { simulatedHttp, type SimulatedAnswer, type SimulatedHttp } from './testing/simulated-http.ts';
export {
  simulatedMqttBroker,
  type SimulatedMqttBroker,
  type SimulatedMqttOptions,
} from './testing/simulated-mqtt.ts';
export { sourceConformance, type ConformanceCase } from './testing/source-conformance.ts';
export type {
  ConformanceAbility,
  ConformanceField,
  ConformanceKit,
  ConformanceOverrides,
} from './testing/conformance-kit.ts';
