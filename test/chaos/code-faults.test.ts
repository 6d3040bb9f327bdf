// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { CODE_FAULTS } from './faults/code-faults.ts';

checkFaults(CODE_FAULTS);
