/** The engine as a process of its own, to be killed: `engine-child.ts OPTIONS`, the options as JSON. One MQTT
 *  source with a kept session, QoS 1, a dedup key, into a database file. Says over the IPC channel when it has
 *  started and answers questions there; SIGTERM stops it in order. It ends when its parent does. */

import { createEngine, HeadgateError, mqttSource } from '../../src/index.ts';
import type { Message } from './rig/message.ts';
import type { Answer, ChildOptions, Question } from './rig/child-protocol.ts';
import { SOURCE_ID } from './rig/child-protocol.ts';
import { startFlood, type Flood } from './rig/flood.ts';
import { watchLoop } from './rig/loop-watch.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
const say = (answer: Answer) => void process.send?.(answer);
process.on('disconnect', () => process.exit(3));

const engine = createEngine({
  timeline: { path: options.file },
  health: { intervalMs: 1_000 },
  storage: { retention: { records: { ageMsMax: null, bytesMax: null } } },
});

let flood: Flood | null = null;

async function start(): Promise<void> {
  try {
    await engine.start();
  } catch (error) {
    const code = error instanceof HeadgateError ? error.code : String(error);
    process.send?.({ type: 'refused', code } satisfies Answer, () => process.exit(1));
    return;
  }
  say({ type: 'started' });
  await engine.register(
    mqttSource({
      id: SOURCE_ID,
      url: options.url,
      topics: options.topic,
      qos: 1,
      clean: false,
      clientId: options.clientId,
      keepaliveSeconds: options.keepaliveSeconds,
      connectTimeoutMs: 1_000,
      dedupKey: (data) => String((data as Message).id),
      restart: { backoff: { kind: 'constant', initialMs: 20, maxMs: 20, jitter: 'none' } },
      breaker: { failures: 1_000_000, coolDownMs: 1_000 },
    }),
  );
  if (options.floods === true) flood = await startFlood(engine);
  say({ type: 'registered' });
}

process.on('SIGTERM', () => {
  void engine.stop().then(({ delivered }) => {
    process.send?.({ type: 'stopped', delivered } satisfies Answer, () => process.exit(0));
  });
});

let watch = watchLoop();
process.on('message', (question: Question) => {
  if (question.type === 'health') {
    const { state, lastError, recordsProduced } = engine.health(SOURCE_ID);
    say({ type: 'health', state, lastError: lastError?.code ?? null, recordsProduced });
  } else if (question.type === 'watch') {
    watch.stop();
    watch = watchLoop();
  } else if (question.type === 'flood') {
    if (flood === null) return;
    flood.setRate(question.recordsPerSecond);
    say({ type: 'flooded', ...flood.facts() });
  } else {
    say({ type: 'delays', ...watch.delays() });
  }
});

await start();
