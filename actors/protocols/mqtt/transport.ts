/** The port between MQTT sources and a broker. The real transport speaks through mqtt.js
 *  (mqtt-js-transport.ts), its simulated twin runs on a virtual clock (src/testing/simulated-mqtt.ts); the
 *  sources know neither. */

import type { Clock } from '../../../src/domain/clock.ts';
import type { HeadgateError } from '../../../src/domain/errors.ts';
import type { ConnectProgress } from '../socket/connect-progress.ts';
import type { TlsOptions } from '../socket/open-socket.ts';

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
  /** A view of the bytes it came in; nobody changes them. Copy it to keep it for long: it keeps them all. */
  readonly payload: Uint8Array;
  /** The quality it was delivered with: the lower of publication and subscription. */
  readonly qos: Qos;
  /** The broker had it stored when the subscription was made. */
  readonly retain: boolean;
  /** The broker sent it before, over this or an earlier connection. */
  readonly dup: boolean;
  readonly properties?: MqttMessageProperties;
  /** Why the message cannot be taken: too large, or malformed. `payload` then holds its first bytes, and
   *  `topic` is empty where it cannot be read. */
  readonly rejection?: HeadgateError;
}

export interface MqttWill {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

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
  readonly tls: TlsOptions | undefined;
  readonly will: MqttWill | undefined;
  readonly clean: boolean;
  /** MQTT 5: how long the broker keeps the session of a client that is away. */
  readonly sessionExpirySeconds: number;
  readonly keepaliveSeconds: number;
  /** MQTT 5: messages the broker may have sent without their acknowledgement. */
  readonly receiveMaximum: number | undefined;
  /** A larger message is read over, and comes with a `rejection`. */
  readonly payloadBytesMax: number;
  readonly session: MqttSessionMemory;
  /** Is told how far the opening has come, up to the CONNACK. */
  readonly progress?: ConnectProgress;
}

/** An acknowledgement that a link owes its broker: PUBACK for QoS 1, PUBREC for QoS 2. */
export interface OwedAck {
  readonly packetId: number;
  readonly qos: 1 | 2;
}

/** What a link reports. No event comes while the transport is still being called to open it. */
export interface MqttLinkEvents {
  /** The broker accepted the connection; `differences` say in what it did not grant what it was asked for.
   *  Messages of a kept session may come before this and before any
   *  subscription. */
  opened(session: { readonly present: boolean; readonly differences?: readonly string[] }): void;
  /** One message; `packetId` is 0 for QoS 0. Gives whether the next may come: after false nothing comes, and
   *  nothing is read from the link, until {@link MqttLink.resume}. With QoS 1 and 2 the broker is owed an
   *  acknowledgement; until that is given it may send the message again over a later link. */
  message(message: MqttMessage, packetId: number): boolean;
  /** The link is gone, or never came to be; nothing follows. Not called after {@link MqttLink.close}. */
  closed(error: Error): void;
}

export interface MqttLink {
  /** Resolves once the broker granted all, with what it granted less of than it was asked for, in words.
   *  @throws HeadgateError if it refused one or the link went. */
  subscribe(subscriptions: readonly MqttSubscription[]): Promise<readonly string[]>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** Acknowledges messages that came over this link, in this order and in one write. Does nothing once the
   *  link is gone: packet ids are used again, and over another link they stand for other messages. */
  acknowledge(acks: readonly OwedAck[]): void;
  /** Lets messages come again. Does nothing where none is held back. */
  resume(): void;
  /** Says good-bye, so that no will is published, and frees everything; takes a second at most. What comes
   *  in the meantime is thrown away without acknowledgement. Never rejects. */
  close(): Promise<void>;
}

/** Opens one link to a broker. Never throws: what goes wrong arrives as `closed`. */
export type MqttTransport = (options: MqttLinkOptions, events: MqttLinkEvents, clock: Clock) => MqttLink;
