// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { MEMORY_FAULTS } from './faults/memory-faults.ts';

checkFaults(MEMORY_FAULTS);
