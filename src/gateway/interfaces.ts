/** The doors of a gateway: what others reach it by. The reader of its history, the HTTP server, and, where it
 *  is asked for, the control topic. */

import type { PushSource } from '../../actors/sources/push-source.ts';
import { openHistory } from '../../storage/reading/open-history.ts';
import type { Engine } from '../engine/engine.ts';
import type { Clock } from '../domain/clock.ts';
import type { Logger } from '../domain/logger.ts';
import type { Redact } from '../domain/redact.ts';
import { createHttpServer, type HttpServer } from '../http/http-server.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { ChangeStep } from './change-steps.ts';
import type { GatewayConfig } from './config/gateway-config.ts';
import { createControlTopic, type ControlTopic } from './control-topic.ts';
import type { GatewayControl } from './gateway-control.ts';
import { LivePart } from './live-part.ts';
import type { OpenMetrics } from './open-metrics.ts';
import { Replaceable } from './replaceable.ts';

export interface InterfacesOptions {
  readonly gateway: GatewayControl;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the process was started with: settings that count from the start on. */
  readonly started: GatewayConfig;
  /** What runs now. */
  readonly running: () => GatewayConfig;
  readonly metrics: Metrics;
  readonly exported: OpenMetrics['exported'];
  /** Takes secrets out of what answers repeat. */
  readonly redact: Redact;
  /** How long closing may take, milliseconds; asked when it begins. */
  readonly closeMs: () => number;
}

export interface Interfaces extends AsyncDisposable {
  /** Of the HTTP server; null where there is none. */
  readonly url: string | null;
  /** Begins to listen to the control topic, where there is one. */
  openControl(): void;
  /** The steps to the certificate, the control topic and the export of metrics of this version. */
  stepsTo(next: GatewayConfig): ChangeStep[];
}

/** A part of the time to stop: the engine needs the rest. */
const CLOSE_SHARE = 1 / 3;

/** Opens the doors in order; if one cannot be opened, those that were are closed again.
 *  @throws HeadgateError HG_HTTP_LISTEN, HG_HTTP_EXPOSED */
export async function openInterfaces(options: InterfacesOptions): Promise<Interfaces> {
  await using parts = new AsyncDisposableStack();
  const { gateway, clock, log, started, running, metrics, exported, redact, closeMs } = options;
  const { engine } = gateway;
  const history = openHistory(started.storage.path);
  parts.defer(() => history.close());
  let url: string | null = null;
  const certificate = new LivePart('http.tls', started.http.tls, (tls) => {
    if (tls !== null) server?.renewCertificate(tls);
  });
  let server: HttpServer | null = null;
  if (started.http.enabled) {
    const made = createHttpServer({
      ...{ gateway, history, clock, log, redact },
      options: started.http,
      tokens: () => running().auth.tokens,
      metrics: () => metrics.render(),
      observeRequest: (request) => metrics.observeRequest(request),
      pushSources: (address) => pushSourceOf(engine, address),
      recordBytesMax: started.storage.records.bytesMax,
    });
    // It has timers before it listens, too.
    parts.defer(() => made.close({ deadlineMs: closeMs() * CLOSE_SHARE }));
    ({ url } = await made.listen());
    server = made;
  }
  const control = parts.use(
    new Replaceable<ControlTopic>({ begin: (topic) => topic.start(), end: (topic) => topic.stop() }),
  );
  const { mqtt: topicAtStart } = started.control;
  // What cannot be made is told before anything begins.
  const first = controlTopicOf(topicAtStart, options);
  parts.defer(() => first?.stop());
  const topic = new LivePart('control.mqtt', topicAtStart, (mqtt) =>
    control.replace(controlTopicOf(mqtt, options)),
  );
  const opened = parts.move();
  return {
    url,
    openControl: () => control.replace(first),
    stepsTo: ({ http, control: { mqtt }, metrics: sent }) => [
      // A server without TLS does not come to have it.
      ...(http.tls === null || started.http.tls === null ? [] : certificate.stepsTo(http.tls)),
      ...topic.stepsTo(mqtt),
      ...exported.stepsTo(sent.otlp),
    ],
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** @throws HeadgateError HG_OPTION_INVALID */
function controlTopicOf(
  mqtt: GatewayConfig['control']['mqtt'],
  { gateway, started, running, clock, log }: InterfacesOptions,
): ControlTopic | null {
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
