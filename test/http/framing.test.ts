/** Where a request ends is where its sender means: what could be taken otherwise by a proxy is refused, and a
 *  connection over which a body was refused says that it closes. */

import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ERROR_CODES } from '../../src/domain/error-codes.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import { isDefect, problemOf } from '../../src/http/problem.ts';
import { httpRig, type HttpRig } from './http-rig.ts';

/** All that is answered until the connection ends. */
async function talk(rig: HttpRig, text: string): Promise<string> {
  const socket = connect(rig.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  let answer = '';
  socket.setEncoding('utf8').on('data', (part: string) => (answer += part));
  const ended = new Promise<void>((resolve, reject) => socket.on('end', resolve).on('error', reject));
  socket.write(text);
  await ended;
  return answer;
}

const post = (more: string, body: string) =>
  `POST /api/ingest/line HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n${more}\r\n${body}`;
const CHUNKS = '2\r\n1\n\r\n0\r\n\r\n';

async function rigWithLine(): Promise<HttpRig> {
  const rig = await httpRig();
  await rig.ask('/api/sources', { method: 'POST', body: { id: 'line', type: 'push' } });
  return rig;
}

describe('a transfer coding', () => {
  test.each([
    ['that is none of ours', 'Transfer-Encoding: gzip, chunked\r\n', CHUNKS, 501],
    ['twice over', 'Transfer-Encoding: chunked, chunked\r\n', CHUNKS, 400],
    ['in two headers', 'Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n', CHUNKS, 501],
    ['behind which the length is open', 'Transfer-Encoding: chunked, gzip\r\n', CHUNKS, 400],
    ['beside a length', 'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', CHUNKS, 400],
    ['whose name is broken', 'Transfer-Encoding : chunked\r\n', CHUNKS, 400],
    ['that is no name of any', 'Transfer-Encoding: xchunked\r\n', CHUNKS, 501],
    ['beside two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n', '1\n', 400],
  ])('%s', async (_, headers, body, status) => {
    const rig = await rigWithLine();
    const answer = await talk(rig, post(headers, body));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/connection: close/i);
    expect(rig.engine.health('line').recordsProduced).toBe(0);
  });

  test('in capitals is the same', async () => {
    const rig = await rigWithLine();
    const answer = await talk(rig, post('Transfer-Encoding: CHUNKED\r\nConnection: close\r\n', CHUNKS));
    expect(answer).toMatch(/^HTTP\/1.1 200 [^]*"accepted":1/);
  });
});

describe('after a refused body', () => {
  const refused = 'POST /api/ingest/missing HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n';
  test.each([
    ['that is large', `${refused}Content-Length: 9000000\r\n\r\n`],
    ['whose length is not known', `${refused}Transfer-Encoding: chunked\r\n\r\n`],
  ])('%s, the connection says that it closes, and ends behind the whole answer', async (_, head) => {
    const rig = await rigWithLine();
    const answer = await talk(rig, head + 'a'.repeat(100));
    expect(answer).toMatch(/^HTTP\/1.1 (?:404|400) [^]*connection: close/i);
    expect(answer).toMatch(/\}$/);
  });

  test('that is small, the next request over the connection is answered', async () => {
    const rig = await rigWithLine();
    const next = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
    const answer = await talk(rig, `${refused}Content-Length: 100\r\n\r\n${'a'.repeat(100)}${next}`);
    expect(answer.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
  });
});

test('no fault of a caller is taken for a defect of the server', () => {
  const callers = Object.keys(ERROR_CODES).filter((code) =>
    /^HG_(?:OPTION|IDEMPOTENCY|INGEST|DECODE|EXPRESSION_INVALID|CONFIG_INVALID|MODULE|RECORD_TOO|HTTP_(?!DEFECT|LISTEN|EXPOSED))/.test(
      code,
    ),
  ) as (keyof typeof ERROR_CODES)[];
  expect(callers.length).toBeGreaterThan(20);
  const defects = callers.filter((code) => isDefect(new HeadgateError(code, 'x')));
  expect(defects).toEqual([]);
});

test('an Idempotency-Key that is used again is refused without a line about a defect', async () => {
  const rig = await rigWithLine();
  const send = (body: string) =>
    rig.ask('/api/ingest/line', {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k' },
    });
  expect([(await send('1\n')).status, (await send('2\n')).status]).toEqual([200, 422]);
  expect(rig.lines.filter(({ level }) => level === 'error')).toEqual([]);
});

test('titles say nothing that a place where the code occurs would contradict', () => {
  const titleOf = (code: keyof typeof ERROR_CODES) => problemOf(new HeadgateError(code, 'x')).body.title;
  // At ingest nothing is kept of what is refused, and no dead letter was tried.
  expect(titleOf('HG_DECODE_FAILED')).toMatch(/an upload is told/);
  expect(titleOf('HG_RECORD_DROPPED')).not.toMatch(/dead letter/);
  for (const code of ['HG_RECORD_TOO_LARGE', 'HG_RECORD_UNSTORABLE'] as const) {
    expect(titleOf(code)).not.toMatch(/; it is kept/);
  }
  // Actors other than sources are asked for, too, and sources that are there but take no uploads.
  expect(titleOf('HG_SOURCE_UNKNOWN')).not.toMatch(/registered/);
});
