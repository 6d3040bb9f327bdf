/** The engine as a process of its own, to be killed: `engine-child.ts OPTIONS`, the options as JSON. One
 *  MQTT source with a kept session, QoS 1, a dedup key, into a database file. Says over the IPC channel when
 *  it has started and answers questions there; SIGTERM stops it in order. It ends when its parent does. */

import { createEngine, HeadgateError, mqttSource, transform } from '../../src/index.ts';
import { realClock } from '../../src/platform/real-clock.ts';
import type { Message } from './rig/message.ts';
import type { Answer, ChildOptions, CrowdNews, Question } from './rig/child-protocol.ts';
import { SOURCE_ID } from './rig/child-protocol.ts';
import { startFlood, type Flood } from './rig/flood.ts';
import { watchLoop } from './rig/loop-watch.ts';
import { until } from './rig/until.ts';

const CROWD_TRIES_MS_MAX = 20_000;

const options = JSON.parse(process.argv[2] ?? '{}') as ChildOptions;
const say = (answer: Answer) => void process.send?.(answer);
process.on('disconnect', () => process.exit(3));

let blockMs = 0;
/** Says nothing and hears nothing for a while, once, as a stage with a loop gone wrong does. */
const blocking = transform(({ data }) => {
  const endMs = realClock.monotonicMs() + blockMs;
  blockMs = 0;
  while (realClock.monotonicMs() < endMs);
  return data;
}, 'blocking');

const engine = createEngine({
  timeline: { path: options.file },
  health: { intervalMs: 1_000 },
  stages: [blocking],
  storage: { retention: { records: { ageMsMax: options.recordAgeMsMax ?? null, bytesMax: null } } },
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

const crowd: string[] = [];
let crowdIds = 0;

async function crowdIn(count: number, isPatient: boolean): Promise<CrowdNews> {
  for (let n = 1; n <= count; n++) {
    const id = `crowd-${++crowdIds}`;
    const restart = { backoff: { kind: 'constant', initialMs: 200, maxMs: 200, jitter: 'none' } } as const;
    const breaker = { failures: 1_000_000, coolDownMs: 1_000 };
    await engine.register(
      mqttSource({ id, url: options.url, topics: 'nothing', clientId: id, restart, breaker }),
    );
    crowd.push(id);
  }
  const healths = () => crowd.map((id) => engine.health(id));
  const hasTried = () =>
    healths().every(({ state, lastError }) => state === 'streaming' || (!isPatient && lastError !== null));
  await until('the crowd has tried', CROWD_TRIES_MS_MAX, hasTried);
  const refusals = healths().flatMap(({ lastError }) => (lastError === null ? [] : [lastError.message]));
  return {
    connected: healths().filter(({ state }) => state === 'streaming').length,
    refusals: [...new Set(refusals)],
  };
}

async function dismissCrowd(): Promise<void> {
  await Promise.all(crowd.splice(0).map((id) => engine.deregister(id, { mode: 'now' })));
}

let watch = watchLoop();
process.on('message', (question: Question) => {
  if (question.type === 'health') {
    const { state, lastError, recordsProduced, restarts } = engine.health(SOURCE_ID);
    say({ type: 'health', state, lastError: lastError?.code ?? null, recordsProduced, restarts });
  } else if (question.type === 'watch') {
    watch.stop();
    watch = watchLoop();
  } else if (question.type === 'flood') {
    if (flood === null) return;
    flood.setRate(question.recordsPerSecond);
    say({ type: 'flooded', ...flood.facts() });
  } else if (question.type === 'delays') {
    say({ type: 'delays', ...watch.delays() });
  } else if (question.type === 'block') {
    blockMs = question.ms;
  } else if (question.type === 'crowd') {
    void crowdIn(question.count, question.isPatient).then((news) => say({ type: 'crowd', ...news }));
  } else {
    void dismissCrowd().then(() => say({ type: 'dismissed' }));
  }
});

await start();
