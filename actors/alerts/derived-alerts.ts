/** What transitions mean to people: which of them are alerts, and which line the log gets. One table each; no
 *  actor raises or logs its own lifecycle. */

import { isSinkName } from '../../src/domain/address.ts';
import type { AlertSeverity, OperatorAlert } from '../../src/domain/alert.ts';
import type { Logger } from '../../src/domain/logger.ts';
import { shownSpan } from '../../src/domain/time-text.ts';
import type { TimelineRow } from '../../src/domain/timeline.ts';

interface Rule {
  readonly event: string;
  readonly severity: AlertSeverity;
  readonly message: string;
}

const SOURCE_ALERTS: Readonly<Record<string, Rule>> = {
  quarantined: {
    event: 'SOURCE_QUARANTINED',
    severity: 'critical',
    message: 'crashed more often than its restart budget allows; mend it, then resume or deregister it',
  },
  failed: {
    event: 'SOURCE_FAILED',
    severity: 'critical',
    message: 'cannot be run and was not restarted; mend it, then register it again',
  },
  circuitOpen: {
    event: 'SOURCE_CIRCUIT_OPEN',
    severity: 'warning',
    message: 'failed too often in a row; it is tried again after each cool-down until its link holds',
  },
};

const SINK_ALERTS: Readonly<Record<string, Rule>> = {
  quarantined: {
    event: 'SINK_QUARANTINED',
    severity: 'critical',
    message: 'cannot be run just now; what it is to deliver waits in the log; resume or deregister it',
  },
  failed: {
    event: 'SINK_FAILED',
    severity: 'critical',
    message: 'cannot be run; what it is to deliver waits in the log; mend it, then register it again',
  },
  circuitOpen: {
    event: 'SINK_CIRCUIT_OPEN',
    severity: 'warning',
    message: 'failed too often in a row; it is tried again after each cool-down until its link holds',
  },
};

const PART_ALERTS: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  recorder: {
    stalled: {
      event: 'RECORDER_STALLED',
      severity: 'critical',
      message: 'the database cannot be written; sources are held back, writing is tried again by itself',
    },
  },
  pipeline: {
    blocked: {
      event: 'PIPELINE_BLOCKED',
      severity: 'warning',
      message: 'records wait and none moves: a consumer, a stage or the database does not take them',
    },
  },
  engine: {
    failed: {
      event: 'ENGINE_FAILED',
      severity: 'critical',
      message: 'a part failed past mending; the engine has stopped, restart the process',
    },
  },
};

/** Sources that an alert names. */
const SOURCES_NAMED_MAX = 5;

function forgottenAlertOf({ data, atMs }: TimelineRow): OperatorAlert {
  const sources = Array.isArray(data?.['sources']) ? (data['sources'] as readonly string[]) : [];
  const total = Number(data?.['sourcesTotal'] ?? sources.length);
  const named = sources.slice(0, SOURCES_NAMED_MAX).map((source) => `"${source}"`);
  const more = total > named.length ? ` and ${total - named.length} more` : '';
  return {
    event: 'SOURCES_FORGOTTEN',
    severity: 'warning',
    sourceId: total === 1 ? (sources[0] ?? null) : null,
    timestamp: atMs,
    message:
      'gone from the configuration for so long that their cursors are given up: ' +
      `${named.join(', ')}${more}; a source that is put back begins as a new one, and may read ` +
      'what it had read before',
    ...(data === null ? {} : { details: data }),
  };
}

const CONFIG_ALERTS: Readonly<Record<string, Rule>> = {
  'config.sinkRemoved': {
    event: 'SINK_REMOVED',
    severity: 'warning',
    message:
      'is gone from the configuration and has records to deliver; put it back, or name it under removed',
  },
  'config.sinkForgotten': {
    event: 'SINK_FORGOTTEN',
    severity: 'critical',
    message:
      'was gone from the configuration for so long that its cursor is given up with what it had to deliver',
  },
};

/** Versions of the configuration file that do not run. */
const REFUSED_VERSIONS: Readonly<Record<string, string>> = {
  'config.refused': 'is invalid and was refused',
  'config.failed': 'could not be made real',
};

/** The sender of such a version has the answer. */
const ORIGINS_WITH_ANSWER: ReadonlySet<unknown> = new Set(['api', 'mqtt']);

export const CONFIG_REFUSED = 'CONFIG_REFUSED';

const VERSION_RUNS: ReadonlySet<string> = new Set(['config.applied', 'config.unchanged']);

/** Whether a row says that the file is in order: what runs is what it says, or was written to it. A version
 *  that came another way leaves the file as it is. */
function isFileInOrder({ event, data }: TimelineRow): boolean {
  if (!VERSION_RUNS.has(event)) return false;
  return !ORIGINS_WITH_ANSWER.has(data?.['origin']) || data?.['persisted'] === true;
}

function refusedAlertOf({ event, data, atMs }: TimelineRow): OperatorAlert | null {
  const what = REFUSED_VERSIONS[event];
  if (what === undefined || data === null || ORIGINS_WITH_ANSWER.has(data['origin'])) return null;
  const problems = Array.isArray(data['problems']) ? (data['problems'] as readonly Problem[]) : [];
  const [first] = problems;
  const place = first?.path ? `${first.path}: ` : '';
  const line = first?.line ? `line ${first.line}: ` : '';
  const why = first === undefined ? '' : `: ${line}${place}${first.message}`;
  return {
    event: CONFIG_REFUSED,
    severity: 'warning',
    sourceId: null,
    timestamp: atMs,
    message: `the new configuration ${what}${why}; mend it, the version before goes on`,
    details: data,
  };
}

interface Problem {
  readonly line?: number | null;
  readonly path?: string;
  readonly message?: string;
}

/** Of a row about the configuration. */
function configAlertOf(row: TimelineRow): OperatorAlert | null {
  const { event, data, atMs } = row;
  if (event === 'config.sourcesForgotten') return forgottenAlertOf(row);
  const rule = CONFIG_ALERTS[event];
  if (rule === undefined || data === null) return refusedAlertOf(row);
  const message = `sink "${String(data['sink'])}" ${rule.message}`;
  return {
    event: rule.event,
    severity: rule.severity,
    sourceId: null,
    timestamp: atMs,
    message,
    details: data,
  };
}

/** The alert that this row calls for, if it does. */
export function alertOf(row: TimelineRow): OperatorAlert | null {
  if (row.kind === 'config') return configAlertOf(row);
  if (row.kind !== 'transition' || row.toState === null) return null;
  const rule = rulesFor(row)?.[row.toState];
  if (rule === undefined) return null;
  return {
    event: rule.event,
    severity: rule.severity,
    sourceId: row.incarnation !== null && !isSinkName(row.actor) ? row.actor : null,
    timestamp: row.atMs,
    message: `${row.actor} ${rule.message}`,
    ...(row.data === null ? {} : { details: row.data }),
  };
}

/** Events of the alerts that stay open until a later row ends them. */
export const LASTING_ALERTS: readonly string[] = [
  ...[SOURCE_ALERTS, SINK_ALERTS, ...Object.values(PART_ALERTS)].flatMap((rules) =>
    Object.values(rules).map(({ event }) => event),
  ),
  ...['SOURCE_LINK_DOWN', 'SINK_LINK_DOWN', CONFIG_REFUSED],
];

/** Whether the alert of this row stays open until a later row ends it. */
export function isLasting({ kind }: TimelineRow, { event }: OperatorAlert): boolean {
  return kind === 'transition' || event === CONFIG_REFUSED;
}

/** By what rows that speak of the same condition are known: the actor, or that it is the configuration. */
export function topicOf({ kind, actor }: TimelineRow): string {
  return kind === 'config' ? 'the configuration' : actor;
}

/** Whether an alert that a run before left open goes on in an actor that is born in this state: a link that
 *  did not work is tried, or its wait goes on. */
export function goesOn(event: string, { toState }: TimelineRow): boolean {
  return isOfLink(event) || (toState === 'quarantined' && event.endsWith('_QUARANTINED'));
}

/** States in which the condition of an alert goes on, or is being tried. */
const LASTING: ReadonlySet<string> = new Set(['circuitOpen', 'backingOff', 'connecting', 'draining']);

/** States of a link that is open; whether it works is seen after a while. */
const OPEN_LINK: ReadonlySet<string> = new Set(['streaming', 'degraded', 'delivering']);

/** Whether a row ends the open alert `event` of the same actor: `now`, or `later`, when the link has held for
 *  a while; null: it does not. */
export function endOf(event: string, row: TimelineRow): 'now' | 'later' | null {
  const { kind, toState } = row;
  if (event === CONFIG_REFUSED) return isFileInOrder(row) ? 'now' : null;
  // Final states: the next incarnation of the name ends the alert.
  if (event.endsWith('_FAILED')) return kind === 'born' ? 'now' : null;
  if (toState === null || (kind !== 'transition' && kind !== 'ended')) return null;
  if (!isOfLink(event)) return 'now';
  if (OPEN_LINK.has(toState)) return 'later';
  return LASTING.has(toState) ? null : 'now';
}

/** Whether an alert that ends with this state ends because what it was about works again: not where its actor
 *  was stopped, paused or removed meanwhile. */
export function worksAgain(event: string, state: string): boolean {
  return !isOfLink(event) || OPEN_LINK.has(state);
}

/** Whether a row tells of a failure of a link or of its reads. */
export function isTrouble({ kind, event, toState, incarnation }: TimelineRow): boolean {
  if (incarnation === null || kind !== 'transition') return false;
  return toState === 'degraded' || (toState === 'backingOff' && event === 'link.failed');
}

/** Whether a row leads to a state in which the link may come to work, or works. */
export function mayWorkAgain({ kind, toState }: TimelineRow): boolean {
  return kind === 'transition' && toState !== null && (LASTING.has(toState) || OPEN_LINK.has(toState));
}

/** A link that is open, and whose reads do not fail as far as is known. */
export function isOpenLink(state: string): boolean {
  return OPEN_LINK.has(state) && state !== 'degraded';
}

/** Whether an alert is about a link that does not work. One at a time is open for each source and sink. */
export function isOfLink(event: string): boolean {
  return event.endsWith('_CIRCUIT_OPEN') || event.endsWith('_LINK_DOWN');
}

/** The alert about a link that has not worked for a while; `row` tells of its latest failure. */
export function linkDownAlert({ actor, data }: TimelineRow, downMs: number, atMs: number): OperatorAlert {
  const isSink = isSinkName(actor);
  const { message } = (data?.['error'] ?? {}) as { readonly message?: string };
  const reason = message === undefined ? '' : `: ${message}`;
  return {
    event: isSink ? 'SINK_LINK_DOWN' : 'SOURCE_LINK_DOWN',
    severity: 'warning',
    sourceId: isSink ? null : actor,
    timestamp: atMs,
    message: `${actor} has failed for ${shownSpan(downMs)}${reason}; it is tried again until its link holds`,
    details: { ...data, downMs },
  };
}

function rulesFor({ actor, incarnation }: TimelineRow): Readonly<Record<string, Rule>> | undefined {
  if (incarnation === null) return PART_ALERTS[actor];
  return isSinkName(actor) ? SINK_ALERTS : SOURCE_ALERTS;
}

/** Writes the log line of a row. `warn`: odd, nothing lost; `error`: data lost, or act now. */
export function logRow(log: Logger, row: TimelineRow): void {
  const { actor, event, fromState: from, toState: to, seq, data } = row;
  if (row.kind === 'transition') {
    const fields = { actor, from, to, event, seq, ...data };
    if (event === 'link.failed') logFailure(log, fields, row);
    else if (event === 'flow.kept') log.warn(fields, 'the stages could not be exchanged; the old ones go on');
    else if (to === 'degraded' || to === 'circuitOpen' || to === 'blocked')
      log.warn(fields, `${actor} is ${to}`);
    else if (to === 'stalled' || to === 'failed') log.error(fields, `${actor} is ${to}`);
    else log.debug(fields, `${actor}: ${from} → ${to}`);
  } else if (row.kind === 'command' && event.endsWith('.refused')) {
    log.warn({ actor, event, seq, ...data }, 'a command was refused');
  } else if (event === 'commands.refused') {
    log.warn({ actor, seq, ...data }, 'more commands were refused');
  } else if (event === 'storage.cleaned') {
    log.info({ actor, seq, ...data }, 'rows whose time had come were deleted');
  } else if (row.kind === 'registered' || row.kind === 'deregistered') {
    log.info({ actor, seq, ...data }, `${actor} ${row.kind}`);
  } else if (row.kind === 'clock' || row.kind === 'gap' || row.kind === 'storage') {
    log.warn({ actor, event, seq, ...data }, event);
  }
}

/** A crash is the source's own defect and may have cost what it was reading; trouble of the link costs
 *  nothing, unless it is past mending. */
function logFailure(log: Logger, fields: object, row: TimelineRow): void {
  const isCrash = row.data?.['remedy'] === undefined || row.data['remedy'] === 'drop';
  if (isCrash) log.error(fields, `${row.actor} crashed; it is ${row.toState} now`);
  else if (row.toState === 'failed') log.error(fields, `${row.actor} cannot be run; it is failed now`);
  else if (row.fromState === 'connecting') {
    log.warn(fields, `${row.actor} could not connect; it is ${row.toState} now`);
  } else log.warn(fields, `${row.actor} lost its link; it is ${row.toState} now`);
}
