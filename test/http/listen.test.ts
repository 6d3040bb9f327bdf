/** Where the API may listen, over TLS too, and how it ends. */

import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { describe, expect, test } from 'vitest';
import { requireSafeAddress } from '../../src/http/exposure.ts';
import { pushSource } from '../../src/index.ts';
import { makeCertificates } from '../support/mqtt-certificates.ts';
import { httpRig, openRig, stored, LIMITS_OF_TESTS } from './http-rig.ts';

describe('an address', () => {
  const tls = { cert: 'c', key: 'k' };
  const cases: [title: string, options: object, tokens: number, complaint: RegExp | null][] = [
    ['of this machine alone needs nothing', { host: '127.0.0.1' }, 0, null],
    ['of this machine by name, too', { host: 'LocalHost' }, 0, null],
    ['of this machine in IPv6, too', { host: '::1' }, 0, null],
    ['of others needs tokens and TLS', { host: '0.0.0.0' }, 0, /auth\.tokens is empty.*http\.tls is not set/],
    ['of others needs tokens, with TLS', { host: '::', tls }, 0, /allowOpen: true\. Or listen/],
    ['of others needs TLS, with tokens', { host: '192.0.2.1' }, 1, /allowPlaintext: true/],
    ['of others is safe with both', { host: '0.0.0.0', tls }, 1, null],
    ['is taken in so many words', { host: '0.0.0.0', allowOpen: true, allowPlaintext: true }, 0, null],
    ['that only looks like this machine is another', { host: '127.0.0.1.example' }, 0, /other machines/],
  ];
  const plain = { port: 0, tls: null, allowedHosts: [], allowedOrigins: [], limits: LIMITS_OF_TESTS };
  for (const [title, options, tokens, complaint] of cases) {
    test(title, () => {
      const given = { ...plain, allowOpen: false, allowPlaintext: false, host: '', ...options };
      const check = () => requireSafeAddress(given, tokens);
      if (complaint === null) expect(check).not.toThrow();
      else expect(check).toThrow(complaint);
    });
  }

  test('that is not safe is not listened on', async () => {
    await expect(openRig({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'HG_HTTP_EXPOSED' });
  });

  test('that cannot be listened on is told with what to do', async () => {
    const rig = await httpRig();
    const check = (options: Parameters<typeof openRig>[0], message: RegExp) =>
      expect(openRig(options)).rejects.toMatchObject({
        code: 'HG_HTTP_LISTEN',
        message: expect.stringMatching(message) as unknown,
      });
    await check({ port: rig.port }, /EADDRINUSE.*; end the program .* or choose another http\.port/);
    const open = { allowOpen: true, allowPlaintext: true };
    await check(
      { host: '192.0.2.1', ...open },
      /EADDRNOTAVAIL.*; name an address of this machine as http\.host/,
    );
  });

  test('open to others stays shut when its last token is taken away', async () => {
    const tokens = [stored('boss')];
    const rig = await httpRig({ host: '0.0.0.0', allowPlaintext: true, tokens });
    const url = `http://127.0.0.1:${rig.port}`;
    rig.tokens = [];
    expect((await fetch(`${url}/api/sources`)).status).toBe(401);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

test('speaks TLS, and says that it is to be spoken from now on', async () => {
  const certificates = makeCertificates();
  try {
    const tls = {
      cert: readFileSync(certificates.certFile, 'utf8'),
      key: readFileSync(certificates.keyFile, 'utf8'),
    };
    const rig = await httpRig({ tls });
    expect(rig.url).toMatch(/^https:/);
    const answer = await new Promise<{ status?: number; policy?: string; protocol?: string | null }>(
      (resolve, reject) => {
        get(
          `https://localhost:${rig.port}/healthz`,
          { ca: certificates.ca, lookup: onLoopback },
          (response) => {
            const { statusCode, headers, socket } = response;
            const protocol = (socket as unknown as { getProtocol(): string | null }).getProtocol();
            response.resume().on('end', () =>
              resolve({
                ...(statusCode === undefined ? {} : { status: statusCode }),
                policy: String(headers['strict-transport-security']),
                protocol,
              }),
            );
          },
        ).on('error', reject);
      },
    );
    expect(answer).toEqual({ status: 200, policy: 'max-age=31536000', protocol: 'TLSv1.3' });
  } finally {
    certificates.remove();
  }
});

const onLoopback = (
  _name: string,
  _options: object,
  callback: (error: null, addresses: { address: string; family: number }[]) => void,
) => callback(null, [{ address: '127.0.0.1', family: 4 }]);

test('answers what it has begun before it ends', async () => {
  const rig = await httpRig();
  await rig.engine.register(pushSource({ id: 'slow' }));
  const asked = rig.ask('/api/sources/slow?deadlineMs=3000', { method: 'DELETE' });
  const others = Promise.all([rig.ask('/api/timeline'), rig.ask('/api/actors')]);
  await expect.poll(() => rig.server.connections()).toBe(3);
  const closed = rig.server.close({ deadlineMs: 10_000 });
  expect((await asked).status).toBe(200);
  expect((await others).map(({ status }) => status)).toEqual([200, 200]);
  await closed;
  await expect(rig.ask('/healthz')).rejects.toThrow('fetch failed');
});

test('ends what is not done in time', async () => {
  const rig = await httpRig();
  const head = 'POST /api/sources HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const { connect } = await import('node:net');
  const socket = connect(rig.port, '127.0.0.1').on('error', () => {});
  socket.write(`${head}Content-Length: 100\r\n\r\n{`);
  await expect.poll(() => rig.server.connections()).toBe(1);
  const ended = new Promise((resolve) => socket.on('close', resolve));
  socket.resume();
  await rig.server.close({ deadlineMs: 50 });
  await ended;
});
