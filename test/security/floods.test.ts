// @module-tag full
import { checkFaults } from '../chaos/faults/check-faults.ts';
import { FLOOD_FAULTS } from './flood-faults.ts';

checkFaults(FLOOD_FAULTS);
