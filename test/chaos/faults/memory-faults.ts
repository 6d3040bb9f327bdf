/** What happens when there is more than fits. */

import { realClock } from '../../../src/platform/real-clock.ts';
import { startField } from '../rig/field.ts';
import { FLOOD_RECORD_BYTES } from '../rig/flood.ts';
import { peakRssMb, whyNoPeakMemory } from '../rig/memory.ts';
import { until } from '../rig/until.ts';
import { factsOf, moreAcks, SAFE_WITH_BROKER, type Fault } from './fault.ts';

const HEAP_MEGABYTES = 128;
/** The heap, the thread that writes the database, Node itself. */
const RSS_MEGABYTES_MAX = 512;
const NORMAL_PER_SECOND = 200;
const BURST_FACTOR = 100;
const WARM_UP_ACKS = 50;
const WAIT_MS_MAX = 60_000;

/** Twenty thousand records a second and source, a kilobyte each: in the time that the database is shut they
 *  come to several times the heap. */
const heapExhaustion: Fault = {
  name: 'heap-exhaustion',
  title:
    'sheds and spills a burst of a hundred times the normal rate, the database being shut in the middle of it, ' +
    'where it has 128 MB of heap; what it acknowledged is stored',
  expected: {
    ...SAFE_WITH_BROKER,
    wasUp: true,
    heapMb: HEAP_MEGABYTES,
    dropped: { atLeast: 1 },
    spilledMax: { atLeast: 1 },
    producedMb: { atLeast: HEAP_MEGABYTES },
    peakRssMb: { atMost: RSS_MEGABYTES_MAX },
  },
  unavailable: whyNoPeakMemory,
  async run({ scale }) {
    await using field = await startField({ keepaliveSeconds: 10 });
    const under = ['env', `NODE_OPTIONS=--max-old-space-size=${HEAP_MEGABYTES}`];
    const engine = await field.startConnected({ under, floods: true });
    await engine.answered('registered');
    field.oracle.setRate(NORMAL_PER_SECOND);
    await engine.flood(NORMAL_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));

    const burstMs = scale === 'short' ? 4_000 : 20_000;
    field.oracle.setRate(NORMAL_PER_SECOND * BURST_FACTOR);
    await engine.flood(NORMAL_PER_SECOND * BURST_FACTOR);
    await realClock.sleep(burstMs / 4);
    const holder = field.start({ program: 'lock' });
    await holder.answered('started');
    await realClock.sleep(burstMs / 2);
    await holder.kill();
    await realClock.sleep(burstMs / 4);

    const wasUp = engine.isRunning;
    const { produced, dropped, spilledMax } = await engine.flood(0);
    const peak = peakRssMb(engine.pid);
    const producedMb = Math.round((produced * FLOOD_RECORD_BYTES) / 1_000_000);
    const settled = factsOf(await field.settle(engine));
    return { ...settled, wasUp, heapMb: HEAP_MEGABYTES, dropped, spilledMax, producedMb, peakRssMb: peak };
  },
};

export const MEMORY_FAULTS: readonly Fault[] = [heapExhaustion];
