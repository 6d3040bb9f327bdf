/** An engine with one file source as a process of its own, to be killed: `file-child.ts OPTIONS`, the options
 *  as JSON. Says over the IPC channel when the source is registered; SIGTERM stops it in order. It ends when
 *  its parent does. */

import { createEngine, fileSource } from '../../src/index.ts';
import type { Answer, FileChildOptions } from './rig/child-protocol.ts';

const POLL_MS = 10;

const { file, sourceId, ...source } = JSON.parse(process.argv[2] ?? '{}') as FileChildOptions;
process.on('disconnect', () => process.exit(3));

const engine = createEngine({ timeline: { path: file } });
process.on('SIGTERM', () => {
  void engine.stop().then(({ delivered }) => {
    process.send?.({ type: 'stopped', delivered } satisfies Answer, () => process.exit(0));
  });
});

await engine.start();
process.send?.({ type: 'started' } satisfies Answer);
// A file that is being replaced is looked for again at once.
const restart = { backoff: { kind: 'constant', initialMs: 20, maxMs: 20, jitter: 'none' } } as const;
const breaker = { failures: 1_000_000, coolDownMs: 1_000 };
await engine.register(fileSource({ ...source, id: sourceId, pollMs: POLL_MS, restart, breaker }));
process.send?.({ type: 'registered' } satisfies Answer);
