/** Places that clients share. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientKey, FairPlaces } from '../../src/http/fair-places.ts';

test('a client that is alone gets half of the places', () => {
  const places = new FairPlaces(64);
  let count = 0;
  while (places.take('a') !== null) count++;
  expect(count).toBe(32);
});

test('however many places others occupy, another client finds one', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 128 }),
      fc.array(
        fc.record({
          client: fc.constantFrom('a', 'b', 'c', 'd'),
          takes: fc.integer({ min: 0, max: 200 }),
          leaves: fc.integer({ min: 0, max: 50 }),
        }),
      ),
      (placesMax, steps) => {
        fc.pre(placesMax > 2 ** 5);
        const places = new FairPlaces(placesMax);
        const held = new Map<string, (() => void)[]>();
        for (const { client, takes, leaves } of steps) {
          const own = held.get(client) ?? [];
          held.set(client, own);
          for (let n = 0; n < takes; n++) {
            const leave = places.take(client);
            if (leave !== null) own.push(leave);
          }
          for (const leave of own.splice(0, leaves)) {
            leave();
            leave();
          }
          const total = [...held.values()].reduce((sum, { length }) => sum + length, 0);
          expect(places.taken).toBe(total);
          expect(total).toBeLessThan(placesMax);
          const leave = places.take('newcomer');
          expect(leave).not.toBeNull();
          leave?.();
        }
      },
    ),
  );
});

test('a client is a token, wherever it is used, or an address that uses none', () => {
  const of = (name: string, address: string) =>
    clientKey({ name, scopes: new Set(), sources: null }, address);
  expect(of('line3', '10.0.0.1')).toBe(of('line3', '10.0.0.2'));
  expect(of('line3', '10.0.0.1')).not.toBe(of('line4', '10.0.0.1'));
  expect(of('anonymous', '10.0.0.1')).not.toBe(of('anonymous', '10.0.0.2'));
  expect(of('anonymous', '10.0.0.1')).toBe(of('anonymous', '::ffff:10.0.0.1'));
});
