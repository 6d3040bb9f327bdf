import { once } from 'node:events';
import type net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket, type ClientOptions } from 'ws';
import { LIMITS } from '../../../src/domain/limits.ts';
import { filter } from '../../../src/index.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import {
  INGEST_LIMITS,
  ingestRig,
  principalWith,
  scratchFile,
  storedIn,
  until,
  type IngestRig,
} from './rig.ts';

interface Client {
  readonly socket: WebSocket;
  /** Every line the server sent, in order. */
  readonly lines: Record<string, unknown>[];
  /** How many frames they came in. */
  readonly frames: () => number;
  send(message: unknown): void;
  /** Waits for an answer to each of these ids. */
  answers(...ids: number[]): Promise<Record<string, unknown>[]>;
  closed(): Promise<[code: number, reason: string]>;
}

async function connect(rig: IngestRig, query = '', options: ClientOptions = {}): Promise<Client> {
  const url = `${rig.origin.replace('http', 'ws')}/api/ingest/line3${query}`;
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  onTestFinished(() => socket.terminate());
  const lines: Record<string, unknown>[] = [];
  let frames = 0;
  let ended: [number, string] | null = null;
  socket.on('message', (data: Buffer) => {
    frames++;
    for (const line of data.toString().split('\n')) lines.push(JSON.parse(line) as (typeof lines)[0]);
  });
  socket.on('close', (code, reason) => (ended = [code, String(reason)]));
  socket.on('error', () => {});
  await once(socket, 'open');
  await until(() => lines.length > 0, 'the server is ready');
  const answerOf = (id: number) => lines.find((line) => line['ack'] === id || line['nack'] === id);
  return {
    ...{ socket, lines, frames: () => frames },
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async answers(...ids) {
      await until(() => ids.every((id) => answerOf(id) !== undefined), `${ids.join()} are answered`);
      return ids.map((id) => answerOf(id) as Record<string, unknown>);
    },
    async closed() {
      await until(() => ended !== null, 'the server closes');
      return ended as unknown as [number, string];
    },
  };
}

const answeredIds = (lines: readonly Record<string, unknown>[]) =>
  lines.flatMap(({ ack, nack }) => [ack, nack].filter((id) => id !== undefined));

describe('a message is answered when its records are stored', () => {
  test('as an object with its records', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    expect(client.lines[0]).toEqual({
      ready: 'line3',
      credit: LIMITS.ingestSocketCreditMessages,
      messageBytesMax: LIMITS.ingestMessageBytesMax,
    });
    client.send({ id: 1, records: [{ a: 1 }, 2] });
    expect(await client.answers(1)).toEqual([{ ack: 1, accepted: 2, rejected: 0, errors: [] }]);
    expect(rig.stored()).toEqual([{ a: 1 }, 2]);
  });

  test('as lines, in a text frame or a binary one', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    client.send('{"id":1}\n{"a":1}\nx\n3');
    client.socket.send(Buffer.from('{"id":2}\n4\n'));
    const [first, second] = await client.answers(1, 2);
    expect(first).toMatchObject({
      ack: 1,
      accepted: 2,
      rejected: 1,
      errors: [{ line: 2, code: 'HG_DECODE_FAILED' }],
    });
    expect(second).toMatchObject({ ack: 2, accepted: 1 });
    expect(rig.stored()).toEqual([{ a: 1 }, 3, 4]);
  });

  test('as an object over several lines', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    client.send(JSON.stringify({ id: 1, records: [1] }, null, 2));
    expect(await client.answers(1)).toMatchObject([{ ack: 1, accepted: 1 }]);
  });

  test('with nothing in it', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    client.send({ id: 0, records: [] });
    expect(await client.answers(0)).toEqual([{ ack: 0, accepted: 0, rejected: 0, errors: [] }]);
  });

  test('with a record that is too deep, and one a stage leaves out', async () => {
    const rig = await ingestRig({ engine: { stages: [filter((record) => record.data !== 2)] } });
    const client = await connect(rig);
    const deep = `${'['.repeat(65)}${']'.repeat(65)}`;
    client.send(`{"id":1,"records":[1,${deep},2]}`);
    expect(await client.answers(1)).toMatchObject([
      { accepted: 2, rejected: 1, errors: [{ line: 2, code: 'HG_RECORD_TOO_DEEP' }] },
    ]);
    expect(rig.stored()).toEqual([1]);
  });

  test('in order, what one commit stored in one frame, with its credit back', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    const ids = Array.from({ length: LIMITS.ingestSocketCreditMessages }, (_, index) => index);
    for (const id of ids) client.send({ id, records: [id] });
    await client.answers(...ids);
    expect(answeredIds(client.lines)).toEqual(ids);
    expect(client.frames()).toBeLessThan(ids.length / 2);
    const credit = () => client.lines.slice(1).reduce((sum, line) => sum + Number(line['credit'] ?? 0), 0);
    await until(() => credit() === ids.length, 'the credit is back');
    expect(rig.stored()).toEqual(ids);
  });

  test('a source that stops: the message is not taken, and may come again', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    await rig.engine.pause('line3');
    client.send({ id: 1, records: [1] });
    expect(await client.answers(1)).toMatchObject([
      { nack: 1, code: 'HG_SOURCE_STOPPED', retryAfterMs: 1_000 },
    ]);
    await rig.engine.resume('line3');
    await until(() => rig.engine.health('line3').state === 'streaming', 'it streams');
    client.send({ id: 2, records: [1] });
    expect(await client.answers(2)).toMatchObject([{ ack: 2, accepted: 1 }]);
  });
});

describe('after a link was lost', () => {
  test('a client that has a name sends again what was not answered, and each record is stored once', async () => {
    const file = scratchFile();
    const rig = await ingestRig({ file });
    const first = await connect(rig, '?client=plc-7');
    for (let id = 1; id <= 20; id++) first.send({ id, records: [id, id] });
    await until(() => rig.stored().length > 0, 'some are stored');
    first.socket.terminate();
    const second = await connect(rig, '?client=plc-7');
    for (let id = 1; id <= 20; id++) second.send({ id, records: [id, id] });
    await second.answers(...Array.from({ length: 20 }, (_, index) => index + 1));
    const wanted = Array.from({ length: 20 }, (_, index) => [index + 1, index + 1]).flat();
    expect(rig.stored()).toEqual(wanted);
    await rig.close();
    const later = await connect(await ingestRig({ file }), '?client=plc-7');
    later.send({ id: 20, records: [20, 20] });
    await later.answers(20);
    expect(storedIn(file)).toEqual(wanted);
  });

  test('without a name everything that is sent is stored', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    client.send({ id: 1, records: [1] });
    client.send({ id: 1, records: [1] });
    await until(() => rig.stored().length === 2, 'both are stored');
  });
});

describe('who does not keep to the protocol is cut:', () => {
  const cases: [title: string, message: string, code: number][] = [
    ['no JSON', 'hello', 1008],
    ['no id', '{"records":[1]}', 1008],
    ['an id that is no number', '{"id":"a","records":[1]}', 1008],
    ['no records', '{"id":1}', 1008],
    ['a list', '[1]', 1008],
    [
      'a message that is too large',
      `{"id":1,"records":["${'x'.repeat(LIMITS.ingestMessageBytesMax)}"]}`,
      1009,
    ],
  ];
  for (const [title, message, code] of cases) {
    test(title, async () => {
      const rig = await ingestRig();
      const client = await connect(rig);
      client.send(message);
      expect((await client.closed())[0]).toBe(code);
      expect(rig.stored()).toEqual([]);
    });
  }

  test('more messages than credit, while the source is full', async () => {
    const rig = await ingestRig({ source: { outlet: { capacityRecords: 4 } } });
    const consumer = rig.engine.consume({ capacityRecords: 1 });
    const client = await connect(rig);
    for (let id = 0; id < 10_000; id++) client.send({ id, records: [id] });
    expect(await client.closed()).toEqual([1008, 'more messages than credit']);
    await consumer.return();
  });

  test('fragments without end', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    for (let index = 0; index < 1_000; index++) client.socket.send('x', { fin: false });
    expect((await client.closed())[0]).toBe(1008);
  });

  test('a flood of pings', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    for (let index = 0; index < 1_000; index++) client.socket.ping();
    expect((await client.closed())[0]).toBe(1008);
  });

  for (const [title, message] of [
    ['a message too many', 'hello'],
    ['a message that is too large', 'x'.repeat(LIMITS.ingestMessageBytesMax + 1)],
  ] as const) {
    test(`${title}: what comes after it is not read`, async () => {
      const rig = await ingestRig();
      const accepted = once(rig.server, 'connection') as Promise<[net.Socket]>;
      const client = await connect(rig);
      const [served] = await accepted;
      client.send(message);
      for (let count = 0; count < 64; count++) client.send('x'.repeat(1024 * 1024));
      await once(served, 'close');
      expect(served.bytesRead).toBeLessThan(2 * 1024 * 1024);
    });
  }

  test('a compressed frame, which nobody agreed to', async () => {
    const rig = await ingestRig();
    const client = await connect(rig, '', { perMessageDeflate: true });
    expect(client.socket.extensions).toBe('');
    const { _socket: raw } = client.socket as unknown as { _socket: net.Socket };
    raw.write(Buffer.from([0xc1, 0x80, 0, 0, 0, 0]));
    expect((await client.closed())[0]).toBe(1002);
  });
});

describe('who may not open one is told why', () => {
  async function refusal(rig: IngestRig, path = '/api/ingest/line3'): Promise<number> {
    const socket = new WebSocket(`${rig.origin.replace('http', 'ws')}${path}`);
    socket.on('error', () => {});
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    return response.statusCode;
  }

  test('a token without the scope, or of another source', async () => {
    expect(await refusal(await ingestRig({ principal: principalWith(['read']) }))).toBe(403);
    expect(await refusal(await ingestRig({ principal: principalWith(['ingest'], ['line4']) }))).toBe(403);
  });

  test('a source that is not there, and a name that is none', async () => {
    const rig = await ingestRig();
    expect(await refusal(rig, '/api/ingest/line4')).toBe(404);
    expect(await refusal(rig, '/api/ingest/line3?client=')).toBe(400);
  });

  test('as many as one client may open are open', async () => {
    const rig = await ingestRig({ deps: { limits: { ...INGEST_LIMITS, socketsMax: 6 } } });
    const clients = await Promise.all([connect(rig), connect(rig), connect(rig)]);
    expect(await refusal(rig)).toBe(503);
    clients[0]?.socket.terminate();
    for (;;) {
      const socket = new WebSocket(`${rig.origin.replace('http', 'ws')}/api/ingest/line3`);
      socket.on('error', () => {});
      const isOpen = await Promise.race([
        once(socket, 'open').then(() => true),
        once(socket, 'unexpected-response').then(() => false),
      ]);
      socket.terminate();
      if (isOpen) break;
    }
  });
});

describe('a client that does not read', () => {
  test('is not read either: what the server keeps for it is bounded', async () => {
    const rig = await ingestRig();
    const client = await connect(rig);
    const { _socket: raw } = client.socket as unknown as { _socket: net.Socket };
    raw.pause();
    const errors = 'x\n'.repeat(90);
    for (let id = 0; id < 40_000; id++) client.send(`{"id":${id}}\n${errors}1`);
    await until(() => rig.stored().length > 10, 'some are stored');
    // Stands still: neither stored nor read on.
    let before = -1;
    await until(() => {
      const now = rig.stored().length;
      const stands = now === before && raw.writableLength > 0;
      before = now;
      return stands;
    }, 'it stands still');
    expect(rig.stored().length).toBeLessThan(40_000);
  });
});

test('a client that sends more messages a second than it may is read on in the next', async () => {
  const clock = virtualClock();
  const limits = { ...INGEST_LIMITS, messagesPerSecondMax: 3 };
  const rig = await ingestRig({ deps: { clock, limits } });
  const [hasty, other] = [await connect(rig), await connect(rig)];
  // Larger than what is read of a socket at once: what has been read is taken.
  const padding = ' '.repeat(130_000);
  for (let id = 1; id <= 6; id++) hasty.send(`{"id":${id},"records":[${id}]${padding}}`);
  await hasty.answers(1, 2, 3, 4);
  other.send({ id: 1, records: ['other'] });
  await other.answers(1);
  expect(answeredIds(hasty.lines)).toEqual([1, 2, 3, 4]);
  await clock.advance(1_000);
  await hasty.answers(5, 6);
});

test('a client that gives no sign of life between two looks is cut, and one that does is not', async () => {
  const clock = virtualClock();
  const rig = await ingestRig({ deps: { clock } });
  const silent = await connect(rig, '', { autoPong: false });
  const lively = await connect(rig);
  const pinged = [silent, lively].map(({ socket }) => once(socket, 'ping'));
  await clock.advance(15_000);
  await Promise.all(pinged);
  // Its pong was there before.
  lively.send({ id: 1, records: [1] });
  await lively.answers(1);
  expect(silent.socket.readyState).toBe(WebSocket.OPEN);
  await clock.advance(15_000);
  expect((await silent.closed())[0]).toBe(1006);
  lively.send({ id: 2, records: [2] });
  await lively.answers(2);
});

describe('a token that is taken away while the WebSocket is open', () => {
  const forbidden = [1008, 'the token may no longer send here'];

  for (const [title, principal] of [
    ['at all', null],
    ['for this source', principalWith(['ingest'], ['line4'])],
  ] as const) {
    test(`${title}: what came before is answered, what comes after is not taken`, async () => {
      const rig = await ingestRig();
      const client = await connect(rig);
      const consumer = rig.engine.consume({ capacityRecords: 1 });
      for (let id = 1; id <= 4; id++) client.send({ id, records: [id] });
      await until(() => rig.engine.health('line3').recordsProduced === 4, 'all are taken');
      rig.rights.principal = principal;
      client.send({ id: 5, records: [5] });
      await consumer.return();
      expect(await client.closed()).toEqual(forbidden);
      expect(answeredIds(client.lines)).toEqual([1, 2, 3, 4]);
      expect(client.lines.at(-1)).toEqual({ error: 'HG_HTTP_FORBIDDEN', message: forbidden[1] });
      expect(rig.stored()).toEqual([1, 2, 3, 4]);
    });
  }

  test('is found within 15 seconds where nothing is sent', async () => {
    const clock = virtualClock();
    const rig = await ingestRig({ deps: { clock } });
    const client = await connect(rig);
    const pinged = once(client.socket, 'ping');
    await clock.advance(15_000);
    await pinged;
    rig.rights.principal = null;
    const told = () => client.lines.at(-1)?.['error'] === 'HG_HTTP_FORBIDDEN';
    await clock.advance(15_000);
    await until(told, 'it is told');
    await clock.advance(1_000);
    expect(await client.closed()).toEqual(forbidden);
  });
});

test('at the end of the server what was taken is answered before the goodbye', async () => {
  const rig = await ingestRig();
  const client = await connect(rig);
  for (let id = 1; id <= 50; id++) client.send({ id, records: [id] });
  await until(() => rig.stored().length > 0, 'some are stored');
  await rig.close();
  expect((await client.closed())[0]).toBe(1001);
  expect(answeredIds(client.lines)).toEqual(storedIn(rig.file));
});
