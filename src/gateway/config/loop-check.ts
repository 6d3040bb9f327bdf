/** Sinks that feed a source of the same gateway: each record would come in again, and go out again, without
 *  an end. The addresses are compared; what a template's fields will hold is not known, so a possible match
 *  is a warning, too. */

import { withoutShare } from '../../../actors/protocols/mqtt/topics.ts';
import { LIMITS } from '../../domain/limits.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { Finding } from './problems.ts';
import type { TemplateNode } from './template-trie.ts';
import { TopicOverlaps } from './topic-overlaps.ts';
import { WorkBudget } from './work-budget.ts';

/** Never throws. Where `work` is used up, a finding says that not everything was compared. */
export function loopFindings(
  config: GatewayConfig,
  work: WorkBudget = new WorkBudget(LIMITS.loopCheckStepsMax),
): Finding[] {
  return [...topicLoops(config, work), ...ingestLoops(config)];
}

interface Listener {
  /** As a message names it. */
  readonly name: string;
  readonly broker: string;
  readonly filters: readonly string[];
}

function topicLoops(config: GatewayConfig, work: WorkBudget): Finding[] {
  const publishers = publishersOf(config);
  if (publishers.length === 0) return [];
  const listeners = listenersOf(config);
  const overlaps = new Map<string, TopicOverlaps>();
  const sourceIds = Object.keys(config.sources);
  for (const { broker } of publishers) {
    if (!overlaps.has(broker)) overlaps.set(broker, new TopicOverlaps(sourceIds, work));
  }
  for (const [index, { broker, filters }] of listeners.entries()) {
    for (const [filter, text] of filters.entries()) {
      overlaps.get(broker)?.addFilter(text, { listener: index, filter });
    }
  }
  const ends = publishers.map(({ broker, topic }) => overlaps.get(broker)?.addTemplate(topic) ?? null);
  for (const one of overlaps.values()) one.compare();
  const found = publishers.flatMap((publisher, index) => {
    const [end, compared] = [ends[index] ?? null, overlaps.get(publisher.broker)];
    return end === null || compared === undefined ? [] : loopsOf(publisher, end, compared, listeners);
  });
  return work.isUsedUp ? [...found, { path: ['sinks'], message: USED_UP }] : found;
}

interface Publisher {
  readonly id: string;
  readonly broker: string;
  readonly topic: string;
}

function publishersOf({ sinks }: GatewayConfig): Publisher[] {
  return Object.entries(sinks).flatMap(([id, sink]): Publisher[] => {
    const broker = sink.type === 'mqtt' ? brokerOf(sink.url) : null;
    return sink.type !== 'mqtt' || broker === null ? [] : [{ id, broker, topic: sink.topic }];
  });
}

function loopsOf(
  { id, topic }: Publisher,
  end: TemplateNode,
  overlaps: TopicOverlaps,
  listeners: readonly Listener[],
): Finding[] {
  const path = ['sinks', id, 'topic'];
  const verb = topic.includes('{') ? 'may publish' : 'publishes';
  const takers = overlaps.takersOf(end, LIMITS.configProblemsMax + 1);
  const found = takers.slice(0, LIMITS.configProblemsMax).flatMap((taker): Finding[] => {
    const listener = listeners[taker.listener];
    if (listener === undefined) return [];
    const filter = listener.filters[taker.filter];
    const message = `${verb} to topics that ${listener.name} takes from the same broker ("${filter}")`;
    return [{ path, message: `${message}; ${REMEDY}` }];
  });
  if (takers.length <= LIMITS.configProblemsMax) return found;
  return [...found, { path, message: `${verb} to topics that more sources take; ${REMEDY}` }];
}

const USED_UP =
  'could not all be compared with the topics of the sources: there are too many with wildcards or fields; ' +
  'check by hand that no sink publishes to a topic that a source takes';
const REMEDY = 'each record would come in again, without an end: give the sink topics of its own';

function listenersOf({ sources, control }: GatewayConfig): Listener[] {
  const listeners = Object.entries(sources).flatMap(([id, source]): Listener[] => {
    const broker = source.type === 'mqtt' ? brokerOf(source.url) : null;
    if (source.type !== 'mqtt' || broker === null) return [];
    const topics = Array.isArray(source.topics) ? source.topics : [source.topics];
    const filters = topics.map((topic) => withoutShare(typeof topic === 'string' ? topic : topic.topic));
    return [{ name: `source "${id}"`, broker, filters }];
  });
  const broker = control.mqtt === null ? null : brokerOf(control.mqtt.url);
  if (control.mqtt === null || broker === null) return listeners;
  return [...listeners, { name: 'the control topic', broker, filters: [control.mqtt.topic] }];
}

const PORTS: Readonly<Record<string, string>> = {
  'mqtt:': '1883',
  'mqtts:': '8883',
  'ws:': '80',
  'wss:': '443',
};
const LOCAL: readonly string[] = ['localhost', '127.0.0.1', '[::1]', '0.0.0.0'];

/** Host and port. The same broker behind another port of its own is not recognised. */
function brokerOf(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || url.hostname === '') return null;
  return `${hostOf(url)}:${url.port || PORTS[url.protocol]}`;
}

function hostOf({ hostname }: URL): string {
  const name = hostname.toLowerCase();
  return LOCAL.includes(name) || name.startsWith('127.') ? 'localhost' : name;
}

/** HTTP sinks that post to the gateway's own ingest. */
function ingestLoops({ sinks, http }: GatewayConfig): Finding[] {
  if (!http.enabled) return [];
  return Object.entries(sinks).flatMap(([id, sink]): Finding[] => {
    const url = sink.type === 'http' ? URL.parse(sink.url) : null;
    if (url === null || !url.pathname.startsWith('/api/ingest/')) return [];
    const port = url.port || (url.protocol === 'https:' ? '443' : '80');
    const host = hostOf(url);
    const isOwn = host === 'localhost' || host === http.host.toLowerCase();
    if (!isOwn || port !== String(http.port)) return [];
    const message = 'posts to the ingest of this gateway; each record would come in again, without an end';
    return [{ path: ['sinks', id, 'url'], message }];
  });
}
