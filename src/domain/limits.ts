/** Every bound in one place, with how they relate. What can grow has its limit here; overflow is a planned
 *  outcome. */

export const LIMITS = {
  /** Sources one shard supervises. XState copies a machine's children at each spawn: small shards keep
   *  spawning linear. */
  shardSourcesMax: 32,
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
  /** Sources up to which the rows of all are kept up to date every second, and not at each sample alone. */
  refreshedSourcesMax: 256,
  /** Sources that lost a record to the shared limit and are to be served before others. */
  rateLimitClaimsMax: 1_024,
  /** A source that loses this part of what it brings within a minute, as dead letters or as drops, is an
   *  alert: at once after this many, else at the end of the minute. */
  lossAlertPercentMin: 10,
  lossAlertRecordsMin: 10,
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
  /** Characters of a record's dedup key, content type and cursor; a record with a longer one is a dead
   *  letter. */
  dedupKeyCharsMax: 4_096,
  contentTypeCharsMax: 4_096,
  cursorCharsMax: 65_536,
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
  /** Records after a sink's cursor whose refusal is not decided yet: while none of so many is taken, the far
   *  end is taken for one that refuses everything. */
  sinkHeldRecordsMax: 2_000,
  /** Deliveries that may be refused in a row before a link is given up; twice as many in each of the next
   *  four rounds, then as many as at first. */
  sinkRefusedCallsMax: 20,
  /** Records that become dead letters in a row although the far end has taken none besides. */
  sinkUnprovenRefusalsMax: 3,
  /** How long a refused record waits for another one that the far end may take, milliseconds. */
  sinkQuietMs: 1_000,
  /** How often the link must break at one record that goes alone before the next ones are tried: where
   *  the far end answers when a link is opened, and where it does not. */
  sinkBreaksGreeted: 3,
  sinkBreaksUngreeted: 5,
  /** How often it must break at the last record of the log, over links that the far end answered. */
  sinkBreaksLast: 5,
  /** Records that are tried past one that breaks the link, likewise in rounds. */
  sinkProbesMax: 8,
  /** Records at which the link broke go alone until so many of them were taken one after the other. */
  sinkSuspectsAlone: 3,
  sinkBatchBytesLimit: 64 * 1024 * 1024,
  /** Sources that connect again in one second after a failure, unless the engine's options say otherwise. */
  reconnectsPerSecondMax: 300,
  /** The longest that a server may have its clients wait (Retry-After), milliseconds. */
  retryAfterMsMax: 60 * 60 * 1_000,
  /** Bytes of one line, message or HTTP answer unless the source says otherwise. */
  payloadBytesMax: 8 * 1024 * 1024,
  /** Bytes and columns of the row that names the columns of a CSV: every record takes them with it. */
  csvHeaderBytesMax: 64 * 1024,
  csvColumnsMax: 4_096,
  /** Spans between jumps of the wall clock that are remembered, for the ages of what came in them. */
  clockErasKept: 64,
  /** Alerts that are not stored yet and are shown then; further ones are stored, and counted as suppressed.
   *  */
  unshownAlertsMax: 20_000,
  /** User callbacks for alerts that may run at once; further ones are counted as suppressed. */
  notificationsInFlightMax: 16,
  /** Notifications per source and minute; further alerts are stored and counted as suppressed. */
  notificationsPerMinuteMax: 60,
  /** Alerts that one run of a source may raise in a minute; further ones are counted in the next. */
  alertsPerMinuteMax: 60,
  /** Alerts about the lives of sources, sinks and parts that are open; beyond it the oldest is forgotten, and
   *  its end is not told. */
  openAlertsMax: 20_000,
  /** How long a source or sink may take to come back after a start until the alerts that it left open are
   *  over. */
  leftAlertsMs: 60_000,
  /** A link that stood so long was sound: failures before it no longer count, milliseconds. */
  stableLinkMs: 10_000,
  /** How long a link may fail before that is an alert, from its first failure; and reads, from when they are
   *  degraded; milliseconds. */
  linkDownAlertMs: 20_000,
  degradedAlertMs: 10_000,
  /** From one line of the log about a defect of users' code to the next about the same. */
  repeatedReportMs: 10_000,
  /** Requests of the control API that are being answered at once; further ones are told to come again. */
  httpRequestsInFlightMax: 256,
  /** Of a body nobody wants: bytes that are read away, and milliseconds until the connection is cut. */
  httpLingerBytesMax: 1024 * 1024,
  httpLingerMsMax: 2_000,
  /** While there is no place for another upload, one that is slower than it may be is cut after so long. */
  httpCrowdedGraceMs: 5_000,
  /** Addresses whose requests, connections and failed logins are counted; the one heard of longest ago gives
   *  way. */
  httpAddressesMax: 10_000,
  /** Rows of one page of the API. */
  httpPageRowsMax: 1_000,
  /** Characters of a payload that a list of dead letters shows; one letter by its number is shown whole. */
  httpLetterCharsMax: 1_000,
  /** Live clients that read what they missed from the log at once; further ones wait their turn. */
  liveCatchUpsMax: 8,
  /** Rows that the live view reads of the log at a time. */
  livePageRows: 200,
  /** How long what is between stages may take to get through before they are exchanged, unless whoever asks
   *  says otherwise, milliseconds. */
  reconfigureDeadlineMs: 5_000,
  /** Characters that a row about the configuration takes. */
  configNoteCharsMax: 1024 * 1024,
  /** Rows about commands that were refused, in a minute, of each way they come; one row counts the rest. */
  refusalRowsPerMinuteMax: 60,
  /** Answers of the control topic to those who have not shown a token, in a minute; the rest gets none. */
  controlStrangerAnswersPerMinuteMax: 60,
  /** Characters of a topic that a row repeats. */
  topicRowCharsMax: 256,
  /** Characters of a text that a program keeps in the engine's database. */
  programStateCharsMax: 4 * 1024 * 1024,
  /** Lines of the log that read the same, in a minute; and how many different ones are told apart. */
  logLinesPerMinuteMax: 60,
  logLinesKnownMax: 10_000,
  /** Kinds of alert that are counted by name; the others are counted together. */
  alertEventsCountedMax: 64,
  /** How long a stop waits for one answer of the storage, and for all that is left to be written,
   *  milliseconds. A disk that hangs then keeps what it has, and what is not stored counts as lost. */
  storageAnswerMsMax: 5_000,
  closingMsMax: 30_000,
  /** A step of the wall clock against the monotonic one that counts as a jump, milliseconds. Both clocks are
   *  slewed alike, so that slewing is none. */
  clockJumpMs: 100,
  /** A start so long after the latest time in the database is a wrong clock rather than an outage: a year. */
  clockAheadMs: 366 * 24 * 60 * 60 * 1_000,
  /** How long the wall clock must have run without a jump before it is believed, milliseconds. An outage that
   *  it tells is believed after a thirtieth of the outage, within these bounds. */
  clockBeliefMsMin: 10 * 60 * 1_000,
  clockBeliefMsMax: 24 * 60 * 60 * 1_000,
  /** Rows about jumps of the clock, in a minute; further jumps are counted in the next row. */
  clockRowsPerMinuteMax: 60,
  /** Causes `explain` follows back. */
  explainDepthMax: 1_000,
  /** Questions that wait for the thread that reads the database. */
  historyQuestionsMax: 64,
  /** Rows of one page of it, unless it is asked for others, and what may be asked for. */
  historyRows: 1_000,
  historyRowsMax: 10_000,
  /** What a query of a user's may give, take and hold. */
  queryRowsMax: 1_000_000,
  queryBytesMax: 64 * 1024 * 1024,
  queryMemoryBytesMax: 512 * 1024 * 1024,
  /** Sources with series of their own among the metrics; the rest is summed up. Likewise sinks, and routes of
   *  the API. */
  metricsSourcesMax: 1_000,
  metricsSinksMax: 200,
  metricsRoutesMax: 200,
  /** Bytes of a configuration. */
  configBytesMax: 1024 * 1024,
  /** Times an alias of a configuration may be written out: a few lines of them could become gigabytes. */
  configAliasesMax: 100,
  /** Characters of a configuration that is read in the turn of the caller; a longer one in a thread. */
  configCharsInTurn: 16 * 1024,
  /** Sources and sinks of a new version that are compared, or made ready, in one turn of the event loop. */
  configEntriesPerTurn: 50,
  /** Commands of a new version that are begun in one turn. */
  configStepsPerTurn: 20,
  /** Problems of one configuration that are told; the number of the others is. */
  configProblemsMax: 100,
  /** Steps in which topics of sinks are compared with those of sources: some seconds. */
  loopCheckStepsMax: 2_000_000,
  /** How long nothing comes to the last line of a rotated file, which has no line end, until it is a record;
   *  and how long the next file waits for one that gets more and more. */
  lineEndMs: 5_000,
  lineEndMsMax: 30_000,
  /** How long a compressed file that ends within its content is quiet until it is damaged, and how long ago
   *  it was written to where it is damaged at once. */
  compressedQuietMs: 10_000,
  compressedOldMs: 60_000,
  /** How long a row waits for the end of its quotes until that is an alert. */
  openQuotesMs: 30_000,
  /** Comparisons of entries of `rotated` with files of other parts. */
  rotatedComparisonsMax: 20_000,
  /** Bytes of a file that a configuration takes a secret or a certificate from. */
  secretBytesMax: 64 * 1024,
  /** Bytes of a file of code that a configuration names. */
  moduleBytesMax: 16 * 1024 * 1024,
  /** Characters and parts of one expression of a configuration. */
  expressionCharsMax: 4_096,
  expressionNodesMax: 1_000,
  expressionDepthMax: 64,
  /** Characters of an expression that an error about it shows. */
  expressionShownCharsMax: 40,
  /** Steps of one evaluation: parts evaluated, elements and pieces of text read. */
  expressionStepsMax: 200_000,
  /** Characters of a pattern of `matches`, and of a text it is held against. */
  patternCharsMax: 500,
  matchedCharsMax: 8_192,
  /** Uploads over HTTP that are read at a time; further ones are refused. One client gets half of them. */
  ingestRequestsMax: 128,
  /** Memory, in bytes, that records of one upload may take from their decoding until they are stored; at that
   *  number its body is not read on. */
  ingestRequestPendingBytesMax: 4 * 1024 * 1024,
  /** Bytes handed in at a time, unless one record is larger. */
  ingestPieceBytesMax: 512 * 1024,
  /** Pushes of one upload, likewise. */
  ingestRequestPushesMax: 8,
  /** Memory of all uploads and WebSockets together, likewise; then further uploads are refused. */
  ingestPendingBytesMax: 64 * 1024 * 1024,
  /** What a compressed body may come to. */
  ingestInflatedBytesMax: 1024 * 1024 * 1024,
  /** How many times what was sent a body may come to, decompressed and decoded, once it comes to more than so
   *  many bytes. */
  ingestInflationMax: 200,
  ingestInflationFreeBytes: 1024 * 1024,
  /** Rejections that an answer tells one by one; the rest is counted. */
  ingestErrorsMax: 100,
  /** Rejected records after which the rest of a body is not looked at: each costs an exception. */
  ingestRejectionsMax: 5_000,
  /** Milliseconds that an upload waits for what it handed in to be stored before it is told to come again. */
  ingestAnswerMsMax: 30_000,
  /** Characters of an Idempotency-Key, and of the name a WebSocket client gives itself. */
  idempotencyKeyCharsMax: 255,
  /** First answers that are kept, their characters together, and for how long. */
  idempotencyAnswersMax: 10_000,
  idempotencyAnswersCharsMax: 16 * 1024 * 1024,
  idempotencyAnswerMsMax: 24 * 60 * 60 * 1_000,
  /** Bytes of a message of an ingest WebSocket. */
  ingestMessageBytesMax: 256 * 1024,
  ingestMessageFragmentsMax: 64,
  /** Messages that one of them may have sent without an answer: its credit. */
  ingestSocketCreditMessages: 64,
  /** Memory of their records that are not stored yet, in bytes; at that number the socket is not read on. */
  ingestSocketPendingBytesMax: 4 * 1024 * 1024,
  /** Bytes of answers that a socket has not taken; at that number it is not read on. */
  ingestSocketUnsentBytesMax: 256 * 1024,
  /** Pings a second of one socket; beyond, it is cut. */
  ingestSocketPingsPerSecondMax: 10,
  /** Messages of the control topic that are under way; at that number nothing more is read. */
  controlPendingMessagesMax: 64,
  controlMessageBytesMax: 256 * 1024,
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
  demand(
    limits.ingestRequestsMax * limits.ingestPieceBytesMax <= limits.ingestPendingBytesMax,
    'every upload may have a piece pending',
  );
  demand(limits.ingestMessageBytesMax <= limits.ingestPendingBytesMax, 'a message fits what may be pending');
  demand(limits.recordBytesMax <= limits.commitBytesMax, 'one record fits a transaction');
  demand(
    limits.deadLetterPayloadCharsMax <= limits.payloadBytesMax,
    'a dead letter is no larger than a payload',
  );
  demand(limits.clockBeliefMsMin <= limits.clockBeliefMsMax, 'a clock can be believed');
  demand(limits.historyRows <= limits.historyRowsMax, 'a page fits what may be asked for');
  demand(limits.queryBytesMax <= limits.queryMemoryBytesMax, 'what a query gives fits what it may hold');
  return problems;
}

const problems = checkLimits();
if (problems.length > 0) throw new Error(`limits.ts contradicts itself: ${problems.join('; ')}`);
