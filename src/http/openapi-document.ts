/** The OpenAPI document of the API, made of its routes. */

import type { Routes } from './route.ts';
import { VERSION } from '../version.ts';

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
  const made = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Headgate',
      version: VERSION,
      description: 'The control API of a Headgate gateway. Problems are told as RFC 9457 has it.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
  });
  documents.set(routes, made);
  return made;
}
