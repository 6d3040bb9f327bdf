/** How long a body may take to come: under the virtual clock, with requests that are nothing but their
 *  counts. */

import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { InFlightRequests } from '../../src/http/in-flight-requests.ts';
import { virtualClock } from '../../src/testing.ts';
import { LIMITS_OF_TESTS } from './http-rig.ts';

const SECOND = 1_000;

interface Begun {
  /** What it was answered before its connection was ended; null while it is not. */
  answer: string | null;
  receive(bytes: number): void;
  /** Bytes that came and are not read: the reader is held back. */
  holdBack(bytes: number): void;
}

function exchangesWith(uploadBytesPerSecondMin: number) {
  const clock = virtualClock();
  const exchanges = new InFlightRequests({ ...LIMITS_OF_TESTS, uploadBytesPerSecondMin }, clock);
  const begin = (isUpload = true): Begun => {
    const begun: Begun = {
      answer: null,
      receive: (bytes) => void (socket.bytesRead += bytes),
      holdBack: (bytes) => void (request.readableLength = bytes),
    };
    const response = Object.assign(new EventEmitter(), { headersSent: false, closed: false });
    const socket = Object.assign(new EventEmitter(), {
      ...{ bytesRead: 0, writable: true },
      end(text: string) {
        begun.answer ??= text;
        response.emit('close');
        exchanges.made(response as unknown as ServerResponse);
        exchanges.release(response as unknown as ServerResponse);
      },
    });
    const request = { socket, complete: false, readableLength: 0 };
    const taken = exchanges.begin(
      request as unknown as IncomingMessage,
      response as unknown as ServerResponse,
      'client',
      isUpload,
    );
    expect(taken).toBe(true);
    return begun;
  };
  return { clock, exchanges, begin };
}

/** The second in which it was cut; null where it still goes on after five minutes. */
async function cutAfter(
  minimum: number,
  isUpload: boolean,
  each: (begun: Begun, second: number) => void,
): Promise<number | null> {
  const { clock, begin } = exchangesWith(minimum);
  const begun = begin(isUpload);
  for (let second = 1; second <= 300; second++) {
    each(begun, second);
    await clock.advance(SECOND);
    if (begun.answer !== null) return second;
  }
  return null;
}

describe('an upload', () => {
  test('of a byte every four seconds is cut once it has had its time', async () => {
    const cut = await cutAfter(128, true, (begun, second) => second % 4 === 0 && begun.receive(1));
    expect(cut).toBe(31);
  });

  test('that stands still is cut', async () => {
    expect(await cutAfter(0, true, () => {})).toBe(31);
  });

  test('that comes as fast as it must goes on for as long as it takes', async () => {
    expect(await cutAfter(128, true, (begun) => begun.receive(128))).toBe(null);
  });

  test('that was fast and becomes slow is cut once its bytes have paid for its time', async () => {
    const cut = await cutAfter(100, true, (begun, second) => begun.receive(second === 1 ? 5_000 : 1));
    // 30 s of grace, 50 s for 5,000 bytes, and a little for each further byte.
    expect(cut).toBe(81);
  });

  test('that is held back by the gateway is not cut for it', async () => {
    expect(await cutAfter(128, true, (begun) => begun.holdBack(1))).toBe(null);
  });

  test('may be as slow as it likes where the operator says so', async () => {
    expect(await cutAfter(0, true, (begun) => begun.receive(1))).toBe(null);
  });
});

test('any other body has to be there in time, however it comes', async () => {
  expect(await cutAfter(128, false, (begun) => begun.receive(10_000))).toBe(31);
});

test('a slow upload is cut earlier where others find no place, and one that is fast enough is not', async () => {
  const { clock, exchanges, begin } = exchangesWith(128);
  const slow = begin();
  const fast = begin();
  for (let second = 0; second < 6; second++) {
    slow.receive(1);
    fast.receive(200);
    await clock.advance(SECOND);
  }
  expect([slow.answer, fast.answer]).toEqual([null, null]);
  exchanges.cutSlowUploads();
  expect(slow.answer).toMatch(/408 [^]*uploadBytesPerSecondMin/);
  expect(fast.answer).toBe(null);
});
