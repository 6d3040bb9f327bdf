/** Compares what a broker granted with what was requested: each difference is a sentence. A broker need
 *  not say so by itself, and what is missing shows only when it is needed. */

import type { IConnackPacket } from 'mqtt';
import { printable } from '../../../src/domain/printable-text.ts';
import { hasWildcard, isShared } from './topics.ts';
import type { MqttLinkOptions, MqttSubscription } from './transport.ts';

type Asked = Pick<
  MqttLinkOptions,
  'protocolVersion' | 'clientId' | 'clean' | 'sessionExpirySeconds' | 'keepaliveSeconds' | 'will'
>;

/** Differences in the answer to a CONNECT (MQTT 5.0, 3.2.2). */
export function connectDifferences(
  asked: Asked,
  { sessionPresent, properties = {} }: IConnackPacket,
): string[] {
  const found: string[] = [];
  const { clean, clientId, keepaliveSeconds, will } = asked;
  if (clean && sessionPresent)
    found.push('a clean session was asked for, the broker goes on with an old one');
  const { serverKeepAlive, sessionExpiryInterval, assignedClientIdentifier, maximumQoS, retainAvailable } =
    properties;
  if (serverKeepAlive !== undefined && serverKeepAlive !== keepaliveSeconds) {
    found.push(`keepalive: ${keepaliveSeconds} s asked for, ${serverKeepAlive} s granted`);
  }
  if (!clean && sessionExpiryInterval !== undefined && sessionExpiryInterval < asked.sessionExpirySeconds) {
    const { sessionExpirySeconds: wanted } = asked;
    found.push(`session: to be kept for ${wanted} s, the broker keeps it for ${sessionExpiryInterval} s`);
  }
  if (clientId !== '' && assignedClientIdentifier !== undefined && assignedClientIdentifier !== clientId) {
    found.push(`client id: "${clientId}" asked for, "${printable(assignedClientIdentifier)}" assigned`);
  }
  if (will !== undefined && maximumQoS !== undefined && will.qos > maximumQoS) {
    found.push(`will: QoS ${will.qos} asked for, the broker takes at most ${maximumQoS}`);
  }
  if (will?.retain === true && retainAvailable === false)
    found.push('will: to be retained, the broker retains nothing');
  return found;
}

/** Differences in the answer to a SUBSCRIBE; `granted` in the order of the subscriptions. */
export function subscribeDifferences(
  subscriptions: readonly MqttSubscription[],
  granted: readonly number[],
): string[] {
  return subscriptions.flatMap(({ filter, qos }, index) => {
    const given = granted[index];
    if (given === undefined || given === qos || given >= 0x80) return [];
    return [`"${printable(filter)}": QoS ${qos} asked for, ${given} granted`];
  });
}

/** Why a broker will refuse these subscriptions, by what it said of itself; null where it will not. */
export function unavailable(
  subscriptions: readonly MqttSubscription[],
  { properties = {} }: IConnackPacket,
): string | null {
  const { wildcardSubscriptionAvailable, sharedSubscriptionAvailable } = properties as Record<
    string,
    unknown
  >;
  const isOff = (flag: unknown) => flag === false || flag === 0;
  const wild = subscriptions.find(({ filter }) => hasWildcard(filter));
  if (wild !== undefined && isOff(wildcardSubscriptionAvailable)) {
    return `it takes no wildcards, and "${printable(wild.filter)}" has one; name each topic`;
  }
  const shared = subscriptions.find(({ filter }) => isShared(filter));
  if (shared !== undefined && isOff(sharedSubscriptionAvailable)) {
    const filter = printable(shared.filter);
    return `it takes no shared subscriptions, and "${filter}" is one; leave sharedGroup out`;
  }
  return null;
}

/** Reason string and server reference of CONNACK and DISCONNECT. */
export function brokerWords(properties: unknown): string {
  const { reasonString, serverReference } = (properties ?? {}) as Record<string, unknown>;
  const shown = (text: unknown) => printable(String(text)).slice(0, 200);
  return (
    (typeof reasonString === 'string' && reasonString !== '' ? `, "${shown(reasonString)}"` : '') +
    (typeof serverReference === 'string' && serverReference !== ''
      ? `; it names another server, "${shown(serverReference)}": set url to it`
      : '')
  );
}
