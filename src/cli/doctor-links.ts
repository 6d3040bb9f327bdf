/** What a configuration leads to, as the doctor looks at it. */

import type { Link } from '../doctor/links.ts';
import type { GatewayConfig } from '../gateway/config/gateway-config.ts';

type SourceEntry = GatewayConfig['sources'][string];
type SinkEntry = GatewayConfig['sinks'][string];

export function linksOf(config: GatewayConfig): Link[] {
  const { control, metrics } = config;
  const sources = Object.entries(config.sources).flatMap(([id, entry]) =>
    linkOfSource(`source ${id}`, entry),
  );
  const sinks = Object.entries(config.sinks).flatMap(([id, entry]) => linksOfSink(`sink ${id}`, entry));
  const others: Link[] = [];
  if (control.mqtt !== null) others.push(mqttLink('control over mqtt', control.mqtt));
  if (metrics.otlp !== null) {
    const { url, headers } = metrics.otlp;
    others.push({ kind: 'http', subject: 'metrics by otlp', url, headers });
  }
  return [...sources, ...sinks, ...others];
}

function linkOfSource(subject: string, entry: SourceEntry): Link[] {
  switch (entry.type) {
    case 'mqtt':
      return [mqttLink(subject, entry)];
    case 'http':
      return [{ kind: 'http', subject, url: entry.url, headers: entry.headers, method: entry.method }];
    case 'websocket':
      return [{ kind: 'websocket', subject, url: entry.url, headers: entry.headers }];
    case 'file':
      return [{ kind: 'file', subject, path: entry.path, isWritten: false }];
    case 'push':
    case 'simulated':
    case 'module':
      return [];
  }
}

function linksOfSink(subject: string, entry: SinkEntry): Link[] {
  switch (entry.type) {
    case 'mqtt':
      return [mqttLink(subject, entry)];
    case 'http':
      return [
        {
          kind: 'http',
          subject,
          url: entry.url,
          headers: { ...authorization(entry.auth), ...entry.headers },
        },
      ];
    case 'file':
      return [{ kind: 'file', subject, path: entry.path, isWritten: true }];
    case 'jetstream':
      return [entry.servers].flat().map((url) => ({ kind: 'nats', subject, url }));
    case 'function':
    case 'module':
      return [];
  }
}

type MqttFields = Omit<Extract<Link, { kind: 'mqtt' }>, 'kind' | 'subject'>;

function mqttLink(subject: string, { url, username, password, protocolVersion, tls }: MqttFields): Link {
  return { kind: 'mqtt', subject, url, username, password, protocolVersion, tls };
}

function authorization(auth: Extract<SinkEntry, { type: 'http' }>['auth']): Record<string, string> {
  if (auth === undefined) return {};
  if ('bearer' in auth) return { authorization: `Bearer ${auth.bearer}` };
  const text = `${auth.username}:${auth.password}`;
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}
