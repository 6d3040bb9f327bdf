// @module-tag full
import { checkFaults } from './faults/check-faults.ts';
import { SINK_FAULTS } from './faults/sink-faults.ts';

checkFaults(SINK_FAULTS);
