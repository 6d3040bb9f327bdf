/** Senders that leave at any moment: what was accepted is stored, what is sent again is stored once, and
 *  nothing is left behind of those who went. */

import net from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { LIMITS } from '../../../src/domain/limits.ts';
import { seededRandom } from '../../../src/domain/random.ts';
import { INGEST_LIMITS, ingestRig, until, type IngestRig } from './rig.ts';

/** More than there are places: one that is not given back would be missed. */
const ROUNDS = Math.max(LIMITS.ingestRequestsMax, INGEST_LIMITS.socketsMax) + 20;
const LINES = 400;

function seed(): number {
  const value = Number(process.env['HEADGATE_TEST_SEED'] ?? Date.now() % 1_000_000);
  process.stdout.write(`seed ${value}\n`);
  return value;
}

/** Begins an upload, sends this many bytes of it, and goes away. */
async function breakOff(rig: IngestRig, body: string, bytes: number, key: string): Promise<void> {
  const socket = net.connect(Number(new URL(rig.origin).port), '127.0.0.1');
  socket.on('error', () => {});
  const head =
    'POST /api/ingest/line3 HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n' +
    `idempotency-key: ${key}\r\ncontent-length: ${body.length}\r\n\r\n`;
  await new Promise<void>((resolve) => {
    socket.write(head + body.slice(0, bytes), () => resolve());
  });
  socket.destroy();
}

test(
  'uploads that break off anywhere and are sent again store each line once',
  { tags: 'full' },
  async () => {
    const random = seededRandom(seed());
    const rig = await ingestRig();
    for (let round = 0; round < ROUNDS; round++) {
      const lines = Array.from({ length: LINES }, (_, index) => `{"round":${round},"n":${index}}\n`);
      const body = lines.join('');
      const key = `round-${round}`;
      await breakOff(rig, body, Math.floor(random.next() * (body.length + 1)), key);
      let answer = await rig.post(body, { headers: { 'idempotency-key': key } });
      // The server has not noticed yet that the first one went away.
      while (answer.status === 409) answer = await rig.post(body, { headers: { 'idempotency-key': key } });
      expect(answer.body).toMatchObject({ accepted: LINES, rejected: 0 });
    }
    const counts = new Map<string, number>();
    for (const record of rig.stored())
      counts.set(JSON.stringify(record), (counts.get(JSON.stringify(record)) ?? 0) + 1);
    expect(counts.size).toBe(ROUNDS * LINES);
    expect([...counts.values()].every((count) => count === 1)).toBe(true);
  },
);

test('sockets that break off: every message that was answered is stored, each once after it was sent again', async () => {
  const random = seededRandom(seed());
  const rig = await ingestRig();
  const url = `${rig.origin.replace('http', 'ws')}/api/ingest/line3?client=plc`;
  const total = 3_000;
  const acked = new Set<number>();
  let connections = 0;
  while (acked.size < total) {
    connections++;
    const socket = new WebSocket(url);
    socket.on('error', () => {});
    const mayLeaveAfter = Math.floor(random.next() * 60);
    let credit = 0;
    let answers = 0;
    const waiting = Array.from({ length: total }, (_, id) => id).filter((id) => !acked.has(id));
    const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.on('message', (data: Buffer) => {
      for (const line of data.toString().split('\n')) {
        const { ack, credit: more = 0 } = JSON.parse(line) as { ack?: number; credit?: number };
        credit += more;
        if (ack === undefined) continue;
        acked.add(ack);
        if (++answers >= mayLeaveAfter) socket.terminate();
      }
      for (; credit > 0 && waiting.length > 0; credit--) {
        const id = waiting.shift() as number;
        socket.send(JSON.stringify({ id, records: [id] }));
      }
      if (acked.size === total) socket.close();
    });
    await gone;
  }
  expect(connections).toBeGreaterThan(10);
  expect((rig.stored() as number[]).toSorted((one, other) => one - other)).toEqual(
    Array.from({ length: total }, (_, id) => id),
  );
});

test('connections that go away without a word give their places back', async () => {
  const rig = await ingestRig();
  for (let round = 1; round <= ROUNDS; round++) {
    await breakOff(rig, '1\n'.repeat(100), 20, `key-${round}`);
    if (round % 32 > 0 && round < ROUNDS) continue;
    await until(() => rig.stored().length === round * 10, 'what they sent is stored');
  }
  let answer = await rig.post('1\n');
  while (answer.status === 503) answer = await rig.post('1\n');
  expect(answer.body.accepted).toBe(1);
});
