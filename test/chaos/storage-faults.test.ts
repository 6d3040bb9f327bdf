// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { STORAGE_FAULTS } from './faults/storage-faults.ts';

checkFaults(STORAGE_FAULTS);
