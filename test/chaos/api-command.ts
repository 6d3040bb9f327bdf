/** `chaos api`: the API under requests drawn from its own document. */

import type { Output } from '../../src/cli/output.ts';
import { runFuzz } from '../http/fuzz/run-fuzz.ts';

export interface ApiFuzzOptions {
  readonly seed: number;
  readonly requests: number;
  readonly json?: boolean;
}

/** How much more the heap may hold afterwards. */
const GROWTH_BYTES_MAX = 24 * 1024 * 1024;

/** Returns why it failed; empty where all is well. */
export async function runApiFuzz(
  { seed, requests, json }: ApiFuzzOptions,
  output: Output,
): Promise<string[]> {
  output.note(`seed ${seed}`);
  const report = await runFuzz(seed, requests);
  const growthBytes = report.heapBytesAfter - report.heapBytesBefore;
  const document = { seed, ...report, growthBytes };
  if (json === true) await output.write(`${JSON.stringify(document, null, 2)}\n`);
  else {
    const answers = Object.entries(report.statuses).map(([status, count]) => `${status}: ${count}`);
    const reached = `${report.operationsAnswered} of ${report.operations} operations`;
    await output.write(`${requests} requests, ${reached}, heap +${Math.round(growthBytes / 1024)} KiB\n`);
    await output.write(`${answers.join(', ')}\n`);
  }
  return [
    ...report.wrong,
    ...(report.defects > 0 ? [`${report.defects} errors of the server's own`] : []),
    ...(report.operationsAnswered < report.operations ? ['some operations were not answered'] : []),
    ...(growthBytes > GROWTH_BYTES_MAX ? [`the heap holds ${growthBytes} bytes more`] : []),
  ];
}
