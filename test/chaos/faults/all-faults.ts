/** Every fault, in the order of the report. */

import { CODE_FAULTS } from './code-faults.ts';
import { DAMAGE_FAULTS } from './damage-faults.ts';
import { DISK_FAULTS } from './disk-faults.ts';
import { FAR_END_FAULTS } from './far-end-faults.ts';
import type { Fault } from './fault.ts';
import { MEMORY_FAULTS } from './memory-faults.ts';
import { FLOOD_FAULTS } from '../../security/flood-faults.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { SINK_FAULTS } from './sink-faults.ts';
import { STORAGE_FAULTS } from './storage-faults.ts';
import { PROCESS_FAULTS } from './process-faults.ts';

export const FAULTS: readonly Fault[] = [
  ...NETWORK_FAULTS,
  ...FAR_END_FAULTS,
  ...SINK_FAULTS,
  ...PROCESS_FAULTS,
  ...CODE_FAULTS,
  ...MEMORY_FAULTS,
  ...DISK_FAULTS,
  ...DAMAGE_FAULTS,
  ...STORAGE_FAULTS,
  ...FLOOD_FAULTS,
];
