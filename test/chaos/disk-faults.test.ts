// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { DISK_FAULTS } from './faults/disk-faults.ts';

checkFaults(DISK_FAULTS);
