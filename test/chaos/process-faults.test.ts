// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { PROCESS_FAULTS } from './faults/process-faults.ts';

checkFaults(PROCESS_FAULTS);
