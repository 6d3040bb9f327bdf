/** Counts HTTP requests and how long they took, by method, route and class of status. */

import { LIMITS } from '../domain/limits.ts';
import { OTHER } from './metric.ts';
import type { HistogramSample, Labels } from './sample.ts';

export interface ObservedRequest {
  readonly method: string;
  /** The template, `/api/sources/{id}`, never the path that was asked for; null where no route fitted. */
  readonly route: string | null;
  readonly statusCode: number;
  readonly seconds: number;
}

const BOUNDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

interface Series {
  readonly labels: Labels;
  /** By bound, and one more for what is longer; not cumulative. */
  readonly buckets: number[];
  sum: number;
}

export class RequestMeter {
  readonly #routes = new Set<string>();
  readonly #series = new Map<string, Series>();

  observe({ method, route, statusCode, seconds }: ObservedRequest): void {
    if (!Number.isFinite(seconds) || seconds < 0) return;
    const labels = {
      method: METHODS.has(method) ? method : OTHER,
      route: this.#known(route ?? OTHER),
      status: statusClass(statusCode),
    };
    const key = Object.values(labels).join(' ');
    const series = this.#series.get(key) ?? { labels, buckets: [...BOUNDS, Infinity].map(() => 0), sum: 0 };
    this.#series.set(key, series);
    const index = BOUNDS.findIndex((bound) => seconds <= bound);
    const bucket = index < 0 ? BOUNDS.length : index;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.sum += seconds;
  }

  samples(): HistogramSample[] {
    return [...this.#series.values()].map(({ labels, buckets, sum }) => {
      let count = 0;
      const counts = buckets.map((bucket) => (count += bucket));
      return { labels, bounds: BOUNDS, counts: counts.slice(0, BOUNDS.length), count, sum };
    });
  }

  #known(route: string): string {
    if (!this.#routes.has(route) && this.#routes.size >= LIMITS.metricsRoutesMax) return OTHER;
    this.#routes.add(route);
    return route;
  }
}

function statusClass(statusCode: number): string {
  const first = Math.floor(statusCode / 100);
  return first >= 1 && first <= 5 ? `${first}xx` : OTHER;
}
