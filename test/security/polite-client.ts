/** A client that does as it should while others do not: sends one record after the other, and notes how long each
 *  took to be acknowledged. */

import { messageOf } from '../../src/domain/errors.ts';
import { realClock } from '../../src/real-clock.ts';
import type { GatewayProcess } from './gateway-process.ts';

export interface PoliteClient {
  /** The wait that 99 of 100 records stayed below, since the last call; milliseconds. */
  p99Ms(): number;
  /** Ends it; gives how many records were sent, how many of them were acknowledged, and why others were not. */
  end(): Promise<{ readonly sent: number; readonly acknowledged: number; readonly failures: string }>;
}

export function startPoliteClient(gateway: GatewayProcess, token: string): PoliteClient {
  let waitsMs: number[] = [];
  let [sent, acknowledged] = [0, 0];
  const failures = new Set<string>();
  let isEnded = false;
  const sending = (async () => {
    while (!isEnded) {
      const fromMs = realClock.monotonicMs();
      sent++;
      try {
        const { json, text, status } = await gateway.ask({
          ...{ method: 'POST', path: '/api/ingest/line', token },
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify([{ n: sent }]),
        });
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
      return { sent, acknowledged, failures: [...failures].join('; ') };
    },
  };
}
