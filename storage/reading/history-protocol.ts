/** What whoever asks and the thread that reads the database say to each other. */

import type { History } from './history.ts';
import type { WireError } from '../worker/worker-protocol.ts';

export type Question = Exclude<keyof History, 'close'>;

export const QUESTIONS: readonly Question[] = [
  ...(['timeline', 'alerts', 'sources', 'sinks', 'explain', 'stateAt'] as const),
];

export interface ReaderOptions {
  readonly path: string;
}

export type ToReader =
  | { readonly id: number; readonly question: Question; readonly args: readonly unknown[] }
  | { readonly id: number; readonly question: 'close' };

export type FromReader =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: WireError };
