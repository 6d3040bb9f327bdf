/** A kind of source of one's own: the load of this machine, read at an interval. Run it with node. */

import { loadavg } from 'node:os';
import { z } from 'zod';
import { createEngine, defineSource } from '../src/index.ts';

const loadSource = defineSource({
  type: 'load',
  options: { everyMs: z.number().int().min(1) },
  async *stream(io, { everyMs }) {
    while (!io.signal.aborted) {
      const [load1, load5, load15] = loadavg();
      yield { load1, load5, load15 };
      await io.clock.sleep(everyMs, io.signal);
    }
  },
});

const engine = createEngine({ timeline: { path: ':memory:' } });
engine.records$.subscribe((record) => {
  if ('data' in record) console.log(record.sourceId, record.seq, record.data);
});
await engine.start();
await engine.register(loadSource({ id: 'gateway-load', everyMs: 200 }));
await new Promise((resolve) => setTimeout(resolve, 1_000));
await engine.stop({ deadlineMs: 1_000 });
