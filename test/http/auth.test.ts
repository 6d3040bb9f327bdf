/** Who is let in: tokens, scopes, expiry, sources, lock-out. */

import { describe, expect, test } from 'vitest';
import { createAuthenticator, lackOfScope, lackOfSource } from '../../src/http/auth.ts';
import type { Scope, StoredToken } from '../../src/http/http-deps.ts';
import { hashOf } from '../../src/http/token-text.ts';
import { virtualClock } from '../../src/testing/virtual-clock.ts';
import { stored } from './http-rig.ts';

const HERE = '192.0.2.7';

function setUp({ tokens = [stored('good')] as StoredToken[], opensWithoutTokens = true, max = 3 } = {}) {
  const clock = virtualClock();
  const authenticator = createAuthenticator({
    ...{ tokens: () => tokens, clock, opensWithoutTokens, failedLoginsPerMinuteMax: max },
  });
  const login = (authorization?: string, from = HERE) => {
    const { principal, problem } = authenticator.authenticate(authorization, from);
    return principal?.name ?? problem?.status;
  };
  return { clock, authenticator, login };
}

describe('without tokens', () => {
  test('everybody may do everything where that was allowed', () => {
    const { authenticator } = setUp({ tokens: [] });
    const { principal } = authenticator.authenticate(undefined, HERE);
    expect([...(principal?.scopes ?? [])].sort()).toEqual(['admin', 'ingest', 'operate', 'read']);
  });

  test('nobody may do anything where it was not', () => {
    expect(setUp({ tokens: [], opensWithoutTokens: false }).login()).toBe(401);
  });

  test('a token that nobody gave out is refused all the same', () => {
    expect(setUp({ tokens: [] }).login('Bearer good')).toBe(401);
  });
});

describe('a token', () => {
  const cases: [title: string, authorization: string | undefined, outcome: string | number][] = [
    ['that is known lets in', 'Bearer good', 'good'],
    ['may be announced in any case', 'bearer  good ', 'good'],
    ['that is missing does not', undefined, 401],
    ['that is wrong does not', 'Bearer bad', 401],
    ['is not its own digest', `Bearer ${hashOf('good')}`, 401],
    ['must be all of it', 'Bearer goo', 401],
    ['must be alone', 'Bearer good bad', 401],
    ['is no password', `Basic ${btoa('good:good')}`, 401],
    ['is no empty text', 'Bearer ', 401],
    ['is not as long as one likes', `Bearer ${'x'.repeat(5_000)}`, 401],
  ];
  for (const [title, authorization, outcome] of cases) {
    test(title, () => expect(setUp().login(authorization)).toBe(outcome));
  }

  test('is known by its digest in any case of letters, and not by a broken one', () => {
    const tokens = [stored('good', { hash: hashOf('good').toUpperCase().replace('SHA256', 'sha256') })];
    expect(setUp({ tokens }).login('Bearer good')).toBe('good');
    expect(setUp({ tokens: [stored('good', { hash: 'sha256:12' })] }).login('Bearer good')).toBe(401);
    expect(setUp({ tokens: [stored('good', { hash: 'good' })] }).login('Bearer good')).toBe(401);
  });

  test('is refused from the moment it expires', async () => {
    const { clock, login } = setUp({ tokens: [] });
    expect(login('Bearer good')).toBe(401);
    const expiresAtMs = clock.wallMs() + 1_000;
    const timed = createAuthenticator({
      ...{ tokens: () => [stored('good', { expiresAtMs })], clock, opensWithoutTokens: true },
      failedLoginsPerMinuteMax: 3,
    });
    expect(timed.authenticate('Bearer good', HERE).principal?.name).toBe('good');
    await clock.runUntil(clock.sleep(1_000));
    const { problem } = timed.authenticate('Bearer good', HERE);
    expect(problem?.status).toBe(401);
    expect(problem?.headers['www-authenticate']).toContain('error="invalid_token"');
  });
});

describe('who stays is asked again', () => {
  test('and is nobody once its token expires, is taken away or lacks the scope', async () => {
    let tokens = [stored('good', { expiresAtMs: null })];
    const clock = virtualClock();
    const authenticator = createAuthenticator({
      ...{ tokens: () => tokens, clock, opensWithoutTokens: true, failedLoginsPerMinuteMax: 1 },
    });
    const asker = authenticator.standing('Bearer good');
    const anonymous = authenticator.standing(undefined);
    expect([asker()?.name, anonymous()]).toEqual(['good', null]);
    tokens = [stored('good', { scopes: ['ingest'], expiresAtMs: clock.wallMs() + 1_000 })];
    expect([...(asker()?.scopes ?? [])]).toEqual(['ingest']);
    await clock.advance(1_000);
    expect(asker()).toBeNull();
    tokens = [];
    expect([asker(), anonymous()?.name]).toEqual([null, 'anonymous']);
    tokens = [stored('good')];
    expect([asker()?.name, anonymous()]).toEqual(['good', null]);
  });

  test('without that being a failed login of its address', () => {
    const { authenticator, login } = setUp({ max: 1 });
    const asker = authenticator.standing('Bearer bad');
    for (let round = 0; round < 5; round++) expect(asker()).toBeNull();
    expect(login('Bearer bad')).toBe(401);
  });
});

describe('a scope', () => {
  const ALL: readonly Scope[] = ['read', 'ingest', 'operate', 'admin'];
  const cases: [given: Scope, allows: readonly Scope[]][] = [
    ['read', ['read']],
    ['ingest', ['ingest']],
    ['operate', ['read', 'operate']],
    ['admin', ['read', 'ingest', 'operate', 'admin']],
  ];
  for (const [given, allows] of cases) {
    test(`"${given}" allows ${allows.join(', ')} and nothing else`, () => {
      const { authenticator } = setUp({ tokens: [stored('t', { scopes: [given] })] });
      const { principal } = authenticator.authenticate('Bearer t', HERE);
      if (principal === undefined) throw new Error('not let in');
      expect(ALL.filter((scope) => lackOfScope(principal, scope) === null)).toEqual(allows);
      const lacking = lackOfScope({ ...principal, scopes: new Set() }, given);
      expect([lacking?.status, lacking?.headers['www-authenticate']]).toEqual([
        ...[403, `Bearer realm="headgate", error="insufficient_scope", scope="${given}"`],
      ]);
    });
  }

  test('"ingest" can be kept to some sources, of which the default tenant may be named or not', () => {
    const { authenticator } = setUp({
      tokens: [stored('t', { scopes: ['ingest'], sources: ['default/line3', 'acme/line3'] })],
    });
    const { principal } = authenticator.authenticate('Bearer t', HERE);
    if (principal === undefined) throw new Error('not let in');
    const statusOf = (source: string) => lackOfSource(principal, source)?.status ?? 200;
    expect(['line3', 'default/line3', 'acme/line3', 'line4', 'other/line3'].map(statusOf)).toEqual([
      ...[200, 200, 200, 403, 403],
    ]);
  });
});

describe('an address that fails too often', () => {
  test('is told to wait, until its minute is over', async () => {
    const { clock, authenticator, login } = setUp({ max: 3 });
    expect([1, 2, 3].map(() => login('Bearer bad'))).toEqual([401, 401, 401]);
    expect(login('Bearer bad')).toBe(429);
    const { problem } = authenticator.authenticate('Bearer bad', HERE);
    expect([problem?.body.code, problem?.headers['retry-after']]).toEqual(['HG_HTTP_LOCKED_OUT', '60']);
    await clock.runUntil(clock.sleep(60_000));
    expect(login('Bearer bad')).toBe(401);
  });

  test('does not lock out others, nor the good tokens behind the same address', () => {
    const { login } = setUp({ max: 1 });
    for (let failure = 0; failure < 5; failure++) login('Bearer bad');
    expect(login('Bearer bad')).toBe(429);
    expect(login('Bearer bad', '192.0.2.8')).toBe(401);
    expect(login('Bearer good')).toBe('good');
  });

  test('cannot escape by changing the part of an IPv6 address that is its own', () => {
    const { login } = setUp({ max: 1 });
    login('Bearer bad', '2001:db8:1:2::1');
    expect(login('Bearer bad', '2001:db8:1:2:ffff::9')).toBe(429);
    expect(login('Bearer bad', '2001:db8:1:3::1')).toBe(401);
    login('Bearer bad', '::ffff:192.0.2.1');
    expect(login('Bearer bad', '192.0.2.1')).toBe(429);
  });

  test('gives way to newer ones when there are very many: the table has an end', () => {
    const { login } = setUp({ max: 1 });
    login('Bearer bad', '192.0.2.1');
    expect(login('Bearer bad', '192.0.2.1')).toBe(429);
    for (let n = 0; n < 10_000; n++) login('Bearer bad', `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    expect(login('Bearer bad', '192.0.2.1')).toBe(401);
  });
});
