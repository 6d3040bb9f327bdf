/** Packages that a configuration needs and that are not installed: what `headgate run` would say. */

import { loadNats } from '../../actors/sinks/jetstream/nats-peer.ts';
import { HeadgateError } from '../domain/errors.ts';
import { loadOtlp } from '../metrics/otlp-peer.ts';
import type { ConfigProblem } from './gateway-control.ts';
import type { GatewayConfig } from './config/gateway-config.ts';

/** How each package is loaded. */
export interface PeerLoaders {
  readonly nats: () => Promise<unknown>;
  readonly otlp: () => Promise<unknown>;
}

const INSTALLED: PeerLoaders = { nats: loadNats, otlp: () => loadOtlp() };

export async function peerProblems(
  { sinks, metrics }: Pick<GatewayConfig, 'sinks' | 'metrics'>,
  file: string | null,
  loaders: PeerLoaders = INSTALLED,
): Promise<ConfigProblem[]> {
  const streams = Object.entries(sinks).filter(([, { type }]) => type === 'jetstream');
  const nats = streams.length === 0 ? null : await missing(loaders.nats);
  const otlp = metrics.otlp === null ? null : await missing(loaders.otlp);
  const at = (path: string, message: string) => ({ file, line: null, column: null, path, message });
  return [
    ...(nats === null ? [] : streams.map(([id]) => at(`sinks.${id}.type`, nats))),
    ...(otlp === null ? [] : [at('metrics.otlp', otlp)]),
  ];
}

/** The problem of a missing package; null where it is installed. */
async function missing(load: () => Promise<unknown>): Promise<string | null> {
  try {
    await load();
    return null;
  } catch (error) {
    if (error instanceof HeadgateError && error.code === 'HG_PEER_MISSING') return error.message;
    throw error;
  }
}
