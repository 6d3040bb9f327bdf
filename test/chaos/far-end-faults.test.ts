// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { FAR_END_FAULTS } from './faults/far-end-faults.ts';

checkFaults(FAR_END_FAULTS);
