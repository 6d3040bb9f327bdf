/** OpenTelemetry's packages: only the export of metrics needs them, and they may be missing. */

import { HeadgateError } from '../domain/errors.ts';

export interface Otlp {
  readonly exporter: typeof import('@opentelemetry/exporter-metrics-otlp-http');
  readonly resources: typeof import('@opentelemetry/resources');
  readonly sdk: typeof import('@opentelemetry/sdk-metrics');
}

/** Loads a package by its name; tests hand in one that finds nothing. */
export type LoadPackage = (name: string) => Promise<unknown>;

const PACKAGES = {
  exporter: '@opentelemetry/exporter-metrics-otlp-http',
  resources: '@opentelemetry/resources',
  sdk: '@opentelemetry/sdk-metrics',
} as const;

const loadInstalled: LoadPackage = (name) => {
  if (name === PACKAGES.exporter) return import('@opentelemetry/exporter-metrics-otlp-http');
  if (name === PACKAGES.resources) return import('@opentelemetry/resources');
  return import('@opentelemetry/sdk-metrics');
};

/** @throws HeadgateError HG_PEER_MISSING */
export async function loadOtlp(load: LoadPackage = loadInstalled): Promise<Otlp> {
  const [exporter, resources, sdk] = await Promise.all(
    Object.values(PACKAGES).map((name) => loadOrExplain(name, load)),
  );
  return { exporter, resources, sdk } as Otlp;
}

async function loadOrExplain(name: string, load: LoadPackage): Promise<unknown> {
  try {
    return await load(name);
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code !== 'ERR_MODULE_NOT_FOUND' || !String(message).includes(`'${name}'`)) throw error;
    throw new HeadgateError(
      'HG_PEER_MISSING',
      `metrics.otlp needs ${name}, which is not installed: npm install ${Object.values(PACKAGES).join(' ')}`,
      { details: { package: name }, cause: error },
    );
  }
}
