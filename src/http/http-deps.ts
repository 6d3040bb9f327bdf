/** What the HTTP server is made of, handed in by whoever composes the process. */

import type { PushSource } from '../../actors/sources/push-source.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Redact } from '../domain/redact.ts';
import type { GatewayControl } from '../gateway/gateway-control.ts';
import type { History } from '../../storage/reading/history.ts';

/** The section `http` of the configuration, resolved. */
export interface HttpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Contents, not paths: PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** Names, beside those of the address itself, that a request may give as its Host. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may ask, beside its own. */
  readonly allowedOrigins: readonly string[];
  /** Listen beyond loopback without tokens, without TLS: has to be said in so many words. */
  readonly allowOpen: boolean;
  readonly allowPlaintext: boolean;
  readonly limits: HttpLimits;
}

export interface HttpLimits {
  /** Bytes of a body of the control API. */
  readonly bodyBytesMax: number;
  /** Bytes of one ingest body, all of it; it is streamed. */
  readonly ingestBytesMax: number;
  readonly headerBytesMax: number;
  /** Nesting of a JSON body. */
  readonly depthMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly requestsPerSecondMax: number;
  readonly failedLoginsPerMinuteMax: number;
  /** A request has to be there, headers and body, after so long. */
  readonly requestTimeoutMs: number;
  /** Bytes a second that an upload has to send on average, after `requestTimeoutMs`, while it is waited for;
   *  0: none. */
  readonly uploadBytesPerSecondMin: number;
  readonly liveClientsMax: number;
  readonly liveClientBytesMax: number;
  /** Ingest WebSockets that are open at a time; one client gets half of them, as of the live clients. */
  readonly socketsMax: number;
  /** Messages a second of one of them; beyond, it is not read for the rest of the second. */
  readonly messagesPerSecondMax: number;
}

export type Scope = 'read' | 'ingest' | 'operate' | 'admin';

/** A token as it is stored: never the token itself. */
export interface StoredToken {
  readonly name: string;
  /** `sha256:` and 64 hex digits: tokens are 256 random bits, so that a slow hash gains nothing. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  /** Epoch milliseconds; null: never. */
  readonly expiresAtMs: number | null;
  /** Sources it may send records to; null: all. */
  readonly sources: readonly string[] | null;
}

/** Who asks. `anonymous` where no tokens are configured. */
export interface Principal {
  readonly name: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly sources: readonly string[] | null;
}

/** A request that is over. */
export interface OverRequest {
  readonly method: string;
  /** The template, `/api/sources/{id}`; null where it led to no route. */
  readonly route: string | null;
  /** 0 where it went before it was answered. */
  readonly statusCode: number;
  readonly seconds: number;
}

export interface HttpDeps {
  readonly gateway: GatewayControl;
  readonly history: History;
  readonly options: HttpOptions;
  /** Read at every request: a reload may change them. */
  readonly tokens: () => readonly StoredToken[];
  /** The text of `/metrics`. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Is told of each request when it is over. */
  readonly observeRequest?: (request: OverRequest) => void;
  /** The push source of this address (`line3`, `acme/line3`) as it runs now: where ingest goes. */
  readonly pushSources: (address: string) => PushSource | undefined;
  /** Bytes of one record that ingest takes. Default: what the log takes. */
  readonly recordBytesMax?: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Takes secrets out of what answers repeat of errors. Default: there are none. */
  readonly redact?: Redact;
}
