/** What a configuration leads to: brokers, servers, files. */

import type { MqttConnectionInput } from '../../actors/protocols/mqtt/options.ts';

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
      /** Certificates and key as PEM. */
      readonly tls?: MqttConnectionInput['tls'];
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
