/** Whoever counts requests is told of each: by its route, with its status. */

import { expect, test } from 'vitest';
import type { OverRequest } from '../../src/http/http-deps.ts';
import { until } from '../chaos/rig/until.ts';
import { httpRig, stored } from './http-rig.ts';

test('each request is told of once, by the template of its route', async () => {
  const told: OverRequest[] = [];
  const rig = await httpRig({ tokens: [stored('reader')], observeRequest: (over) => told.push(over) });
  const token = 'reader';
  await rig.ask('/api/sources', { method: 'POST', token, body: { id: 'line-3', type: 'push' } });
  await rig.ask('/api/sources/line-3?x=1', { token });
  await rig.ask('/api/sources/c4nary', { token });
  await rig.ask('/api/ingest/line-3', { method: 'POST', token, body: [{ value: 1 }] });
  await rig.ask('/api/c4nary/none', { token });
  await rig.ask('/api/sources');
  await rig.ask('/healthz');
  await until('all of them', 30_000, () => told.length === 7);
  const seen = told.map(({ method, route, statusCode }) => [method, route, statusCode]);
  expect(seen).toEqual([
    ['POST', '/api/sources', 201],
    ['GET', '/api/sources/{id}', 400],
    ['GET', '/api/sources/{id}', 404],
    ['POST', '/api/ingest/{source}', 200],
    ['GET', null, 404],
    // Turned away at the door: nobody knows where it would have led.
    ['GET', null, 401],
    ['GET', '/healthz', 200],
  ]);
  expect(told.every(({ seconds }) => seconds > 0 && seconds < 30)).toBe(true);
  expect(JSON.stringify(told)).not.toContain('c4nary');
});
