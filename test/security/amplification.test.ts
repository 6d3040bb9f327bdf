/** Uploads of few bytes that come to many: the memory of the gateway is bounded, whatever the format. */

import { expect, test } from 'vitest';
import { startGateway } from './gateway-process.ts';

const MIB = 1024 * 1024;
/** As it was: 1.7 GiB for one of these uploads. */
const GROWTH_BYTES_MAX = 700 * MIB;

const names = (count: number, chars: number) =>
  `${Array.from({ length: count }, (_, index) => `${index}`.padEnd(chars, 'n')).join(',')}\n`;

const UPLOADS: Readonly<Record<string, { type: string; body: string; statuses: readonly number[] }>> = {
  'rows of commas below 900 names of 1 kB': {
    type: 'text/csv',
    body: names(900, 1_000) + `${','.repeat(899)}\n`.repeat(3_000),
    statuses: [400],
  },
  'short rows below two names of 32 kB': {
    type: 'text/csv',
    body: names(2, 32_000) + ',\n'.repeat(100_000),
    statuses: [413],
  },
  'rows of commas below 900 names of 70 bytes': {
    type: 'text/csv',
    body: names(900, 70) + `${','.repeat(899)}\n`.repeat(100),
    statuses: [200, 503],
  },
  'empty objects as lines': {
    type: 'application/x-ndjson',
    body: '{}\n'.repeat(60_000),
    statuses: [200, 503],
  },
  'records of empty lists': {
    type: 'application/json',
    body: `[${`[${'[],'.repeat(200_000)}0],`.repeat(2)}0]`,
    statuses: [200, 503],
  },
  'records of many names': {
    type: 'application/x-ndjson',
    body: `{${Array.from({ length: 20_000 }, (_, index) => `"k${index}":1`).join(',')}}\n`.repeat(2),
    statuses: [200, 503],
  },
};

test('four of each at once', { tags: 'full', timeout: 300_000 }, async () => {
  await using gateway = await startGateway();
  const before = gateway.residentBytes();
  let most = before;
  for (const [name, { type, body, statuses }] of Object.entries(UPLOADS)) {
    const asked = { method: 'POST', path: '/api/ingest/line', headers: { 'content-type': type }, body };
    const answers = await Promise.all(Array.from({ length: 4 }, () => gateway.ask(asked)));
    most = Math.max(most, gateway.residentBytes());
    const odd = answers.map(({ status }) => status).filter((status) => !statuses.includes(status));
    expect({ name, odd }).toEqual({ name, odd: [] });
  }
  expect((most - before) / MIB).toBeLessThan(GROWTH_BYTES_MAX / MIB);
  expect(await gateway.stop()).toBe(0);
});
