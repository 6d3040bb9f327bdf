/** The NATS client: packages of their own, which only the sink for JetStream needs. They may be missing. */

import { HeadgateError } from '../../../src/domain/errors.ts';

export type Nats = typeof import('@nats-io/transport-node') & typeof import('@nats-io/jetstream');

/** @throws HeadgateError HG_PEER_MISSING */
export async function loadNats(): Promise<Nats> {
  const transport = await peer('@nats-io/transport-node', () => import('@nats-io/transport-node'));
  const jetstream = await peer('@nats-io/jetstream', () => import('@nats-io/jetstream'));
  return { ...transport, ...jetstream };
}

/** What `load` gives. @throws HeadgateError HG_PEER_MISSING where this very package is not installed. */
export async function peer<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' || !String(message).includes(`'${name}'`)) throw error;
    throw new HeadgateError(
      'HG_PEER_MISSING',
      `jetStreamSink needs ${name}, which is not installed: ` +
        'npm install @nats-io/transport-node @nats-io/jetstream',
      { details: { package: name }, cause: error },
    );
  }
}
