/** A program of its own: publishes the data set over MQTT, as sensors in the field would. What starts it
 *  (publisher-process.ts) talks to it over Node's message channel: `ready` when connected, then `begin`,
 *  then `stop` (or the feeds end), then `done`. It ends itself when that channel closes, so that it never
 *  outlives its parent. */

import { connectAsync, type MqttClient } from 'mqtt';
import type { Feed, PublisherNews, PublisherOrder, PublisherTask } from './feed.ts';
import { readingsFrom } from './readings.ts';

/** Publications under way before a feed waits for the broker to confirm them. */
const IN_FLIGHT_MAX = 200;

const task = JSON.parse(process.argv[2] ?? '') as PublisherTask;
const stop = new AbortController();
const published: Record<string, number> = {};

/** The terminal sends Ctrl-C to the whole group, `timeout` its SIGTERM; the parent decides what it means. */
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));

const client = await connectAsync(task.brokerUrl, { reconnectPeriod: 0 });
client.on('error', () => {});
client.on('close', () => {
  if (stop.signal.aborted) return;
  process.stderr.write('the connection to the broker was lost\n');
  process.exit(1);
});

let work: Promise<void> | undefined;
process.on('message', (order: PublisherOrder) => {
  if (order.type === 'stop') stop.abort();
  // A failure is left to Node: it prints the reason and ends the process, which the parent reports.
  work ??= publishAll();
});
tell({ type: 'ready' });

async function publishAll(): Promise<void> {
  await Promise.all(task.feeds.map((feed) => publishFeed(client, feed)));
  stop.abort();
  await client.endAsync();
  tell({ type: 'done', published }, () => process.disconnect());
}

/** Keeps to the times at which steps are due, so that a late timer does not shift all that follow. */
async function publishFeed(to: MqttClient, feed: Feed): Promise<void> {
  const read = readingsFrom(feed.startDay);
  const inFlight = new Set<Promise<unknown>>();
  published[feed.topic] = 0;
  let dueMs = performance.now();
  for (let round = 0; feed.cycles === null || round < feed.cycles; round++) {
    for (const step of feed.cycle) {
      dueMs += step.waitMs;
      await until(dueMs);
      if (stop.signal.aborted) break;
      for (let count = 0; count < step.records; count++) {
        const sent = to.publishAsync(feed.topic, JSON.stringify(read()), { qos: feed.qos });
        inFlight.add(sent);
        void sent.finally(() => inFlight.delete(sent));
        published[feed.topic] = (published[feed.topic] ?? 0) + 1;
      }
      if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
    }
    if (stop.signal.aborted) break;
  }
  await Promise.all(inFlight);
}

function until(dueMs: number): Promise<void> {
  const waitMs = dueMs - performance.now();
  if (waitMs <= 0 || stop.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(wake, waitMs);
    function wake(): void {
      clearTimeout(timer);
      stop.signal.removeEventListener('abort', wake);
      resolve();
    }
    stop.signal.addEventListener('abort', wake);
  });
}

function tell(news: PublisherNews, then?: () => void): void {
  process.send?.(news, undefined, undefined, then);
}
