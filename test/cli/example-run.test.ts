/** The examples of a configuration reach the stages as the sources of the configuration would hand them in. */

import { expect, test } from 'vitest';
import { runExample, type ExampleResult } from '../../src/cli/example-run.ts';
import { configFolder, configOf } from '../gateway/config/config-rig.ts';

const SOURCES = `
sources:
  hall: { type: mqtt, url: 'mqtt://127.0.0.1:1883', topics: 'hall/+/temperature' }
  door: { type: push }
`;

async function resultOf(text: string): Promise<ExampleResult> {
  const folder = configFolder({
    'stages.js': 'export const isPlain = ({ data }) => Object.getPrototypeOf(data) === Object.prototype;',
  });
  const config = configOf(`${SOURCES}${text}`, { folder });
  return runExample(config.examples[0] as (typeof config.examples)[number], config);
}

test('a record of an MQTT source is an envelope, one of a push source is what was pushed', async () => {
  const result = await resultOf(`
stages: [{ module: './stages.js#isPlain' }]
examples:
  - name: envelopes
    input:
      - { id: hall, data: { topic: hall/2/temperature, payload: { celsius: 21 } } }
      - { id: door, data: { topic: hall/2/temperature, payload: { celsius: 21 } } }
      - { id: other, data: {} }
    expect: [{ data: false }, { data: true }, { data: true }]
`);
  expect(result).toMatchObject({ passed: true, differences: [] });
});

test('the filter of the README tells the messages of its source apart', async () => {
  const result = await resultOf(`
stages:
  - filter: 'record.id != "hall" || record.data.payload.celsius > -40'
  - set: { qos: record.data.qos }
examples:
  - name: plausible
    input:
      - { id: hall, data: { topic: hall/2/temperature, payload: { celsius: 21 } } }
      - { id: hall, data: { topic: hall/2/temperature, payload: { celsius: -41 } } }
    expect:
      - data: { topic: hall/2/temperature, qos: 0, retain: false, payload: { celsius: 21 } }
`);
  expect(result).toMatchObject({ passed: true, differences: [], fates: ['passed', 'filtered'] });
});

test('an integer beyond 2^53 comes out with all its digits', async () => {
  const result = await resultOf(`
stages: [{ transform: '{"id": 1724442618569203767}' }]
examples: [{ name: digits, input: [{ data: 1 }], expect: [{ data: { id: 1 } }] }]
`);
  expect(result.output).toEqual([{ data: { id: 1724442618569203767n } }]);
  expect(result.differences).toEqual(['record 1: data.id: expected 1, got 1724442618569203767']);
});
