import { describe, test } from 'vitest';
import { sourceConformance } from '../../../src/testing/source-conformance.ts';
import { mqttKit, simulatedMqttKit } from '../../support/conformance-mqtt-kits.ts';
import { BROKER_KINDS } from '../../support/mqtt-broker-field.ts';

describe.each(BROKER_KINDS)('an MQTT source before $name', (kind) => {
  for (const { title, run } of sourceConformance(mqttKit(kind))) {
    test.skipIf(kind.missing !== null)(title, run);
  }
});

describe(simulatedMqttKit.name, () => {
  for (const { title, run } of sourceConformance(simulatedMqttKit)) test(title, run);
});
