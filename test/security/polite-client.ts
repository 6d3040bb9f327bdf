/** A client that does as it should while others do not: sends one record after the other, comes again where
 *  it is told so, and notes how long each took to be acknowledged. */

import { messageOf } from '../../src/domain/errors.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import type { Answer, GatewayProcess } from './gateway-process.ts';

export interface PoliteClient {
  /** The wait that 99 of 100 records stayed below, since the last call; milliseconds. */
  p99Ms(): number;
  end(): Promise<PoliteReport>;
}

export interface PoliteReport {
  /** Records. */
  readonly sent: number;
  readonly acknowledged: number;
  /** How often it was told to come again. */
  readonly refusals: number;
  /** Why records were not acknowledged. */
  readonly failures: string;
}

export function startPoliteClient(gateway: GatewayProcess, token: string): PoliteClient {
  let waitsMs: number[] = [];
  let [sent, acknowledged] = [0, 0];
  const failures = new Set<string>();
  let isEnded = false;
  let refusals = 0;
  const send = async (body: string): Promise<Answer> => {
    const headers = { 'content-type': 'application/json' };
    const asked = { method: 'POST', path: '/api/ingest/line', token, headers, body };
    for (;;) {
      const answer = await gateway.ask(asked);
      const retryAfter = answer.headers['retry-after'];
      if (retryAfter === undefined) return answer;
      refusals++;
      await realClock.sleep(Number(retryAfter) * 1_000);
    }
  };
  const sending = (async () => {
    while (!isEnded) {
      const fromMs = realClock.monotonicMs();
      sent++;
      try {
        const { json, text, status } = await send(`{"n":${sent}}`);
        if ((json as { accepted?: number } | undefined)?.accepted === 1) acknowledged++;
        else failures.add(`${status} ${text}`);
      } catch (error) {
        failures.add(messageOf(error));
      }
      waitsMs.push(realClock.monotonicMs() - fromMs);
    }
  })();
  return {
    p99Ms() {
      const sorted = waitsMs.toSorted((one, other) => one - other);
      waitsMs = [];
      return Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0);
    },
    async end() {
      isEnded = true;
      await sending;
      return { sent, acknowledged, refusals, failures: [...failures].join('; ') };
    },
  };
}
