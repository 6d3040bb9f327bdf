/** The port through which an HTTP source asks, and the real thing behind it: the platform's fetch. */

export interface HttpRequest {
  /** Without user name and password. */
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | null;
  /** Aborts when the poll is given up, and when it is over. */
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in any case; null where there is no such header. */
  header(name: string): string | null;
  /** The body as it comes, null where there is none. Ending the iteration early abandons the rest. */
  readonly body: AsyncIterable<Uint8Array> | null;
}

/** Resolves with the answer's head; the body is still to come. Rejects where there is no answer, in any way
 *  it likes: the source makes a HeadgateError of it. Must give up when `request.signal` aborts. */
export type HttpTransport = (request: HttpRequest) => Promise<HttpAnswer>;

/** Redirects are handed back as they are: followed, they would carry the source's own headers to another
 *  address. */
export const fetchTransport: HttpTransport = async ({ url, method, headers, body, signal }) => {
  const response = await fetch(url, {
    method,
    headers,
    // A copy, since fetch wants bytes that no other thread can share.
    body: body instanceof Uint8Array ? new Uint8Array(body) : body,
    redirect: 'manual',
    signal,
  });
  return {
    status: response.status,
    header: (name) => response.headers.get(name),
    body: response.body,
  };
};
