/** What a publisher sends on one topic, and the messages between it and the process that started it. */

export interface Feed {
  readonly topic: string;
  readonly qos: 0 | 1;
  /** The day of the data set with which it begins. */
  readonly startDay: number;
  /** Wait, then publish so many records at once; step after step, and then from the first step again. */
  readonly cycle: readonly { readonly waitMs: number; readonly records: number }[];
  /** How often the cycle runs; null: until the publisher is stopped. */
  readonly cycles: number | null;
}

export interface PublisherTask {
  readonly brokerUrl: string;
  readonly feeds: readonly Feed[];
}

/** Records published, by topic. */
export type PublishedCounts = Readonly<Record<string, number>>;

export type PublisherOrder = { readonly type: 'begin' } | { readonly type: 'stop' };
export type PublisherNews =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly published: PublishedCounts };
