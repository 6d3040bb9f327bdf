/** The port between MQTT sources and a broker. The real transport speaks through mqtt.js
 *  (mqtt-js-transport.ts), its simulated twin runs on a virtual clock (src/testing/simulated-mqtt.ts); the
 *  sources know neither. */

import type { Clock } from '../../src/domain/clock.ts';

export type Qos = 0 | 1 | 2;

/** 4 is MQTT 3.1.1, 5 is MQTT 5. */
export type MqttProtocolVersion = 4 | 5;

export interface MqttSubscription {
  /** A topic filter as it goes to the broker, `$share/group/` included. */
  readonly filter: string;
  readonly qos: Qos;
}

/** What MQTT 5 lets a publisher say about a message. */
export interface MqttMessageProperties {
  readonly contentType?: string;
  readonly responseTopic?: string;
  /** Base64: bytes would not survive JSON. */
  readonly correlationData?: string;
  readonly messageExpirySeconds?: number;
  readonly userProperties?: Readonly<Record<string, string | readonly string[]>>;
}

export interface MqttMessage {
  readonly topic: string;
  /** Belongs to the receiver: no other message shares its memory. */
  readonly payload: Uint8Array;
  /** The quality it was delivered with: the lower of publication and subscription. */
  readonly qos: Qos;
  /** The broker had it stored when the subscription was made. */
  readonly retain: boolean;
  /** The broker sent it before, over this or an earlier connection. */
  readonly dup: boolean;
  readonly properties?: MqttMessageProperties;
}

export interface MqttWill {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

export interface MqttTls {
  readonly ca?: PemInput;
  readonly cert?: PemInput;
  readonly key?: PemInput;
  readonly rejectUnauthorized: boolean;
}
export type PemInput = string | Uint8Array | readonly (string | Uint8Array)[];

/** What a client must remember of a session from one connection to the next. */
export interface MqttSessionMemory {
  /** Packet ids of QoS 2 messages taken and not yet released by the broker: the same id again is the same
   *  message (MQTT 5.0, 4.3.3, method B). */
  readonly takenIds: Set<number>;
}

export interface MqttLinkOptions {
  /** Without credentials. */
  readonly url: URL;
  readonly protocolVersion: MqttProtocolVersion;
  /** Empty: the broker chooses one; only for a clean session. */
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: MqttTls | undefined;
  readonly will: MqttWill | undefined;
  readonly clean: boolean;
  /** MQTT 5: how long the broker keeps the session of a client that is away. */
  readonly sessionExpirySeconds: number;
  readonly keepaliveSeconds: number;
  /** MQTT 5: messages the broker may have sent without their acknowledgement. */
  readonly receiveMaximum: number | undefined;
  /** A larger message ends the link; under MQTT 5 the broker is told and withholds it. */
  readonly payloadBytesMax: number;
  readonly session: MqttSessionMemory;
}

/** What became of a message. `taken` acknowledges it (PUBACK, or PUBREC for QoS 2); `left` does not: a broker
 *  with a kept session sends it again over the next connection. An acknowledgement that waits for a commit
 *  belongs here: call `done` later, or add an outcome that lets the next message through first. */
export type MessageOutcome = 'taken' | 'left';

/** What a link reports. No event comes while the transport is still being called to open it. */
export interface MqttLinkEvents {
  /** The broker accepted the connection. Messages of a kept session may come before this and before any
   *  subscription. */
  opened(session: { readonly present: boolean }): void;
  /** One message. The next one comes only after `done`; until then nothing is read from the link. */
  message(message: MqttMessage, done: (outcome: MessageOutcome) => void): void;
  /** The link is gone, or never came to be; nothing follows. Not called after {@link MqttLink.close}. */
  closed(error: Error): void;
}

export interface MqttLink {
  /** Resolves once the broker granted all. @throws HeadgateError if it refused one or the link went. */
  subscribe(subscriptions: readonly MqttSubscription[]): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** Says good-bye, so that no will is published, and frees everything; takes a second or two at most. Never
   *  rejects. */
  close(): Promise<void>;
}

/** Opens one link to a broker. Never throws: what goes wrong arrives as `closed`. */
export type MqttTransport = (options: MqttLinkOptions, events: MqttLinkEvents, clock: Clock) => MqttLink;
