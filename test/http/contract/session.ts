/** A session with the API that asks every operation of its document for something: what a caller does who
 *  takes the document by its word. */

export interface Step {
  readonly method: string;
  readonly path: string;
  /** The operation of the document that it is about. */
  readonly operation: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const json = (value: unknown) => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});
const text = (type: string, body: string) => ({ body, headers: { 'content-type': type } });

function step(
  operation: string,
  status: number,
  path: string = operation.split(' ')[1] ?? '',
  sent: Pick<Step, 'body' | 'headers'> = {},
): Step {
  return { method: operation.split(' ')[0] ?? '', path, operation, status, ...sent };
}

const CONFIGURATION = { sources: { line: { type: 'push' }, other: { type: 'push', decode: 'text' } } };

/** In this order. `file` is where a sink writes. */
export function sessionOf(file: string): Step[] {
  const one = (kind: string, method = 'GET', more = '') => `${method} /api/${kind}/{id}${more}`;
  const ingest = 'POST /api/ingest/{source}';
  const upload = (body: Pick<Step, 'body' | 'headers'>, status = 200) =>
    step(ingest, status, '/api/ingest/line', body);
  return [
    step('GET /healthz', 200),
    step('GET /readyz', 200),
    step('GET /metrics', 200),
    step('GET /openapi.json', 200),
    step('GET /api/health', 200),
    step('POST /api/sources', 201, '/api/sources', json({ id: 'line-3', type: 'push', decode: 'json' })),
    step('POST /api/sources', 409, '/api/sources', json({ id: 'line-3', type: 'push' })),
    step('POST /api/sources', 400, '/api/sources', json({ id: 'x', type: 'pusch' })),
    step('GET /api/sources', 200),
    step('GET /api/sources', 200, '/api/sources?type=push&limit=1'),
    step(one('sources'), 200, '/api/sources/line-3'),
    step(one('sources'), 404, '/api/sources/missing'),
    step(one('sources', 'PUT'), 200, '/api/sources/line-3', json({ type: 'push', decode: 'text' })),
    step(one('sources', 'POST', '/pause'), 200, '/api/sources/line-3/pause'),
    step(one('sources', 'POST', '/resume'), 200, '/api/sources/line-3/resume'),
    step('POST /api/sinks', 201, '/api/sinks', json({ id: 'archive', type: 'file', path: file })),
    step('GET /api/sinks', 200),
    step(one('sinks'), 200, '/api/sinks/archive'),
    step(one('sinks', 'PUT'), 200, '/api/sinks/archive', json({ type: 'file', path: `${file}-2` })),
    step(one('sinks', 'POST', '/pause'), 200, '/api/sinks/archive/pause'),
    step(one('sinks', 'POST', '/resume'), 200, '/api/sinks/archive/resume'),
    upload(json({ value: 1 })),
    upload(json([{ value: 1 }, 2, null, 'three', [4]])),
    upload(json(20.5)),
    upload(text('application/x-ndjson', '{"value":1}\n{"value":\n3\n')),
    upload(text('text/csv', 'a,b\n1,2\n')),
    upload(text('text/plain', '{"value":1}')),
    upload({
      ...text('application/x-ndjson', '1\n'),
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k1' },
    }),
    upload(
      {
        ...text('application/x-ndjson', '2\n'),
        headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k1' },
      },
      422,
    ),
    upload(text('application/x-ndjson', 'x\n'), 400),
    step(ingest, 404, '/api/ingest/missing', json(1)),
    step('GET /api/ingest/{source}', 426, '/api/ingest/line'),
    step('GET /api/timeline', 200, '/api/timeline?limit=5&kind=transition'),
    step('GET /api/timeline', 200, '/api/timeline?actor=line-3&since=-1h&afterSeq=0'),
    step('GET /api/alerts', 200, '/api/alerts?since=-1d'),
    step('GET /api/actors', 200, '/api/actors?at=-1s'),
    step('GET /api/actors/{name}', 200, '/api/actors/line-3'),
    step('GET /api/actors/{name}', 404, '/api/actors/missing'),
    step('GET /api/explain/{name}', 200, '/api/explain/line-3'),
    step('GET /api/dead-letters', 200, '/api/dead-letters?status=new'),
    step('GET /api/dead-letters/{id}', 404, '/api/dead-letters/999'),
    step('POST /api/dead-letters/retry', 200, '/api/dead-letters/retry', json({ select: {} })),
    step(
      'POST /api/dead-letters/purge',
      200,
      '/api/dead-letters/purge',
      json({ select: { status: 'parked' } }),
    ),
    step('GET /api/config', 200),
    step('POST /api/config/validate', 200, '/api/config/validate', json(CONFIGURATION)),
    step('POST /api/config/validate', 200, '/api/config/validate', text('application/yaml', 'sources: {}')),
    step('PUT /api/config', 412, '/api/config', {
      ...json(CONFIGURATION),
      headers: { 'content-type': 'application/json', 'if-match': '"99"' },
    }),
    // A stream has no end that a proxy could wait for: what it refuses has one.
    step('GET /api/events', 400, '/api/events', { headers: { 'last-event-id': 'x' } }),
    step(one('sinks', 'DELETE'), 200, '/api/sinks/archive?deadlineMs=1000'),
    step(one('sources', 'DELETE'), 200, '/api/sources/line-3?mode=now'),
  ];
}
