/** What a source says of each TLS handshake that fails, over each of its transports: advice that is right for
 *  that failure, and for no other. */

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { httpSource } from '../../../actors/sources/http/http-source.ts';
import { linkAdvice } from '../../../actors/protocols/link-advice.ts';
import { mqttSource } from '../../../actors/sources/mqtt/mqtt-source.ts';
import { webSocketSource } from '../../../actors/sources/websocket-source.ts';
import type { SourceSpec } from '../../../src/domain/source.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { startRun } from '../../support/mqtt-runs.ts';
import { makeOddCertificates, type KeyPair, type OddCertificates } from '../../support/odd-certificates.ts';

let certificates: OddCertificates;
beforeAll(() => {
  certificates = makeOddCertificates();
}, 60_000);

const opened: net.Server[] = [];
const sockets = new Set<net.Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of opened.splice(0)) server.close();
});

async function listen(server: net.Server): Promise<number> {
  opened.push(server);
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server whose handshake ends as its options say; what is behind it never answers. */
function secured(pair: KeyPair, options: tls.TlsOptions = {}): Promise<number> {
  const server = tls.createServer({ ...pair, ...options }, (socket) => socket.on('error', () => {}));
  server.on('tlsClientError', () => {});
  return listen(server);
}

interface Trust {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

const TRANSPORTS: [string, (port: number, trust: Trust, secure: boolean) => SourceSpec][] = [
  [
    'MQTT',
    (port, trust, secure) =>
      mqttSource({
        ...{ id: 's', topics: 't', url: `mqtt${secure ? 's' : ''}://localhost:${port}` },
        ...(secure ? { tls: trust } : {}),
      }),
  ],
  [
    'HTTP',
    (port, trust, secure) =>
      httpSource({
        ...{ id: 's', intervalMs: 1_000, url: `http${secure ? 's' : ''}://localhost:${port}/` },
        ...(secure ? { tls: trust } : {}),
      }),
  ],
  [
    'a WebSocket',
    (port, trust, secure) =>
      webSocketSource({
        ...{ id: 's', url: `ws${secure ? 's' : ''}://localhost:${port}/` },
        ...(secure ? { tls: trust } : {}),
      }),
  ],
  [
    'MQTT over a WebSocket',
    (port, trust, secure) =>
      mqttSource({
        ...{ id: 's', topics: 't', url: `ws${secure ? 's' : ''}://localhost:${port}` },
        ...(secure ? { tls: trust } : {}),
      }),
  ],
];

describe.each(TRANSPORTS)('over %s', (_, source) => {
  const complaint = async (port: number, trust: Trust, secure = true): Promise<string> => {
    const error = await startRun(source(port, trust, secure), realClock).over;
    expect(error).toMatchObject({ remedy: 'retry' });
    return error?.message ?? '';
  };
  const trusting = (): Trust => ({ ca: certificates.ca });

  test('a certificate is refused for what is wrong with it', async () => {
    const { expired, early, other, stranger, selfSigned } = certificates;
    const seen = await Promise.all(
      [expired, early, other, stranger, selfSigned].map(async (pair) =>
        complaint(await secured(pair), trusting()),
      ),
    );
    expect(seen[0]).toMatch(
      /certificate expired on 2020-01-02 00:00 UTC; renew it \(this clock says 20\d\d-/,
    );
    expect(seen[1]).toMatch(
      /is valid from 2090-01-01 00:00 UTC; this clock says 20\d\d-.* UTC: set the clock/,
    );
    expect(seen[2]).toContain('is for else.example, not localhost; correct the host');
    expect(seen[3]).toMatch(/issued by "somebody else", which is not trusted here; set tls.ca/);
    expect(seen[4]).toContain('is self-signed and not trusted here; set tls.ca to that very certificate');
    // Without an authority of ours, the right advice for the good one is to name it.
    expect(await complaint(await secured(certificates.good), {})).toMatch(/issued by "plant authority"/);
  });

  test('a server that speaks no TLS, or only TLS, is told by that', async () => {
    const plain = await listen(
      net.createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad\r\n\r\n'))),
    );
    expect(await complaint(plain, trusting())).toContain('does not speak TLS; correct the port');
    expect(await complaint(await secured(certificates.good), {}, false)).toMatch(
      /speaks TLS; begin the url with (mqtts|wss):\/\/|answers in TLS; begin the url with https or wss|closed the connection/,
    );
  });

  test('a server that wants a certificate of the client says so, whichever version of TLS', async () => {
    const wanting = { requestCert: true, rejectUnauthorized: true, ca: [certificates.ca] };
    const { good, stranger } = certificates;
    const newer = await secured(good, wanting);
    const older = await secured(good, { ...wanting, maxVersion: 'TLSv1.2' });
    for (const port of [newer, older]) {
      expect(await complaint(port, trusting())).toMatch(
        /certificate of the client.*set tls.cert and tls.key/,
      );
      expect(await complaint(port, { ...trusting(), ...stranger })).toMatch(
        /refused the certificate of this client|closed the connection/,
      );
    }
  });

  test('a server whose TLS is too old or whose key is too weak is told by that', async () => {
    const old = await secured(certificates.good, {
      ...{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
    });
    expect(await complaint(old, trusting())).toContain('versions of TLS that are too old');
    const weak = await secured(certificates.weak, { maxVersion: 'TLSv1.2', ciphers: 'ALL:@SECLEVEL=0' });
    expect(await complaint(weak, trusting())).toContain('a key or a signature that is too weak');
  });
});

test('a certificate for another name is taken where serverName says so', async () => {
  const port = await secured(certificates.other);
  const spec = httpSource({
    ...{ id: 's', url: `https://localhost:${port}/`, intervalMs: 1_000, timeoutMs: 50 },
    tls: { ca: certificates.ca, serverName: 'else.example' },
  });
  // The server takes the connection and never answers.
  expect(await startRun(spec, realClock).over).toMatchObject({ code: 'HG_LINK_TIMEOUT' });
});

test('a key that does not belong to its certificate is refused with the options', () => {
  const { good, other, ca } = certificates;
  expect(() =>
    httpSource({ id: 's', url: 'https://a/', intervalMs: 1, tls: { ca, cert: good.cert, key: other.key } }),
  ).toThrow('key does not belong to cert');
});

test.each([
  ['ECONNREFUSED', 'nothing listens there'],
  ['CERT_REVOKED', 'has been revoked'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'does not know the authority that issued tls.cert'],
  ['ERR_SSL_TLS_ALERT_UNKNOWN_CA', 'does not know the authority that issued tls.cert'],
  ['ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED', 'has expired; renew tls.cert'],
  ['ERR_SSL_SOMETHING_NEW', 'the TLS handshake failed (ERR_SSL_SOMETHING_NEW)'],
  ['EWHATEVER', 'EWHATEVER'],
])('the code %s means: %s', (code, words) => {
  expect(linkAdvice(code, Object.assign(new Error('x'), { code }))).toContain(words);
});

test.each(['ECONNRESET', 'EPIPE'])('%s over TLS may stand for a missing certificate', (code) => {
  const error = Object.assign(new Error('x'), { code });
  expect(linkAdvice(code, error, { overTls: true })).toMatch(/tls\.cert and tls\.key/);
  expect(linkAdvice(code, error)).not.toMatch(/tls/);
});
