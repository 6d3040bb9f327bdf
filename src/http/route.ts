/** A route, said once: what it takes and gives makes both its entry in the OpenAPI document and the checks
 *  that stand before its handler. */

import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { z } from 'zod';
import { resolveOptions } from '../config/resolve-options.ts';
import { HeadgateError } from '../domain/errors.ts';
import { lackOfScope } from './auth.ts';
import type { Principal, Scope } from './http-deps.ts';
import { mediaTypeOf, parseJson, readText, type BodyLimits } from './json-body.ts';
import { problemResponse, PROBLEM_TYPE } from './problem.ts';
import { problemSchema } from './schemas.ts';

export interface RouteEnv {
  Bindings: HttpBindings & { readonly principal: Principal };
}

export type RouteContext = Context<RouteEnv>;

type Shape = z.ZodObject | undefined;
type Output<Schema extends z.ZodType | undefined> = Schema extends z.ZodType ? z.output<Schema> : undefined;

export interface Route<Params extends Shape, Query extends Shape, Body extends z.ZodType | undefined> {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With parameters in braces, each a whole segment: `/api/sources/{id}`. */
  readonly path: string;
  readonly tag: string;
  /** What a token needs; null: nobody needs one. */
  readonly scope: Scope | null;
  readonly summary: string;
  /** Its description beyond the summary, in whole sentences. */
  readonly description: string;
  readonly params?: Params;
  readonly query?: Query;
  readonly headers?: z.ZodObject;
  /** JSON, checked by this schema. */
  readonly body?: Body;
  /** Text of one of these media types, not looked into here. */
  readonly textBody?: readonly string[];
  /** How a body of these types is documented, where it is not any text. */
  readonly textSchemas?: Readonly<Record<string, object>>;
  /** What is answered where all is well: schema and meaning by status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Statuses of problems beyond those that every route may give. */
  readonly problems?: readonly number[];
}

export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Default: JSON. */
  readonly type?: string;
}

export interface RouteInput<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** The text of a `textBody`, and its media type. */
  readonly text: string;
  readonly textType: string;
  readonly principal: Principal;
  readonly context: RouteContext;
}

const PROBLEM_MEANINGS: Readonly<Record<number, string>> = {
  400: 'The request cannot be understood; `field` and `suggestion` say what is wrong with it.',
  401: 'A valid token is needed.',
  403: 'The token does not allow this, or a page of another origin asks.',
  404: 'There is no such thing.',
  408: 'The request was not complete in time.',
  409: 'What is there does not allow it.',
  412: 'It is not of the version that If-Match names.',
  413: 'The body is too large.',
  415: 'The body is of a type that is not taken.',
  421: 'The server does not go by the name in Host.',
  422: 'What was sent is well formed and cannot be made real; `problems` says why.',
  426: 'It is a WebSocket; ask for one.',
  429: 'Too many requests, or failed logins; Retry-After says how long to wait.',
  431: 'The headers are too large.',
  501: 'The body has a transfer coding that is not known.',
  503: 'Not now: the engine does not run, its disk fails, or there is too much to do. Retry-After says when.',
};

/** What any request may be answered. */
const ANY_ROUTE = [400, 401, 403, 408, 415, 421, 429, 431, 501, 503];
const WITH_BODY = [413];

/** Routes of the API as they are added. */
export class Routes {
  readonly app: OpenAPIHono<RouteEnv>;
  readonly #limits: BodyLimits;
  readonly #routed: (request: IncomingMessage, template: string) => void;
  /** By routing path, the methods it takes. */
  readonly #methods = new Map<string, string[]>();

  /** @param routed is told of the route that a request leads to */
  constructor(limits: BodyLimits, routed: (request: IncomingMessage, template: string) => void) {
    this.#limits = limits;
    this.#routed = routed;
    this.app = new OpenAPIHono<RouteEnv>();
  }

  add<
    Params extends Shape = undefined,
    Query extends Shape = undefined,
    Body extends z.ZodType | undefined = undefined,
  >(
    route: Route<Params, Query, Body>,
    handler: (asked: RouteInput<Output<Params>, Output<Query>, Output<Body>>) => Response | Promise<Response>,
  ): void {
    this.document(route);
    const subject = `${route.method.toUpperCase()} ${route.path}`;
    this.app.on(route.method, routingPath(route.path), async (context) => {
      const { incoming, principal } = context.env;
      this.#routed(incoming, route.path);
      const lacking = route.scope === null ? null : lackOfScope(principal, route.scope);
      if (lacking !== null) return problemResponse(lacking);
      const params = route.params && resolveOptions(route.params, context.req.param(), subject);
      const given = singleValues(context.req.queries(), subject);
      const query = route.query ? resolveOptions(route.query, given, subject) : requireNone(given, subject);
      const isBodied = route.body !== undefined || route.textBody !== undefined;
      if (!isBodied) requireNoForm(incoming, route.method);
      const text = isBodied ? await this.#textOf(context, route) : '';
      const json = route.body && (text === '' ? {} : parseJson(text, this.#limits.depthMax));
      const body = route.body && resolveOptions(route.body, json, subject);
      return handler({
        params: params as Output<Params>,
        query: query as Output<Query>,
        body: body as Output<Body>,
        ...{ text, textType: mediaTypeOf(incoming), principal, context },
      });
    });
  }

  /** Puts a route into the document that something else answers. */
  document(route: Route<Shape, Shape, z.ZodType | undefined>): void {
    const path = routingPath(route.path);
    const methods = [route.method.toUpperCase(), ...(route.method === 'get' ? ['HEAD'] : [])];
    this.#methods.set(path, [...(this.#methods.get(path) ?? []), ...methods]);
    this.app.openAPIRegistry.registerPath(documented(route));
  }

  /** To be called once, after the last route: whatever is left is a wrong method or a wrong path. */
  close(): void {
    for (const [path, methods] of this.#methods) {
      this.app.all(path, ({ req }) => {
        const message = `${req.path} takes ${methods.join(', ')}`;
        throw new HeadgateError('HG_HTTP_METHOD', message, { details: { allowed: methods } });
      });
    }
    this.app.notFound(() => {
      throw new HeadgateError('HG_HTTP_ROUTE_UNKNOWN', 'there is no such path; see /openapi.json');
    });
  }

  async #textOf(
    context: RouteContext,
    { body, textBody = ['application/json'] }: Route<Shape, Shape, z.ZodType | undefined>,
  ): Promise<string> {
    const { incoming, outgoing } = context.env;
    const isEmpty = incoming.headers['content-length'] === undefined && !isChunked(incoming.headers);
    const type = mediaTypeOf(incoming);
    if (!textBody.includes(type) && !(body !== undefined && isEmpty)) {
      const message = `the body must be ${textBody.join(' or ')}, and Content-Type say so`;
      throw new HeadgateError('HG_HTTP_MEDIA_TYPE', message, { details: { accepted: textBody } });
    }
    return readText(incoming, outgoing, this.#limits.bodyBytesMax);
  }
}

/** A form of another site can send a change without a word of where it comes from; but it has a type. */
function requireNoForm(request: IncomingMessage, method: string): void {
  const type = mediaTypeOf(request);
  if (method === 'get' || type === '' || type === 'application/json') return;
  const message = 'this takes no body; leave out Content-Type, or say application/json';
  throw new HeadgateError('HG_HTTP_MEDIA_TYPE', message, { details: { accepted: ['application/json'] } });
}

function isChunked(headers: { readonly 'transfer-encoding'?: string | undefined }): boolean {
  return headers['transfer-encoding'] !== undefined;
}

function routingPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** Parameters of a query, each given once. */
function singleValues(given: Record<string, string[]>, subject: string): Record<string, string> {
  const values: [string, string][] = [];
  for (const [name, [value = '', ...more]] of Object.entries(given)) {
    if (more.length > 0) {
      const message = `${subject}: option "${name}": is given ${more.length + 1} times`;
      throw new HeadgateError('HG_OPTION_INVALID', message, { details: { subject, field: name } });
    }
    values.push([name, value]);
  }
  return Object.fromEntries(values);
}

function requireNone(given: Record<string, string>, subject: string): undefined {
  const [name] = Object.keys(given);
  if (name === undefined) return;
  const message = `${subject}: unknown option "${name}"; it takes none`;
  throw new HeadgateError('HG_OPTION_UNKNOWN', message, { details: { subject, field: name } });
}

function documented(route: Route<Shape, Shape, z.ZodType | undefined>): RouteConfig {
  const { method, path, tag, scope, summary, description, params, query, headers, answers } = route;
  const isBodied = route.body !== undefined || route.textBody !== undefined;
  const problems = [
    ...ANY_ROUTE,
    ...(isBodied ? WITH_BODY : []),
    ...(params === undefined ? [] : [404]),
    ...(route.problems ?? []),
  ].filter((status) => !(status in answers));
  const responses = [
    ...Object.entries(answers).map(([status, answer]) => [status, answerOf(answer)]),
    ...[...new Set(problems)].map((status) => [String(status), problemAnswer(status)]),
  ];
  return {
    ...{ method, path, summary, tags: [tag] },
    operationId: operationId(method, path),
    description,
    security: scope === null ? [] : [{ bearer: [] }],
    ...(scope === null ? {} : { 'x-headgate-scope': scope }),
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(headers === undefined ? {} : { headers }),
      ...(isBodied ? { body: bodyOf(route) } : {}),
    },
    responses: Object.fromEntries(responses) as RouteConfig['responses'],
  };
}

function bodyOf({ body, textBody = [], textSchemas = {} }: Route<Shape, Shape, z.ZodType | undefined>) {
  const content = body
    ? { 'application/json': { schema: body } }
    : Object.fromEntries(
        textBody.map((type) => [type, { schema: textSchemas[type] ?? { type: 'string' as const } }]),
      );
  return { required: true, content };
}

function answerOf({ description, schema, type = 'application/json' }: Answer) {
  if (schema === undefined && type === 'application/json') return { description };
  return { description, content: { [type]: { schema: schema ?? { type: 'string' as const } } } };
}

function problemAnswer(status: number) {
  const description = PROBLEM_MEANINGS[status] ?? 'A problem.';
  return { description, content: { [PROBLEM_TYPE]: { schema: problemSchema } } };
}

/** `get /api/sources/{id}` → `getSourcesById`. */
function operationId(method: string, path: string): string {
  const words = path.split(/[/.-]/).filter((word) => word !== '' && word !== 'api');
  const named = words.map((word) =>
    word
      .replace(/^\{(.*)\}$/, 'by-$1')
      .split('-')
      .map(capital)
      .join(''),
  );
  return method + named.join('');
}

function capital(word: string): string {
  return `${word[0]?.toUpperCase() ?? ''}${word.slice(1)}`;
}

/** Options without those that were not given. */
export function givenOf<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Given<Options>;
}

type Given<Options> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };
