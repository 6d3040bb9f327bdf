/** A real engine, a real file and a real server, for one test. */

import { onTestFinished } from 'vitest';
import { openRig, type HttpRig, type RigOptions } from './open-rig.ts';

export { LIMITS_OF_TESTS, openRig, rawAsk, stored, type HttpRig } from './open-rig.ts';

/** Closed after the test. */
export async function httpRig(options?: RigOptions): Promise<HttpRig> {
  const rig = await openRig(options);
  onTestFinished(() => rig.close());
  return rig;
}
