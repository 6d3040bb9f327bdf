/** `/api/config`: what runs, whether something else could, and making it so. */

import { z } from '@hono/zod-openapi';
import { HeadgateError } from '../../domain/errors.ts';
import type {
  ConfigFormat,
  GatewayControl,
  ReloadOutcome,
  RunningConfiguration,
} from '../../gateway/gateway-control.ts';
import type { HttpDeps } from '../http-deps.ts';
import { problemOf, problemResponse } from '../problem.ts';
import { CONFIGURATION_REF } from '../openapi-document.ts';
import type { Routes } from '../route.ts';
import { configProblemSchema, flagParam, reloadOutcomeSchema } from '../schemas.ts';

const tag = 'Configuration';

const FORMATS: Readonly<Record<string, ConfigFormat>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/x-yaml': 'yaml',
  'text/yaml': 'yaml',
};
const TYPES = Object.keys(FORMATS);

/** As JSON it is what the schema of the configuration says; as YAML, text. */
const TEXT_SCHEMAS = { 'application/json': { $ref: CONFIGURATION_REF } };

/** Changes that wait for the one under way. */
const WAITING_MAX = 8;

export function addConfigRoutes(routes: Routes, { gateway }: HttpDeps): void {
  const inTurn = serialQueue();
  routes.add(
    {
      ...{ method: 'get', path: '/api/config', tag, scope: 'read' },
      summary: 'The configuration that runs, secrets masked',
      description:
        'ETag is its version, for If-Match. Hashes of tokens are shown to the scope `admin` alone, which ' +
        'may send back what it was shown.',
      answers: {
        200: {
          description: 'As it was written.',
          schema: z.object({
            version: z.number().int(),
            digest: z.string(),
            file: z.string().nullable(),
            document: z.record(z.string(), z.unknown()),
            lastReload: reloadOutcomeSchema.nullable(),
          }),
        },
      },
    },
    ({ context, principal }) => {
      const running = gateway.configuration();
      const document = principal.scopes.has('admin') ? running.document : withoutHashes(running.document);
      context.header('etag', etagOf(running.version));
      return context.json({ ...running, document });
    },
  );
  routes.add(
    {
      ...{ method: 'put', path: '/api/config', tag, scope: 'admin' },
      summary: 'Run another configuration',
      description:
        'The difference is made real; what did not change is not touched. A version that is invalid, or ' +
        'that fails, leaves the old one running. With `persist=true` it also replaces the file.',
      query: z.strictObject({ persist: flagParam.optional() }),
      headers: z.object({
        'If-Match': z
          .string()
          .optional()
          .openapi({ description: 'The version it is to replace.', example: '"3"' }),
      }),
      textBody: TYPES,
      textSchemas: TEXT_SCHEMAS,
      answers: { 200: { description: 'It runs.', schema: reloadOutcomeSchema } },
      problems: [409, 412, 422],
    },
    async ({ query, text, textType, principal, context }) => {
      const format = formatOf(textType);
      const outcome = await inTurn(async () => {
        requireMatch(context.req.header('if-match'), gateway);
        const persist = query.persist ?? false;
        return gateway.apply(text, { format, origin: 'api', by: principal.name, persist });
      });
      context.header('etag', etagOf(gateway.configuration().version));
      const isDone = outcome.outcome === 'applied' || outcome.outcome === 'unchanged';
      return isDone ? context.json(outcome) : refusal(outcome);
    },
  );
  routes.add(
    {
      ...{ method: 'post', path: '/api/config/validate', tag, scope: 'admin' },
      summary: 'Whether a configuration could run',
      description: 'Changes nothing.',
      textBody: TYPES,
      textSchemas: TEXT_SCHEMAS,
      answers: {
        200: {
          description: 'What is wrong with it; nothing where it is valid.',
          schema: z.object({ isValid: z.boolean(), problems: z.array(configProblemSchema) }),
        },
      },
    },
    async ({ text, textType, context }) => {
      const problems = await gateway.validate(text, formatOf(textType));
      return context.json({ isValid: problems.length === 0, problems });
    },
  );
}

/** A token that somebody made up can be guessed from its hash. */
function withoutHashes(document: RunningConfiguration['document']): RunningConfiguration['document'] {
  const { tokens, ...auth } = (document['auth'] ?? {}) as { readonly tokens?: unknown };
  if (!Array.isArray(tokens)) return document;
  const masked = tokens.map((token: object) => ('hash' in token ? { ...token, hash: '***' } : token));
  return { ...document, auth: { ...auth, tokens: masked } };
}

function formatOf(type: string): ConfigFormat {
  return FORMATS[type] ?? 'yaml';
}

function etagOf(version: number): string {
  return `"${version}"`;
}

/** @throws HeadgateError HG_HTTP_PRECONDITION */
function requireMatch(ifMatch: string | undefined, gateway: GatewayControl): void {
  if (ifMatch === undefined || ifMatch.trim() === '*') return;
  const { version } = gateway.configuration();
  if (ifMatch.split(',').some((tagged) => tagged.trim() === etagOf(version))) return;
  const message = `version ${version} runs, which is not the one that If-Match names; read it again`;
  throw new HeadgateError('HG_HTTP_PRECONDITION', message, { details: { version } });
}

function refusal(outcome: ReloadOutcome): Response {
  const isInvalid = outcome.outcome === 'refused';
  const message = isInvalid
    ? 'the configuration is invalid; the old one runs on'
    : 'a part of the configuration could not be made real; the old one runs on';
  const error = new HeadgateError('HG_OPTION_INVALID', message, { details: { ...outcome } });
  return problemResponse(problemOf(error, { status: isInvalid ? 422 : 409 }));
}

/** One after the other: a version that If-Match names is then still the one that is replaced. */
function serialQueue(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return async (work) => {
    if (waiting >= WAITING_MAX) {
      throw new HeadgateError('HG_HTTP_BUSY', 'other changes of the configuration wait already');
    }
    waiting++;
    const mine = last.then(work).finally(() => void waiting--);
    last = mine.catch(() => {});
    return mine;
  };
}
