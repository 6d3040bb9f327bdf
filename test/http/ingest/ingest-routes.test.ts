import { gzipSync, zstdCompressSync } from 'node:zlib';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/domain/limits.ts';
import { filter, transform } from '../../../src/index.ts';
import { virtualClock } from '../../../src/testing/virtual-clock.ts';
import { INGEST_LIMITS, ingestRig, principalWith, scratchFile, storedIn, until } from './rig.ts';

const JSON_TYPE = 'application/json';
const CSV_TYPE = 'text/csv';

describe('what is sent is stored when it is answered', () => {
  const cases: [title: string, type: string, body: string, stored: unknown[]][] = [
    ['NDJSON, a record a line', 'application/x-ndjson', '{"a":1}\n{"a":2}\n', [{ a: 1 }, { a: 2 }]],
    ['NDJSON without a last line feed', 'application/x-ndjson', '1\r\n\r\n"two"', [1, 'two']],
    ['NDJSON with a byte order mark', 'application/x-ndjson; charset=utf-8', '\uFEFF{"a":1}\n', [{ a: 1 }]],
    ['JSON, one value', JSON_TYPE, ' {"a":[1,2]} ', [{ a: [1, 2] }]],
    ['JSON, a list of records', JSON_TYPE, '[{"a":1},\n {"a":"],["}, 3]', [{ a: 1 }, { a: '],[' }, 3]],
    ['JSON, an empty list', JSON_TYPE, ' [ ] ', []],
    [
      'CSV, by its header',
      CSV_TYPE,
      'a,b\n1,"x, y"\n2,z\n',
      [
        { a: '1', b: 'x, y' },
        { a: '2', b: 'z' },
      ],
    ],
    ['no lines at all', 'application/x-ndjson', '', []],
  ];
  for (const [title, type, body, stored] of cases) {
    test(title, async () => {
      const rig = await ingestRig();
      const answer = await rig.post(body, { type });
      expect(rig.stored()).toEqual(stored);
      expect(answer).toMatchObject({
        status: 200,
        body: { accepted: stored.length, rejected: 0, errors: [], stored: stored.length },
      });
    });
  }

  test('text and bytes are what the source’s own decoding makes of them', async () => {
    const rig = await ingestRig({ source: { decode: 'csv' } });
    const text = await rig.post('a\n1\n2\n', { type: 'text/plain' });
    const bytes = await rig.post('a\n3\n', { type: 'application/octet-stream' });
    expect([text.body.accepted, bytes.body.accepted]).toEqual([2, 1]);
    expect(rig.stored()).toEqual([{ a: '1' }, { a: '2' }, { a: '3' }]);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('a body that is encoded as %s', async (encoding, encode) => {
    const rig = await ingestRig();
    const body = new Uint8Array(encode('{"a":1}\n{"a":2}\n'));
    const answer = await rig.post(body, { headers: { 'content-encoding': encoding } });
    expect(answer.body.accepted).toBe(2);
    expect(rig.stored()).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test('a large body in many chunks, in order', async () => {
    const rig = await ingestRig();
    const lines = Array.from({ length: 50_000 }, (_, index) => `{"n":${index}}`);
    const answer = await rig.post(lines.join('\n'));
    expect(answer.body).toMatchObject({ accepted: 50_000, rejected: 0 });
    expect(rig.stored()).toEqual(lines.map((line) => JSON.parse(line) as unknown));
  });
});

describe('what is not taken is told line by line', () => {
  const tooLong = `"${'x'.repeat(LIMITS.recordBytesMax)}"`;
  const tooDeep = `${'['.repeat(65)}${']'.repeat(65)}`;
  const cases: [
    title: string,
    type: string,
    body: string | Buffer,
    errors: [number, string][],
    accepted: number,
  ][] = [
    ['a line that is no JSON', 'application/x-ndjson', '1\n{"a":\n3\n', [[2, 'HG_DECODE_FAILED']], 2],
    [
      'a line that is no UTF-8',
      'application/x-ndjson',
      Buffer.from('1\n"\xff"\n3', 'latin1'),
      [[2, 'HG_DECODE_FAILED']],
      2,
    ],
    ['a line that is too long', 'application/x-ndjson', `1\n${tooLong}\n3`, [[2, 'HG_RECORD_TOO_LARGE']], 2],
    ['a line that is too deep', 'application/x-ndjson', `1\n${tooDeep}\n3`, [[2, 'HG_RECORD_TOO_DEEP']], 2],
    ['a number beyond a double', 'application/x-ndjson', '1\n1e999\n3', [[2, 'HG_DECODE_FAILED']], 2],
    ['an item that is no JSON', JSON_TYPE, '[1,x,3]', [[2, 'HG_DECODE_FAILED']], 2],
    [
      'an item that is missing',
      JSON_TYPE,
      '[1,,3,]',
      [
        [2, 'HG_DECODE_FAILED'],
        [4, 'HG_DECODE_FAILED'],
      ],
      2,
    ],
    ['an item that is too long', JSON_TYPE, `[1,${tooLong},3]`, [[2, 'HG_RECORD_TOO_LARGE']], 2],
    ['an item that is too deep', JSON_TYPE, `[1,${tooDeep},3]`, [[2, 'HG_RECORD_TOO_DEEP']], 2],
    ['a list that ends too soon', JSON_TYPE, '[1,2,33', [[3, 'HG_DECODE_FAILED']], 2],
    ['a value that is too deep', JSON_TYPE, `{"a":${tooDeep}}`, [[1, 'HG_RECORD_TOO_DEEP']], 0],
    ['a row with too many fields', CSV_TYPE, 'a,b\n1,2\n1,2,3\n3,4', [[3, 'HG_DECODE_FAILED']], 2],
  ];
  for (const [title, type, body, errors, accepted] of cases) {
    test(title, async () => {
      const rig = await ingestRig();
      const answer = await rig.post(typeof body === 'string' ? body : new Uint8Array(body), { type });
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ accepted, rejected: errors.length });
      expect(answer.body.errors.map(({ line, code }) => [line, code])).toEqual(errors);
      expect(rig.stored()).toHaveLength(accepted);
    });
  }

  test('more errors than an answer may tell are counted', async () => {
    const rig = await ingestRig();
    const { body } = await rig.post(`1\n${'x\n'.repeat(1_000)}`);
    expect(body).toMatchObject({
      accepted: 1,
      rejected: 1_000,
      errorsOmitted: 1_000 - LIMITS.ingestErrorsMax,
    });
    expect(body.errors).toHaveLength(LIMITS.ingestErrorsMax);
  });

  test('what a stage leaves out, buries or a limit refuses is told apart', async () => {
    const rig = await ingestRig({
      engine: {
        stages: [
          filter((record) => record.data !== 1),
          transform((record) => {
            if (record.data === 2) throw new Error('no');
            return record.data;
          }),
        ],
      },
    });
    const { body } = await rig.post('1\n2\n3\n');
    expect(body).toMatchObject({ accepted: 3, rejected: 0, stored: 1, filtered: 1, deadLettered: 1 });
  });

  test('a rate limit that refuses a part is told; one that refuses all answers 429', async () => {
    const rig = await ingestRig({ engine: { rateLimit: { recordsPerSecondMax: 5, policy: 'drop' } } });
    const lines = Array.from({ length: 50 }, (_, index) => `${index}\n`);
    const whole = await rig.post(lines.join(''));
    expect(whole.status).toBe(200);
    expect(whole.body.dropped).toBeGreaterThan(0);
    expect(whole.body).toMatchObject({ rejected: whole.body.dropped, accepted: 50 - whole.body.dropped });
    expect(whole.body.errors).toMatchObject([{ line: 1, lastLine: 50, code: 'HG_RECORD_DROPPED' }]);
    const single = await Promise.all(lines.map((line) => rig.post(line)));
    const refused = single.find(({ status }) => status === 429);
    expect(refused?.body).toMatchObject({ code: 'HG_RECORD_DROPPED', accepted: 0, rejected: 1 });
    expect(refused?.headers.get('retry-after')).toBe('1');
    const accepted = single.reduce((sum, { body }) => sum + body.accepted, whole.body.accepted);
    expect(rig.stored()).toHaveLength(accepted);
  });
});

describe('what cannot be begun is refused as a whole', () => {
  const json = { type: JSON_TYPE };
  const cases: [
    title: string,
    body: string,
    options: Parameters<Awaited<ReturnType<typeof ingestRig>>['post']>[1],
    status: number,
    code: string,
  ][] = [
    ['a source that is not there', '1', { to: 'line4' }, 404, 'HG_SOURCE_UNKNOWN'],
    ['a name that is none', '1', { to: '../x y' }, 404, 'HG_SOURCE_UNKNOWN'],
    ['a type nobody reads', '<a/>', { type: 'application/xml' }, 415, 'HG_HTTP_MEDIA_TYPE'],
    ['a name that objects have', '1', { type: 'constructor' }, 415, 'HG_HTTP_MEDIA_TYPE'],
    ['another charset', '1', { type: 'text/csv; charset=latin1' }, 415, 'HG_HTTP_MEDIA_TYPE'],
    ['an encoding nobody reads', '1', { headers: { 'content-encoding': 'br' } }, 415, 'HG_HTTP_MEDIA_TYPE'],
    ['an encoding that is none', 'abc', { headers: { 'content-encoding': 'gzip' } }, 400, 'HG_DECODE_FAILED'],
    ['no JSON at all', 'hello', json, 400, 'HG_DECODE_FAILED'],
    ['nothing where JSON is due', ' ', json, 400, 'HG_DECODE_FAILED'],
    ['lines none of which is JSON', 'hello\nyou\n', {}, 400, 'HG_DECODE_FAILED'],
    ['a table whose header is bad', 'a,a\n1,2\n', { type: CSV_TYPE }, 400, 'HG_DECODE_FAILED'],
    ['a key with spaces', '1', { headers: { 'idempotency-key': 'a b' } }, 400, 'HG_OPTION_INVALID'],
  ];
  for (const [title, body, options, status, code] of cases) {
    test(title, async () => {
      const rig = await ingestRig();
      const answer = await rig.post(body, options);
      expect([answer.status, answer.body.code]).toEqual([status, code]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(rig.stored()).toEqual([]);
    });
  }

  test('a token without the scope, and one of another source', async () => {
    const reader = await ingestRig({ principal: principalWith(['read']) });
    expect((await reader.post('1')).status).toBe(403);
    const stranger = await ingestRig({ principal: principalWith(['ingest'], ['line4']) });
    expect((await stranger.post('1')).status).toBe(403);
    const own = await ingestRig({ principal: principalWith(['ingest'], ['line3']) });
    expect((await own.post('1')).status).toBe(200);
  });

  test('a body of more bytes than may be; what came before is told', async () => {
    const rig = await ingestRig({ deps: { limits: { ...INGEST_LIMITS, ingestBytesMax: 200_000 } } });
    const told = await rig.post('"x"\n'.repeat(60_000));
    expect([told.status, told.body.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
    const lines = new TextEncoder().encode('"0123456789abcdef"\n'.repeat(100));
    let chunks = 0;
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(lines);
        if (++chunks === 200) controller.close();
      },
    });
    const streamed = await rig.post(endless);
    expect([streamed.status, streamed.body.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
    expect(rig.stored()).toHaveLength(streamed.body.accepted);
    expect(streamed.body.accepted).toBeGreaterThan(0);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('a %s bomb is defused at the limit of what it may come to', async (encoding, encode) => {
    const rig = await ingestRig({ deps: { limits: { ...INGEST_LIMITS, ingestBytesMax: 4_000_000 } } });
    const bomb = new Uint8Array(encode(Buffer.alloc(100_000_000, 0x20)));
    const answer = await rig.post(bomb, { headers: { 'content-encoding': encoding } });
    expect([answer.status, answer.body.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
  });

  test.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('few bytes of %s cannot fill a disk with records', async (encoding, encode) => {
    const rig = await ingestRig();
    const dense = new Uint8Array(encode(Buffer.alloc(20_000_000, '{}\n')));
    const answer = await rig.post(dense, {
      headers: { 'content-encoding': encoding, 'content-type': 'application/x-ndjson' },
    });
    expect([answer.status, answer.body.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
    expect(answer.body.accepted).toBeLessThan(1_000_000);
  });

  test('a source that does not run: 503, to come again', async () => {
    const rig = await ingestRig({ isRegistered: false });
    const answer = await rig.post('1\n2\n');
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'HG_SOURCE_STOPPED', accepted: 0, rejected: 2, errors: [{ line: 1, lastLine: 2 }] },
    });
    expect(answer.headers.get('retry-after')).toBe('1');
  });
});

describe('an Idempotency-Key', () => {
  const headers = { 'idempotency-key': 'upload-1' };

  test('gets its first answer again, and stores nothing again', async () => {
    const rig = await ingestRig();
    const first = await rig.post('1\nx\n3\n', { headers });
    const again = await rig.post('1\nx\n3\n', { headers });
    expect(again.status).toBe(200);
    expect(again.body).toEqual(first.body);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(rig.stored()).toEqual([1, 3]);
  });

  test('with another body is refused', async () => {
    const rig = await ingestRig();
    await rig.post('1\n', { headers });
    const other = await rig.post('2\n', { headers });
    expect([other.status, other.body.code]).toEqual([422, 'HG_IDEMPOTENCY_REUSED']);
    expect(rig.stored()).toEqual([1]);
  });

  test('stores each line once over a restart, equal lines too', async () => {
    const file = scratchFile();
    const before = await ingestRig({ file });
    const first = await before.post('1\n1\nx\n', { headers });
    await before.close();
    const after = await ingestRig({ file });
    const again = await after.post('1\n1\nx\n', { headers });
    expect(again.body).toEqual(first.body);
    expect(storedIn(file)).toEqual([1, 1]);
  });

  test('stores the rest of an upload that was broken off, and no line twice', async () => {
    const rig = await ingestRig();
    const lines = Array.from({ length: 1_000 }, (_, index) => `${index}\n`);
    const half = lines.slice(0, 500).join('');
    const socket = net.connect(Number(new URL(rig.origin).port), '127.0.0.1');
    socket.write(
      'POST /api/ingest/line3 HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n' +
        `idempotency-key: upload-1\r\ncontent-length: 100000\r\n\r\n${half}`,
    );
    await until(() => rig.stored().length >= 500, 'the first half is stored');
    socket.destroy();
    let answer = await rig.post(lines.join(''), { headers });
    while (answer.status === 409) answer = await rig.post(lines.join(''), { headers });
    expect(answer.body).toMatchObject({ accepted: 1_000, rejected: 0 });
    expect(rig.stored()).toEqual(lines.map(Number));
  });

  test('that is under way answers 409', async () => {
    const rig = await ingestRig();
    const open = Promise.withResolvers<void>();
    const slow = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('1\n'));
        await open.promise;
        controller.close();
      },
    });
    const first = rig.post(slow, { headers });
    await until(() => rig.stored().length === 1, 'the first line is stored');
    const second = await rig.post('1\n', { headers });
    expect([second.status, second.body.code]).toEqual([409, 'HG_IDEMPOTENCY_BUSY']);
    expect(second.headers.get('retry-after')).toBe('1');
    open.resolve();
    expect((await first).body.accepted).toBe(1);
  });

  test('is one for each source', async () => {
    const rig = await ingestRig();
    await rig.post('1\n', { headers: { 'idempotency-key': 'a' } });
    await rig.post('1\n', { headers: { 'idempotency-key': 'b' } });
    expect(rig.stored()).toEqual([1, 1]);
  });

  test('leaves the dedup key of the source its right', async () => {
    const dedupKey = (data: unknown) => String((data as { id: number }).id);
    const rig = await ingestRig({ source: { dedupKey } });
    await rig.post('{"id":1}\n', { headers: { 'idempotency-key': 'a' } });
    await rig.post('{"id":1}\n{"id":2}\n', { headers: { 'idempotency-key': 'b' } });
    expect(rig.stored()).toEqual([{ id: 1 }, { id: 2 }]);
  });
});

test('few bytes of CSV cannot fill a disk with the names of their columns', async () => {
  const rig = await ingestRig();
  const name = 'n'.repeat(20_000);
  const answer = await rig.post(`${name}1,${name}2\n${',\n'.repeat(20_000)}`, { type: 'text/csv' });
  expect([answer.status, answer.body.code]).toEqual([413, 'HG_HTTP_TOO_LARGE']);
  expect(answer.body.detail).toMatch(/200 times what is sent.*shorter names/);
  const stored = Buffer.byteLength(JSON.stringify(rig.stored()));
  expect(stored).toBeLessThan(200 * 80_000 + LIMITS.ingestPieceBytesMax);
  expect(answer.body.accepted).toBe(rig.stored().length);
});

describe('under overload', () => {
  test('as many uploads as a client may make are read; the next gets 503, and one that ends makes room', async () => {
    const ofOneClient = LIMITS.ingestRequestsMax / 2;
    const rig = await ingestRig();
    const open = Promise.withResolvers<void>();
    const begun = Array.from({ length: ofOneClient }, (_, index) =>
      rig.post(
        new ReadableStream({
          async start(controller) {
            controller.enqueue(new TextEncoder().encode(`${index}\n`));
            await open.promise;
            controller.close();
          },
        }),
      ),
    );
    await until(() => rig.stored().length === ofOneClient, 'all have begun');
    const refused = await rig.post('1\n');
    expect([refused.status, refused.body.code]).toEqual([503, 'HG_HTTP_BUSY']);
    expect(refused.headers.get('retry-after')).toBe('1');
    open.resolve();
    for (const answer of await Promise.all(begun)) expect(answer.body.accepted).toBe(1);
    expect((await rig.post('1\n')).status).toBe(200);
  });

  test('a body is not read on while the source is full, and goes on with it', async () => {
    const rig = await ingestRig({ source: { outlet: { capacityRecords: 16 } } });
    const consumer = rig.engine.consume({ capacityRecords: 1 });
    const line = `"${'x'.repeat(1_000)}"\n`;
    const total = 20_000;
    const socket = net.connect(Number(new URL(rig.origin).port), '127.0.0.1');
    const answered = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString()));
      socket.on('end', () => resolve(text));
      socket.on('close', () => resolve(text));
    });
    socket.write(
      'POST /api/ingest/line3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n' +
        `content-type: application/x-ndjson\r\ncontent-length: ${total * line.length}\r\n\r\n`,
    );
    const chunk = line.repeat(100);
    for (let sent = 0; sent < total; sent += 100) socket.write(chunk);
    await until(() => rig.engine.health('line3').queueDepth > 0, 'the outlet is full');
    const unread = () => socket.writableLength;
    await until(() => unread() > 5_000_000, 'the sender is held back');
    const held = unread();
    expect(held).toBeGreaterThan(10_000_000);
    await consumer.return();
    const text = await answered;
    expect(text).toContain(`"accepted":${total}`);
    expect(rig.stored()).toHaveLength(total);
  });

  test('who waits too long is told to come again, and what was taken is stored all the same', async () => {
    const clock = virtualClock();
    const rig = await ingestRig({ deps: { clock } });
    const consumer = rig.engine.consume({ capacityRecords: 1 });
    const headers = { 'idempotency-key': 'upload-1' };
    const waiting = rig.post('1\n2\n3\n4\n', { headers });
    await until(() => rig.engine.health('line3').queueDepth > 0, 'it is taken');
    let isAnswered = false;
    void waiting.finally(() => (isAnswered = true));
    // The end of the body may be still to come.
    while (!isAnswered) {
      await clock.advance(LIMITS.ingestAnswerMsMax);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const answer = await waiting;
    expect([answer.status, answer.body.code]).toEqual([503, 'HG_INGEST_UNSETTLED']);
    expect(answer.headers.get('retry-after')).toBe('1');
    const again = await rig.post('1\n2\n3\n4\n', { headers });
    expect([again.status, again.body.code]).toEqual([409, 'HG_IDEMPOTENCY_BUSY']);
    await consumer.return();
    await until(() => rig.stored().length === 4, 'it is stored');
    let last = await rig.post('1\n2\n3\n4\n', { headers });
    while (last.status === 409) last = await rig.post('1\n2\n3\n4\n', { headers });
    expect(last.body).toMatchObject({ accepted: 4 });
    expect(rig.stored()).toEqual([1, 2, 3, 4]);
  });
});
