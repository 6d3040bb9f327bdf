/** Alerts: what an operator should know. Every alert has its row in the timeline before anybody is told. */

export type AlertSeverity = 'info' | 'warning' | 'critical';

/** Arrivals above the threshold within the window. */
export interface BurstAlert {
  readonly event: 'BURST';
  readonly severity: AlertSeverity;
  readonly sourceId: string;
  /** Records in the window, the one that raised the alert included. */
  readonly windowRecords: number;
  /** Newest minus oldest record in the window, milliseconds. */
  readonly windowDurationMs: number;
  /** Records per second over `windowDurationMs`; null where that is not finite. */
  readonly rate: number | null;
  /** Epoch milliseconds of the record that raised the alert. */
  readonly timestamp: number;
  /** Epoch milliseconds of the oldest and the newest record in the window. */
  readonly start: number;
  readonly end: number;
  /** True where the burst had been reported before and goes on. */
  readonly again: boolean;
}

/** The end of a burst. */
export interface BurstOverAlert {
  readonly event: 'BURST_OVER';
  readonly severity: AlertSeverity;
  readonly sourceId: string;
  readonly timestamp: number;
  readonly start: number;
  readonly end: number;
  readonly durationMs: number;
  /** Most records the window held. */
  readonly peakRecords: number;
}

/** A lifecycle edge an operator must hear of: a quarantined or failed source, a stalled recorder, a damaged
 *  file. */
export interface OperatorAlert {
  readonly event: string;
  readonly severity: AlertSeverity;
  readonly sourceId: string | null;
  readonly timestamp: number;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Alert = BurstAlert | BurstOverAlert | OperatorAlert;

export function isBurstAlert(alert: Alert): alert is BurstAlert {
  // A source may give an alert of its own the same name.
  return alert.event === 'BURST' && 'windowRecords' in alert;
}
