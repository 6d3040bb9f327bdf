/** The documents that the demos give, as the command prints and draws them. demos/ fulfils them; it is loaded
 *  at run time only, by its path. */

import type { BurstAlert } from '../domain/alert.ts';
import type { SourceHealth } from '../domain/health.ts';
import type { Logger } from '../domain/logger.ts';

export interface HealthReport {
  readonly demo: 'health';
  readonly seed: number;
  readonly sources: readonly SourceHealth[];
  readonly healthSummaries: readonly { readonly atMs: number; readonly sources: readonly SourceHealth[] }[];
  readonly totalsByType: Readonly<Record<string, number>>;
  readonly drained: number;
  readonly db: string;
}

export interface BackpressureReport {
  readonly demo: 'backpressure';
  readonly produced: number;
  readonly passed: number;
  readonly filtered: number;
  readonly consumed: number;
  readonly highWater: number;
  readonly queueWaitMs: { readonly avg: number; readonly max: number; readonly over5ms: number };
  readonly printed: readonly { readonly index: number; readonly queueWaitMs: number }[];
  readonly db: string;
}

export interface RegistryReport {
  readonly demo: 'registry';
  readonly total: number;
  readonly perSource: Readonly<Record<string, number>>;
  readonly timeline: readonly {
    readonly atMs: number;
    readonly event: 'registered' | 'deregistered';
    readonly sourceId: string;
  }[];
  readonly db: string;
}

export interface BurstScenario {
  readonly limitPerSecond: number;
  readonly ingested: number;
  readonly dropped: number;
  readonly alerts: readonly BurstAlert[];
}

export interface BurstReport extends BurstScenario {
  readonly demo: 'burst';
  readonly scenarios: readonly BurstScenario[];
  readonly db: string;
}

export type DemoReport = HealthReport | BackpressureReport | RegistryReport | BurstReport;

/** What a file of demos/ exports. */
export interface DemoModule {
  readonly title: string;
  run(setup: DemoSetup): Promise<DemoReport>;
}

export interface DemoSetup {
  readonly virtual: boolean;
  readonly seed: number;
  readonly db: string;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  tell(atMs: number, mood: Mood, text: string): void;
  watch(look: () => LiveFrame): void;
}

export type Mood = 'plain' | 'good' | 'bad' | 'alert';

export interface LiveFrame {
  readonly elapsedMs: number;
  readonly durationMs: number;
  readonly sources: readonly SourceHealth[];
  readonly queue?: { readonly name: string; readonly records: number; readonly capacityRecords: number };
}
