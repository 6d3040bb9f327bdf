/** What a configuration leads to: brokers, servers, files. */

import type { MqttTls } from '../../actors/sources/mqtt-transport.ts';

/** Credentials stay in here: no finding bears them. */
export type Link =
  | {
      readonly kind: 'mqtt';
      /** `source plc-7`. */
      readonly subject: string;
      readonly url: string;
      readonly username?: string | undefined;
      readonly password?: string | undefined;
      readonly protocolVersion?: 4 | 5 | undefined;
      readonly tls?: Partial<MqttTls> | undefined;
    }
  | {
      readonly kind: 'http' | 'websocket';
      readonly subject: string;
      readonly url: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Asked with HEAD unless it is GET: nothing is to be delivered. */
      readonly method?: string;
    }
  | { readonly kind: 'nats'; readonly subject: string; readonly url: string }
  | { readonly kind: 'file'; readonly subject: string; readonly path: string; readonly isWritten: boolean };
