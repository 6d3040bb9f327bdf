/** Every bound in one place, with how they relate. What can grow has its limit here; overflow is a planned
 *  outcome. */

export const LIMITS = {
  /** Sources one bay supervises. XState copies a machine's children at each spawn: small bays keep spawning
   *  linear. */
  baySourcesMax: 32,
  /** Sources that have ended and whose last health is still told. */
  endedSourcesKept: 1_024,
  /** Commands that wait for an engine which has not been started. */
  backlogCommandsMax: 100_000,
  /** Microsteps of one event before a machine is taken to loop. */
  machineIterationsMax: 1_000,
  /** Records an outlet holds unless its source says otherwise. */
  outletCapacityRecords: 1_024,
  outletCapacityRecordsMax: 1_000_000,
  /** Records a source may hand in before it lets the event loop turn: one that never waits cannot starve the
   *  rest. */
  sourceTurnRecordsMax: 16_384,
  /** Records one outlet gives before the merge turns to the next. */
  mergeQuantumRecords: 256,
  /** Records waiting for their commit before the stages are held back. */
  recorderPendingRecordsMax: 8_192,
  /** Records a consumer's queue holds unless it says otherwise. */
  consumerCapacityRecords: 1_024,
  /** Timeline rows kept in memory while the database cannot take them; older ones then give way to a gap row.
   *  */
  journalPendingRowsMax: 200_000,
  /** What one transaction takes of them, and of health samples: a backlog is written in parts, between which
   *  the event loop turns. */
  commitTimelineRowsMax: 4_096,
  /** Characters of dead letters that nobody waits for, kept in memory while the database cannot take them;
   *  older ones then give way. */
  pendingLetterCharsMax: 64 * 1024 * 1024,
  /** Characters of an error message that rows and health keep. */
  errorMessageCharsMax: 1_000,
  /** Bytes of records waiting for their commit before the stages are held back. */
  recorderPendingBytesMax: 64 * 1024 * 1024,
  /** What one transaction takes of records, unless the engine's options say otherwise. */
  commitRowsMax: 4_096,
  commitBytesMax: 4 * 1024 * 1024,
  /** The least time from one transaction with records to the next, unless the options say otherwise. */
  commitAgeMs: 5,
  /** Bytes of one record's data as JSON, unless the engine's options say otherwise; a larger one is a dead
   *  letter. */
  recordBytesMax: 1024 * 1024,
  /** Characters of a payload that a dead letter keeps; a longer one is cut and cannot be retried. */
  deadLetterPayloadCharsMax: 1024 * 1024,
  /** Times a dead letter may fail before it is parked. */
  deadLetterAttemptsMax: 5,
  /** Messages of one MQTT link that were taken and not acknowledged yet; at that number nothing more is
   *  read from it. */
  mqttPendingAcksMax: 16_384,
  /** Bytes of their payloads, likewise. */
  mqttPendingBytesMax: 64 * 1024 * 1024,
  /** Records that one source may have waiting on disk, unless it says otherwise. */
  spillRecordsMax: 10_000_000,
  /** Records of one source on their way to disk. */
  spillPendingRecordsMax: 8_192,
  /** What a sink reads of the log at a time, unless it says otherwise. */
  sinkBatchRowsMax: 500,
  sinkBatchBytesMax: 1024 * 1024,
  /** What it may say. */
  sinkBatchRowsLimit: 100_000,
  sinkBatchBytesLimit: 64 * 1024 * 1024,
  /** Bytes of one line, message or HTTP answer unless the source says otherwise. */
  payloadBytesMax: 8 * 1024 * 1024,
  /** Alerts that are not stored yet and are shown then; further ones are stored, and counted as suppressed.
   *  */
  unshownAlertsMax: 20_000,
  /** User callbacks for alerts that may run at once; further ones are counted as suppressed. */
  notificationsInFlightMax: 16,
  /** Notifications per source and minute; further alerts are stored and counted as suppressed. */
  notificationsPerMinuteMax: 60,
  /** Alerts that one run of a source may raise in a minute; further ones are counted in the next. */
  alertsPerMinuteMax: 60,
  /** How long what is between stages may take to get through before they are exchanged, unless whoever asks
   *  says otherwise, milliseconds. */
  reconfigureDeadlineMs: 5_000,
  /** Characters that a row about the configuration takes. */
  configNoteCharsMax: 1024 * 1024,
  /** Lines of the log that read the same, in a minute; and how many different ones are told apart. */
  logLinesPerMinuteMax: 60,
  logLinesKnownMax: 10_000,
  /** Kinds of alert that are counted by name; the others are counted together. */
  alertEventsCountedMax: 64,
  /** How long a stop waits for one answer of the storage, and for all that is left to be written,
   *  milliseconds. A disk that hangs then keeps what it has, and what is not stored counts as lost. */
  storageAnswerMsMax: 5_000,
  closingMsMax: 30_000,
  /** Causes `explain` follows back. */
  explainDepthMax: 1_000,
} as const;

/** Checks that the limits fit each other; returns the violations. */
export function checkLimits(limits: typeof LIMITS = LIMITS): string[] {
  const problems: string[] = [];
  const demand = (holds: boolean, rule: string) => {
    if (!holds) problems.push(rule);
  };
  demand(limits.outletCapacityRecords <= limits.outletCapacityRecordsMax, 'an outlet fits its own maximum');
  demand(
    limits.mergeQuantumRecords <= limits.recorderPendingRecordsMax,
    'one turn of the merge fits the recorder',
  );
  demand(limits.commitRowsMax <= limits.recorderPendingRecordsMax, 'one transaction fits what may wait');
  demand(limits.commitBytesMax <= limits.recorderPendingBytesMax, 'its bytes do, too');
  demand(limits.commitTimelineRowsMax <= limits.journalPendingRowsMax, 'one transaction of rows does, too');
  demand(
    limits.deadLetterPayloadCharsMax <= limits.pendingLetterCharsMax,
    'one dead letter fits what may wait of them',
  );
  demand(limits.payloadBytesMax <= limits.mqttPendingBytesMax, 'a message fits what may be owed');
  demand(limits.recordBytesMax <= limits.commitBytesMax, 'one record fits a transaction');
  demand(
    limits.deadLetterPayloadCharsMax <= limits.payloadBytesMax,
    'a dead letter is no larger than a payload',
  );
  return problems;
}

const problems = checkLimits();
if (problems.length > 0) throw new Error(`limits.ts contradicts itself: ${problems.join('; ')}`);
