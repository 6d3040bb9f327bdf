/** The OpenAPI document of the API, made of its routes. */

import { configurationJsonSchema } from '../gateway/config/json-schema.ts';
import type { Routes } from './route.ts';
import { VERSION } from '../version.ts';

/** Where the document has the schema of a configuration. */
export const CONFIGURATION_REF = '#/components/schemas/Configuration';

/** Descriptions of the operations' tags. */
const TAGS: Readonly<Record<string, string>> = {
  Process: 'The process as its watchers see it: alive, ready, its metrics and this document.',
  Sources: 'The sources of the gateway, and commands for them.',
  Sinks: 'The sinks of the gateway, how far they are behind the log, and commands for them.',
  History: 'What happened and why: the timeline, alerts and states, now or at a time in the past.',
  'Dead letters': 'What could not be used, to be looked at, tried again or deleted.',
  Configuration: 'The configuration that runs, and another one in its place.',
  Events: 'The timeline and the alerts as they happen.',
  Ingest: 'Records from programs and devices, over HTTP or a WebSocket.',
};

/** Made once: the routes do not change. */
const documents = new WeakMap<Routes, object>();

export function openApiDocument(routes: Routes): object {
  const known = documents.get(routes);
  if (known !== undefined) return known;
  const { app } = routes;
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `headgate token create`. Not needed while the configuration has none.',
  });
  const { $schema: _, ...configuration } = configurationJsonSchema();
  app.openAPIRegistry.registerComponent('schemas', 'Configuration', configuration as object);
  const made = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Headgate',
      version: VERSION,
      description: 'The control API of a Headgate gateway. Problems are told as RFC 9457 has it.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      contact: { name: 'The operator of this gateway' },
    },
    servers: [{ url: '/', description: 'The gateway that this document comes from.' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  });
  documents.set(routes, made);
  return made;
}
