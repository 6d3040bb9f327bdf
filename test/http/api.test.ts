/** The control API: what it answers, over the wire. */

import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, test } from 'vitest';
import { realClock } from '../../src/platform/real-clock.ts';
import { httpRig } from './http-rig.ts';

test('the document is a valid OpenAPI 3.1 document', async () => {
  const rig = await httpRig();
  const { json } = await rig.ask('/openapi.json');
  const validator = new Validator();
  const { valid, errors } = await validator.validate(json as Record<string, unknown>);
  expect(errors ?? []).toEqual([]);
  expect([valid, validator.version]).toEqual([true, '3.1']);
});

describe('sources', () => {
  test('are registered, shown, paused, resumed, replaced and taken out', async () => {
    const rig = await httpRig();
    const made = await rig.ask('/api/sources', { method: 'POST', body: { id: 'line-3', type: 'push' } });
    expect([made.status, made.headers.get('location')]).toEqual([201, '/api/sources/line-3']);
    expect(made.json).toMatchObject({ sourceId: 'line-3', type: 'push', incarnation: 1 });
    expect((await rig.ask('/api/sources')).json.sources).toHaveLength(1);

    expect((await rig.ask('/api/sources/line-3/pause', { method: 'POST' })).json.state).toBe('paused');
    expect((await rig.ask('/api/sources?state=paused')).json.sources).toHaveLength(1);
    expect((await rig.ask('/api/sources/line-3/resume', { method: 'POST' })).json.state).toMatch(
      /connecting|streaming/,
    );

    const replaced = await rig.ask('/api/sources/line-3', {
      method: 'PUT',
      body: { type: 'push', decode: 'text' },
    });
    expect(replaced.json).toMatchObject({ sourceId: 'line-3', incarnation: 2 });
    const ended = await rig.ask('/api/sources/line-3?mode=now&deadlineMs=500', { method: 'DELETE' });
    expect([ended.status, ended.json]).toEqual([200, { id: 'line-3', incarnation: 2 }]);
  });
});

test.each([-1e12, 1e12])('the uptime does not notice a wall clock that is set by %i ms', async (jumpMs) => {
  const clock = { ...realClock, wallMs: () => realClock.wallMs() + jumpMs };
  const rig = await httpRig({ clock });
  const { json } = await rig.ask('/healthz');
  // The gateway of these tests started when monotonic time did.
  expect(json.uptimeSeconds).toBeGreaterThanOrEqual(0);
  expect(json.uptimeSeconds).toBeLessThanOrEqual(Math.ceil(realClock.monotonicMs() / 1_000));
});
