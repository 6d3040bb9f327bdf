// @module-tag full
import { describe, test } from 'vitest';
import type { ConformanceKit } from '../../../src/testing/conformance-kit.ts';
import { sourceConformance } from '../../../src/testing/source-conformance.ts';
import { declares } from '../../support/conformance-kits.ts';
import { mqttKit, SESSIONS, simulatedMqttKit } from '../../support/conformance-mqtt-kits.ts';
import { BROKER_KINDS } from '../../support/mqtt-broker-field.ts';
import { skipNote } from '../../support/skip-note.ts';

describe.each(SESSIONS)('an MQTT source, its session %s', (session) => {
  describe.each(BROKER_KINDS)('before $name', (kind) => {
    for (const { title, run } of sourceConformance(mqttKit(kind, session))) {
      test.skipIf(kind.missing !== null)(`${title}${skipNote(kind.missing)}`, run);
    }
  });

  describe('before a simulated broker', () => {
    for (const { title, run } of sourceConformance(simulatedMqttKit(session))) test(title, run);
  });
});

/** The cases about a full outlet. */
function pressure(kit: ConformanceKit) {
  const known = new Set(sourceConformance(kit).map(({ title }) => title));
  const pushed: ConformanceKit = { ...kit, declares: declares('pushback', ...kit.declares) };
  return sourceConformance(pushed).filter(({ title }) => !known.has(title));
}

/** Not this one: what still waits in a full outlet when a pause ends the link is not acknowledged, so it
 *  comes again. Delivery is at least once, and each value once is not what the source is held to. */
const AGAIN = 'drops nothing when it is paused';

describe('an MQTT source, its session kept, before a full outlet', () => {
  const mosquitto = BROKER_KINDS.find(({ name }) => name === 'Mosquitto') as (typeof BROKER_KINDS)[number];
  for (const { title, run } of pressure(mqttKit(mosquitto, 'kept'))) {
    if (title.startsWith(AGAIN)) continue;
    test.skipIf(mosquitto.missing !== null)(`${title}${skipNote(mosquitto.missing)}`, run);
  }

  for (const { title, run } of pressure(simulatedMqttKit('kept'))) {
    if (title.startsWith(AGAIN)) continue;
    test(title, run);
  }
});
