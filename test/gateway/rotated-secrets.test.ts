/** Secrets and certificates of the parts beside the engine that are replaced while a gateway runs: each is
 *  used at once, without a change of the configuration. */

import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Aedes } from 'aedes';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { startOtlpCollector } from '../metrics/otlp-collector.ts';
import { gatewayRig, type GatewayRig } from '../support/gateway-rig.ts';
import { makeCertificates } from '../support/mqtt-certificates.ts';

const certificates = makeCertificates();
const folder = mkdtempSync(join(tmpdir(), 'headgate-secrets-'));
afterAll(() => {
  certificates.remove();
  rmSync(folder, { recursive: true });
});

const WAIT = { timeout: 15_000 };

async function started(config: object): Promise<GatewayRig> {
  const rig = await gatewayRig({ sources: { line: { type: 'push' } }, ...config });
  onTestFinished(() => rig.dispose());
  await rig.gateway.start();
  return rig;
}

/** As a tool that renews secrets does. Returns the path. */
function put(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, text);
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
  return path;
}

const changesOf = ({ gateway }: GatewayRig) => {
  const { outcome, changes = [], needsRestart } = gateway.configuration().lastReload ?? {};
  return [outcome, changes.map(({ path, fields }) => [path, fields]), needsRestart];
};

test(
  'a certificate that is renewed is shown to new connections; those that are open go on',
  { tags: 'full' },
  async () => {
    const { certFile, keyFile, ca, client } = certificates;
    const tls = {
      certFile: put('cert.pem', readFileSync(certFile, 'utf8')),
      keyFile: put('key.pem', readFileSync(keyFile, 'utf8')),
    };
    const rig = await started({ http: { port: 0, tls } });
    const url = new URL(rig.gateway.url as string);
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
    onTestFinished(() => agent.destroy());
    /** The common name of the certificate that the connection saw. */
    const ask = async () => {
      const request = get(new URL('/healthz', url), { agent, servername: 'localhost' });
      const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
      response.resume();
      await once(response, 'end');
      return [response.statusCode, request.reusedSocket];
    };
    const shown = async () => {
      const socket = connect({ host: url.hostname, port: Number(url.port), ca, rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    expect([await shown(), await ask()]).toEqual(['localhost', [200, false]]);
    put('key.pem', client.key);
    put('cert.pem', client.cert);
    await expect.poll(shown, WAIT).toBe('gateway');
    expect(await ask()).toEqual([200, true]);
    expect(changesOf(rig)).toEqual(['applied', [['http.tls', ['cert', 'key']]], []]);
  },
);

test('the control topic comes back with a new password', { tags: 'full' }, async () => {
  const seen: string[] = [];
  const broker = await Aedes.createBroker({
    authenticate: (_client, _username, password, done) => {
      seen.push(String(password));
      done(null, true);
    },
  });
  const server = createServer((socket) => void broker.handle(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    await new Promise<void>((resolve) => broker.close(() => resolve()));
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const password = `file:${put('password', 'old-password')}`;
  const rig = await started({
    control: { mqtt: { url: `mqtt://127.0.0.1:${port}`, username: 'gw', password } },
  });
  await expect.poll(() => new Set(seen), WAIT).toEqual(new Set(['old-password']));
  put('password', 'new-password');
  await expect.poll(() => seen.at(-1), WAIT).toBe('new-password');
  expect(changesOf(rig)).toEqual(['applied', [['control', ['mqtt.password']]], []]);
  await expect.poll(() => broker.connectedClients, WAIT).toBe(2);
  // It can be taken away as well.
  rig.write({ sources: { line: { type: 'push' } }, control: { mqtt: null } });
  await expect.poll(() => broker.connectedClients, WAIT).toBe(0);
});

test(
  'metrics are sent with a new token, and to the collector that is configured',
  { tags: 'full' },
  async () => {
    const [first, second] = [await startOtlpCollector(), await startOtlpCollector()];
    onTestFinished(() => [first, second].forEach((collector) => collector.close()));
    const otlp = { url: first.url, intervalMs: 100, headers: { 'x-token': `file:${put('token', 'old')}` } };
    const rig = await started({ metrics: { otlp } });
    const tokens = (collector: typeof first) => collector.received.map(({ headers }) => headers['x-token']);
    await expect.poll(() => tokens(first), WAIT).toContain('old');
    put('token', 'new');
    await expect.poll(() => tokens(first), WAIT).toContain('new');
    expect(changesOf(rig)).toEqual(['applied', [['metrics', ['otlp.headers.x-token']]], []]);
    rig.write({ sources: { line: { type: 'push' } }, metrics: { otlp: { ...otlp, url: second.url } } });
    await expect.poll(() => tokens(second), WAIT).toContain('new');
  },
);
