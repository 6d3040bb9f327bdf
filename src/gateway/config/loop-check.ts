/** Sinks that feed a source of the same gateway: each record would come in again, and go out again, without an
 *  end. Judged by the addresses, so what a template's fields will hold is not known: where a match is possible,
 *  that is said. */

import { topicMatcher, withoutShare } from '../../../actors/sources/mqtt/topics.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { Finding } from './problems.ts';

export function loopFindings(config: GatewayConfig): Finding[] {
  return [...topicLoops(config), ...ingestLoops(config)];
}

interface Listener {
  /** As a message names it. */
  readonly name: string;
  readonly broker: string;
  readonly filters: readonly string[];
}

function topicLoops(config: GatewayConfig): Finding[] {
  const listeners = listenersOf(config);
  const sourceIds = Object.keys(config.sources);
  return Object.entries(config.sinks).flatMap(([id, sink]): Finding[] => {
    if (sink.type !== 'mqtt') return [];
    const broker = brokerOf(sink.url);
    const templates = templatesOf(sink.topic, sourceIds);
    return listeners.flatMap((listener): Finding[] => {
      if (broker === null || listener.broker !== broker) return [];
      const filter = listener.filters.find((one) => templates.some((template) => mayMatch(one, template)));
      if (filter === undefined) return [];
      const verb = sink.topic.includes('{') ? 'may publish' : 'publishes';
      const message = `${verb} to topics that ${listener.name} takes from the same broker ("${filter}")`;
      return [{ path: ['sinks', id, 'topic'], message: `${message}; ${REMEDY}` }];
    });
  });
}

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

/** Any text, of one level or of several. */
const ANY = '\0';

/** The topics that a template makes, with {@link ANY} where a field of the record will stand. */
function templatesOf(topic: string, sourceIds: readonly string[]): string[] {
  const plain = topic.replaceAll('{tenant}', 'default').replaceAll(/\{data\.[^{}]*\}/g, ANY);
  if (!plain.includes('{sourceId}')) return [plain];
  return sourceIds.map((id) => plain.replaceAll('{sourceId}', id));
}

function mayMatch(filter: string, template: string): boolean {
  if (!template.includes(ANY)) return topicMatcher(filter)(template);
  return levelsMayMatch(filter.split('/'), template.split('/'));
}

function levelsMayMatch(filter: readonly string[], template: readonly string[]): boolean {
  const [wanted, ...filterRest] = filter;
  const [level, ...templateRest] = template;
  if (wanted === '#') return true;
  if (wanted === undefined || level === undefined) return wanted === level;
  if (!level.includes(ANY)) {
    return (wanted === '+' || wanted === level) && levelsMayMatch(filterRest, templateRest);
  }
  const fits = wanted === '+' || fitsLevel(wanted, level);
  if (fits && levelsMayMatch(filterRest, templateRest)) return true;
  // The field may hold further levels: its level begins here and ends in a later one.
  const opens = wanted === '+' || wanted.startsWith(level.slice(0, level.indexOf(ANY)));
  const rest = ANY + level.slice(level.lastIndexOf(ANY) + 1);
  return opens && filterRest.length > 0 && levelsMayMatch(filterRest, [rest, ...templateRest]);
}

/** Whether a level of a template can be this text. */
function fitsLevel(text: string, level: string): boolean {
  const parts = level.split(ANY);
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  return text.length >= first.length + last.length && text.startsWith(first) && text.endsWith(last);
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
