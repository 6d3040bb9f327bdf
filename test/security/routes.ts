/** Every route of the API, as its own document has it, with parameters filled in. */

import type { GatewayProcess } from './gateway-process.ts';

export interface ApiRoute {
  readonly method: string;
  /** As the document has it: `/api/sources/{id}`. */
  readonly template: string;
  /** To be asked. */
  readonly path: string;
  /** What a token needs; null: nobody needs one. */
  readonly scope: string | null;
  readonly queryNames: readonly string[];
  readonly contentTypes: readonly string[];
}

interface Operation {
  readonly 'x-headgate-scope'?: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export async function routesOf(gateway: GatewayProcess, token?: string): Promise<ApiRoute[]> {
  const asked = { path: '/openapi.json', ...(token === undefined ? {} : { token }) };
  const { paths } = (await gateway.ask(asked)).json as Document;
  return Object.entries(paths).flatMap(([template, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      template,
      path: template.replaceAll(/\{\w+\}/g, (name) =>
        name === '{id}' && /letters/.test(template) ? '1' : 'line',
      ),
      scope: operation['x-headgate-scope'] ?? null,
      queryNames: (operation.parameters ?? []).filter((one) => one.in === 'query').map(({ name }) => name),
      contentTypes: Object.keys(operation.requestBody?.content ?? {}),
    })),
  );
}

/** Whether a question is one that never ends: its answer is a stream. */
export function isStream({ template }: ApiRoute): boolean {
  return template === '/api/events';
}
