/** What every demo is given, and what it shows while it runs. */

import type { Logger, SourceHealth } from '../../src/index.ts';

export interface DemoSetup {
  /** Simulated sources under the virtual clock, instead of real ones in real time. */
  readonly virtual: boolean;
  readonly seed: number;
  /** The database file. */
  readonly db: string;
  /** Aborts when the demo is to end early: it then drains and reports what it has. */
  readonly signal: AbortSignal;
  /** Where the engine says what an operator should know. */
  readonly logger: Logger;
  /** Shows one line of what happens, at a time since the demo's start. */
  tell(atMs: number, mood: Mood, text: string): void;
  /** Gives the live view something to look at; it looks several times a second. The last call counts. */
  watch(look: () => LiveFrame): void;
}

/** How a line is coloured. */
export type Mood = 'plain' | 'good' | 'bad' | 'alert';

export interface LiveFrame {
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly sources: readonly SourceHealth[];
  /** A queue whose filling is to be seen. */
  readonly queue?: { readonly name: string; readonly records: number; readonly capacityRecords: number };
}
