import { describe, expect, test } from 'vitest';
import { loopFindings } from '../../../src/gateway/config/loop-check.ts';
import { configOf } from './config-rig.ts';

/** The warnings about one MQTT source and one MQTT sink. */
function warned(topics: string, topic: string, urls: { source?: string; sink?: string } = {}): string[] {
  const { source = 'mqtt://broker:1883', sink = 'mqtt://broker' } = urls;
  const config = configOf(`
sources: { hall: { type: mqtt, url: '${source}', topics: ${topics} } }
sinks: { out: { type: mqtt, url: '${sink}', topic: '${topic}' } }
`);
  return loopFindings(config).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('a sink that publishes into a source of the same broker is named:', () => {
  test.each([
    ["'loop/#'", 'loop/out', {}],
    ["'#'", 'anything', {}],
    ["[ 'x', 'loop/+' ]", 'loop/out', {}],
    ["{ topic: '$share/g/loop/#', qos: 0 }", 'loop/out', {}],
    ["'dev/+/up'", 'dev/{data.id}/up', {}],
    ["'dev/a/b/up'", 'dev/{data.id}/up', {}],
    ["'dev/a-1'", 'dev/a-{data.n}', {}],
    ["'hall/+'", '{sourceId}/x', {}],
    ["'default/x'", '{tenant}/x', {}],
    ["'a/#'", 'a/b', { source: 'mqtt://localhost', sink: 'mqtt://127.0.0.1:1883' }],
  ])('%s and %s', (topics, topic, urls) => {
    expect(warned(topics, topic, urls)).toEqual([
      expect.stringMatching(/^sinks\.out\.topic: (may publish|publishes) to topics that source "hall" takes/),
    ]);
  });
});

describe('one that does not is not:', () => {
  test.each([
    ["'loop/#'", 'other/out', {}],
    ["'loop/+'", 'loop/out/deeper', {}],
    ["'dev/+/up'", 'dev/{data.id}/down', {}],
    ["'dev/b-1'", 'dev/a-{data.n}', {}],
    ["'plant/+'", '{sourceId}/x', {}],
    ["'a/#'", 'a/b', { sink: 'mqtt://another' }],
    ["'a/#'", 'a/b', { sink: 'mqtt://broker:1884' }],
  ])('%s and %s', (topics, topic, urls) => {
    expect(warned(topics, topic, urls)).toEqual([]);
  });
});

test('a sink that publishes commands, or posts to the own ingest, is named', () => {
  const config = configOf(`
http: { port: 8099 }
control: { mqtt: { url: 'mqtt://127.0.0.1', topic: 'gw/commands', replyTopic: 'gw/replies' } }
sources: { door: { type: push } }
sinks:
  commands: { type: mqtt, url: 'mqtt://localhost', topic: 'gw/{data.to}' }
  own: { type: http, url: 'http://127.0.0.1:8099/api/ingest/door' }
  other: { type: http, url: 'http://127.0.0.1:8098/api/ingest/door' }
`);
  expect(loopFindings(config).map(({ path }) => path.join('.'))).toEqual([
    'sinks.commands.topic',
    'sinks.own.url',
  ]);
});
