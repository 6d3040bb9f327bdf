/** Where others can reach the gateway: the HTTP server and the control topic. Beyond this machine each takes
 *  tokens and TLS, or a field that says otherwise. */

import { BlockList, isIP } from 'node:net';
import type { GatewayConfig } from './gateway-config.ts';
import type { Finding } from './problems.ts';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '');
  const family = isIP(name);
  if (family === 0) return name.toLowerCase() === 'localhost';
  return LOOPBACK.check(name, family === 6 ? 'ipv6' : 'ipv4');
}

export function exposureFindings(config: GatewayConfig): Finding[] {
  return [...serverFindings(config), ...controlFindings(config)];
}

function serverFindings({ http, auth }: GatewayConfig): Finding[] {
  if (!http.enabled || isLoopback(http.host)) return [];
  const path = ['http', 'host'];
  const isOpen = auth.tokens.length === 0 && !http.allowOpen;
  return [
    ...(isOpen ? [{ path, message: OPEN_SERVER }] : []),
    ...(http.tls === null && !http.allowPlaintext ? [{ path, message: PLAIN_SERVER }] : []),
  ];
}

const OPEN_SERVER =
  'others can reach this address and auth.tokens is empty; add one, or set http.allowOpen: true';
const PLAIN_SERVER =
  'others can reach this address and http.tls is not set; set it, or set http.allowPlaintext: true';

/** Without tokens, every client that may publish to the topic can command the gateway. */
function controlFindings({ control, auth }: GatewayConfig): Finding[] {
  const { mqtt } = control;
  const url = mqtt === null ? null : URL.parse(mqtt.url);
  if (mqtt === null || url === null || isLoopback(url.hostname)) return [];
  const path = ['control', 'mqtt', 'url'];
  const isPlain = url.protocol === 'mqtt:' || url.protocol === 'ws:';
  return [
    ...(auth.tokens.length === 0 && !mqtt.allowOpen ? [{ path, message: OPEN_TOPIC }] : []),
    ...(isPlain && !mqtt.allowPlaintext ? [{ path, message: PLAIN_TOPIC }] : []),
  ];
}

const OPEN_TOPIC =
  'the broker is on another machine and auth.tokens is empty, so that whoever may publish to the topic ' +
  'could read and write files; add a token, or set control.mqtt.allowOpen: true';
const PLAIN_TOPIC =
  'the broker is on another machine and commands, with their tokens, can be read on the way; use mqtts:// ' +
  'or wss://, or set control.mqtt.allowPlaintext: true';
