import { expect, test } from 'vitest';
import { peer } from '../../actors/sinks/jetstream/nats-peer.ts';
import { peerProblems } from '../../src/gateway/peer-problems.ts';
import { configOf } from './config/config-rig.ts';

const absent = (name: string) => () =>
  peer(name, () =>
    Promise.reject(
      Object.assign(new Error(`Cannot find package '${name}'`), { code: 'ERR_MODULE_NOT_FOUND' }),
    ),
  );
const loaders = { nats: absent('@nats-io/transport-node'), otlp: absent('the-exporter') };

const NEEDY = configOf(`
sinks: { stream: { type: jetstream, servers: 'nats://h', subject: s } }
metrics: { otlp: { url: 'http://h/v1/metrics' } }
`);

test('a package that a sink or the metrics need and that is missing is a problem with its place', async () => {
  const found = await peerProblems(NEEDY, 'edge.yaml', loaders);
  expect(found.map(({ path, message }) => [path, message])).toEqual([
    ['sinks.stream.type', expect.stringContaining('npm install @nats-io/transport-node')],
    ['metrics.otlp', expect.stringContaining('the-exporter, which is not installed')],
  ]);
});

test('a package that nothing needs is not looked for', async () => {
  expect(await peerProblems(configOf('sources: {}'), null, loaders)).toEqual([]);
});

test('packages that are installed are no problem', async () => {
  expect(await peerProblems(NEEDY, null)).toEqual([]);
});
