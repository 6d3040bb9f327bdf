/** A small disk that is gone after the test. */

import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { mountDiskAt, type SmallDisk } from '../support/small-disk.ts';
import { temporaryFolder } from './fixture.ts';

export { whyNoSmallDisk } from '../support/small-disk.ts';

const MEGABYTES = 3;

export function mountSmallDisk(): SmallDisk {
  const disk = mountDiskAt(join(temporaryFolder(), 'disk'), MEGABYTES);
  onTestFinished(() => disk.unmount());
  return disk;
}
