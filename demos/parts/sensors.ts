/** The sensors of a demo: real ones, with everything they need, or their simulated twins. */

import type { SourceHealth, SourceSpec } from '../../src/index.ts';
import { startBroker } from './broker.ts';
import type { Feed, PublishedCounts } from './feed.ts';
import { startPublisher } from './publisher-process.ts';

export interface Sensors {
  readonly specs: readonly SourceSpec[];
  /** Lets them begin to send, once the engine's sources stand ready to receive. */
  begin(engine: { health(): readonly SourceHealth[] }): Promise<void>;
}

/** Simulated sensors begin by themselves. */
export function simulated(specs: readonly SourceSpec[]): Sensors {
  return { specs, begin: () => Promise.resolve() };
}

export interface MqttField {
  readonly brokerUrl: string;
  /** Resolves when every feed has ended. */
  readonly finished: Promise<PublishedCounts>;
  /** Starts the feeds. */
  publish(): void;
}

/** A broker, and a process that publishes `feeds` to it. Both end with `parts`, the publisher first. */
export async function startMqttField(
  parts: AsyncDisposableStack,
  feeds: readonly Feed[],
): Promise<MqttField> {
  const broker = parts.use(await startBroker());
  const publisher = parts.use(await startPublisher({ brokerUrl: broker.url, feeds }));
  return { brokerUrl: broker.url, finished: publisher.finished, publish: () => publisher.begin() };
}

const LOOK_AGAIN_MS = 10;
const READY_DEADLINE_MS = 10_000;

/** Resolves when the sources `ids` are streaming. */
export async function whenStreaming(
  engine: { health(): readonly SourceHealth[] },
  ids: readonly string[],
): Promise<void> {
  const isStreaming = (id: string) =>
    engine.health().some((source) => source.sourceId === id && source.state === 'streaming');
  await until(() => ids.every(isStreaming), `the sources ${ids.join(', ')} do not stream`);
}

/** Resolves when `holds()`; looks every few milliseconds. Real time only.
 *  @throws Error `otherwise` after ten seconds. */
export async function until(holds: () => boolean, otherwise: string): Promise<void> {
  const deadlineMs = performance.now() + READY_DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error(`${otherwise} after ${READY_DEADLINE_MS / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
