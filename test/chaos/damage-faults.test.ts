// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { DAMAGE_FAULTS } from './faults/damage-faults.ts';

checkFaults(DAMAGE_FAULTS);
