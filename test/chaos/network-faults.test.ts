// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { NETWORK_FAULTS } from './faults/network-faults.ts';

checkFaults(NETWORK_FAULTS);
