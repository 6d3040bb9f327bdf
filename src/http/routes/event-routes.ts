/** `/api/events`: the timeline and the alerts as they happen. */

import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { z } from '@hono/zod-openapi';
import { HeadgateError } from '../../domain/errors.ts';
import { TIMELINE_KINDS } from '../../domain/timeline.ts';
import { clientKey } from '../fair-places.ts';
import type { Principal } from '../http-deps.ts';
import type { LiveFeed } from '../live/live-feed.ts';
import { givenOf, type Routes } from '../route.ts';
import { wholeNumber } from '../schemas.ts';

export interface EventRoutesOptions {
  /** Hands an answer over that has no end. */
  readonly release: (response: ServerResponse) => void;
  readonly feed: LiveFeed;
  /** Whom a header lets in, to be asked again while a caller listens; null: nobody any more. */
  readonly whoAsks: (authorization: string | undefined) => () => Principal | null;
}

export function addEventRoutes(routes: Routes, { feed, whoAsks, release }: EventRoutesOptions): void {
  routes.add(
    {
      ...{ method: 'get', path: '/api/events', tag: 'Events', scope: 'read' },
      summary: 'What happens, as it happens',
      description:
        'Server-sent events: `timeline` and `alert` with a row each, its `seq` as id; `gap` where rows ' +
        'that were asked for are gone. With the header Last-Event-ID, or `afterSeq`, the rows after it ' +
        'come first. Who does not read is cut off, and goes on from the log when it comes back.',
      query: z.strictObject({
        actor: z.string().min(1).max(300).optional(),
        kind: z.enum(TIMELINE_KINDS).optional(),
        event: z.string().min(1).max(200).optional(),
        afterSeq: wholeNumber(0).optional(),
      }),
      headers: z.object({ 'Last-Event-ID': z.string().optional() }),
      answers: { 200: { description: 'A stream without end.', type: 'text/event-stream' } },
    },
    async ({ query: { afterSeq, ...filter }, principal, context }) => {
      const { incoming, outgoing } = context.env;
      const from = lastEventId(incoming.headers['last-event-id']) ?? afterSeq ?? null;
      if (incoming.method === 'HEAD') return context.body(null, 200, { 'content-type': 'text/event-stream' });
      const asker = whoAsks(incoming.headers.authorization);
      await feed.open({
        response: outgoing,
        filter: givenOf(filter),
        afterSeq: from,
        client: clientKey(principal, incoming.socket.remoteAddress),
        mayListen: () => asker()?.scopes.has('read') === true,
      });
      release(outgoing);
      return RESPONSE_ALREADY_SENT;
    },
  );
}

/** @throws HeadgateError HG_HTTP_MALFORMED for what no event of this stream bears */
function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  const text = String(header);
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new HeadgateError('HG_HTTP_MALFORMED', 'Last-Event-ID must be the id of an event, a whole number');
}
