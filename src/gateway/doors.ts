/** The doors of a gateway: what others reach it by. The reader of its history, the HTTP server, and, where it
 *  is asked for, the control topic. */

import type { PushSource } from '../../actors/sources/push-source.ts';
import { openHistory } from '../../storage/reading/open-history.ts';
import type { Engine } from '../engine.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Redact } from '../domain/redact.ts';
import { createHttpServer } from '../http/http-server.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { createControlTopic, type ControlTopic } from './control-topic.ts';
import type { GatewayControl } from './gateway-control.ts';

export interface DoorsOptions {
  readonly gateway: GatewayControl;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the process was started with: settings that count from the start on. */
  readonly started: GatewayConfig;
  /** What runs now. */
  readonly running: () => GatewayConfig;
  readonly metrics: Metrics;
  /** Takes secrets out of what answers repeat. */
  readonly redact: Redact;
  /** How long closing may take, milliseconds; asked when it begins. */
  readonly closeMs: () => number;
}

export interface Doors extends AsyncDisposable {
  /** Of the HTTP server; null where there is none. */
  readonly url: string | null;
  /** Begins to listen to the control topic, where there is one. */
  openControl(): void;
}

/** A part of the time to stop: the engine needs the rest. */
const CLOSE_SHARE = 1 / 3;

/** Opens the doors in order; if one cannot be opened, those that were are closed again.
 *  @throws HeadgateError HG_HTTP_LISTEN, HG_HTTP_EXPOSED */
export async function openDoors(options: DoorsOptions): Promise<Doors> {
  await using parts = new AsyncDisposableStack();
  const { gateway, clock, log, started, running, metrics, redact, closeMs } = options;
  const { engine } = gateway;
  const history = openHistory(started.storage.path);
  parts.defer(() => history.close());
  let url: string | null = null;
  if (started.http.enabled) {
    const server = createHttpServer({
      ...{ gateway, history, clock, log, redact },
      options: started.http,
      tokens: () => running().auth.tokens,
      metrics: () => metrics.render(),
      observeRequest: (request) => metrics.observeRequest(request),
      pushSources: (address) => pushSourceOf(engine, address),
      recordBytesMax: started.storage.records.bytesMax,
    });
    // It has timers before it listens, too.
    parts.defer(() => server.close({ deadlineMs: closeMs() * CLOSE_SHARE }));
    ({ url } = await server.listen());
  }
  const control = controlTopicOf(options);
  if (control !== null) parts.defer(() => control.stop());
  const opened = parts.move();
  return { url, openControl: () => control?.start(), [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

function controlTopicOf({ gateway, started, running, clock, log }: DoorsOptions): ControlTopic | null {
  const { mqtt } = started.control;
  if (mqtt === null) return null;
  return createControlTopic(mqtt, {
    ...{ gateway, clock, log },
    tokens: () => running().auth.tokens,
    failedLoginsPerMinuteMax: started.http.limits.failedLoginsPerMinuteMax,
  });
}

/** The push source of this address, as it runs now; undefined for what is none. */
function pushSourceOf(engine: Engine, address: string): PushSource | undefined {
  const spec = engine.sourceSpec(address);
  return spec !== undefined && 'pushPayload' in spec ? (spec as PushSource) : undefined;
}
