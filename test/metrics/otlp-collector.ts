/** A collector of OpenTelemetry's metrics, as far as tests need one: it keeps what it is sent. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Point {
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
  readonly asDouble?: number;
  readonly startTimeUnixNano: string;
  readonly count?: number;
  readonly sum?: number;
  readonly bucketCounts?: readonly number[];
  readonly explicitBounds?: readonly number[];
}

export interface ReceivedMetric {
  readonly name: string;
  readonly unit: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

export interface ReceivedMetrics {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: Point['attributes'] };
    readonly scopeMetrics: readonly { readonly metrics: readonly ReceivedMetric[] }[];
  }[];
}

export interface OtlpCollector {
  readonly url: string;
  /** What it took, in order. */
  readonly received: readonly { readonly headers: IncomingHttpHeaders; readonly body: ReceivedMetrics }[];
  /** Requests by now, whatever they were answered. */
  readonly asked: () => number;
  /** From now on: a status, or no answer at all. */
  answerWith(next: number | 'nothing'): void;
  close(): void;
}

export async function startOtlpCollector(): Promise<OtlpCollector> {
  const received: { readonly headers: IncomingHttpHeaders; readonly body: ReceivedMetrics }[] = [];
  let answer: number | 'nothing' = 200;
  let asked = 0;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      asked++;
      if (answer === 'nothing') return;
      if (answer === 200) {
        received.push({ headers: request.headers, body: JSON.parse(body) as ReceivedMetrics });
      }
      response.writeHead(answer, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/metrics`,
    received,
    asked: () => asked,
    answerWith: (next) => {
      answer = next;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export function attributesOf(of: Point['attributes']): Record<string, string> {
  return Object.fromEntries(of.map(({ key, value }) => [key, value.stringValue]));
}

/** The value of a series in what was sent; undefined where it is not there. */
export function valueIn(
  sent: ReceivedMetrics | undefined,
  name: string,
  labels: Readonly<Record<string, string>>,
): number | undefined {
  const metrics = sent?.resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap((one) => one.metrics),
  );
  const metric = metrics?.find((one) => one.name === name);
  return pointOf(metric, labels)?.asDouble;
}

/** The point that bears these labels, whatever else it bears. */
export function pointOf(
  metric: ReceivedMetric | undefined,
  labels: Readonly<Record<string, string>>,
): Point | undefined {
  return (metric?.sum ?? metric?.gauge)?.dataPoints.find((point) => {
    const attributes = attributesOf(point.attributes);
    return Object.entries(labels).every(([label, wanted]) => attributes[label] === wanted);
  });
}
