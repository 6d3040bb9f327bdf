/** The table of routes in docs/api.md, made of the OpenAPI document. Where routes have changed:
 *  `npx node test/http/api-page.ts`. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { openRig } from './open-rig.ts';

const PAGE = join(PROJECT_ROOT, 'docs/api.md');
const BETWEEN = /(<!-- made by: [^\n]* -->\n)[^]*(<!-- end -->)/;

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, object>>;
  readonly 'x-headgate-scope'?: string;
}

export function apiTable(document: unknown): string {
  const { paths } = document as { paths: Record<string, Record<string, Operation>> };
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const query = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
      const names = query.map(({ name }) => `\`${name}\``).join(' ');
      const scope = operation['x-headgate-scope'] ?? 'none';
      return `| \`${method.toUpperCase()} ${path}\` | ${operation.summary} | ${names} | ${scope} |`;
    }),
  );
  return ['| route | what it does | query | scope |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** The page with this table in it. */
export function pageWith(document: unknown, page = readFileSync(PAGE, 'utf8')): string {
  return page.replace(BETWEEN, (_, begin: string, end: string) => begin + apiTable(document) + end);
}

if (import.meta.main) {
  const rig = await openRig();
  writeFileSync(PAGE, pageWith((await rig.ask('/openapi.json')).json));
  await rig.close();
}
