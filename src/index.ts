/** Headgate: an actor-model ingestion engine for edge gateways. The public library. */

import './node-version.ts';

export { createEngine, type CreateEngineOptions, type Engine } from './engine/engine.ts';
export type { CommandOptions, ConfigNote, DeregisterOptions, EngineReport } from './engine/engine-report.ts';
export type { DeregisterSinkOptions, ReconfigureOptions, StopOptions } from './engine/engine-report.ts';
export type { Reconfiguration } from './engine/reconfiguration.ts';
export type { EngineState, EngineStats, SinkStats, SourceStats } from './engine/engine-stats.ts';
export type { Command } from './engine/commands/parse-command.ts';
export type { SinkBacklog } from './engine/sink-subsystem.ts';
export type { Registration } from './engine/pending-requests.ts';
export { VERSION } from './version.ts';

/** Schemas of a kind of source's own options are written with zod; this is the one the engine uses. */
export { z } from 'zod';
export { defineSource, type SourceKind } from '../actors/sources/define-source.ts';
export { fileSource, type FileSourceOptions } from '../actors/sources/file/file-source.ts';
export { httpSource, type HttpSourceOptions } from '../actors/sources/http/http-source.ts';
export { mqttConnection, type MqttConnection } from '../actors/sources/mqtt/connection.ts';
export type { MqttConnectionInput } from '../actors/protocols/mqtt/options.ts';
export { mqttSource, type MqttEnvelope, type MqttSourceInput } from '../actors/sources/mqtt/mqtt-source.ts';
export {
  pushSource,
  type PushMeta,
  type PushOutcome,
  type PushSource,
  type PushSourceOptions,
} from '../actors/sources/push-source.ts';
export {
  simulatedSource,
  type SimulatedOutcome,
  type SimulatedSourceOptions,
} from '../actors/sources/simulated-source.ts';
export { webSocketSource, type WebSocketSourceOptions } from '../actors/sources/websocket-source.ts';

export { defineSink, type SinkKind } from '../actors/sinks/define-sink.ts';
export { fileSink, type FileSinkOptions } from '../actors/sinks/file/file-sink.ts';
export { functionSink, type FunctionSinkOptions } from '../actors/sinks/function-sink.ts';
export { httpSink, type HttpSinkOptions } from '../actors/sinks/http-sink.ts';
export { jetStreamSink, type JetStreamSinkOptions } from '../actors/sinks/jetstream/jetstream-sink.ts';
export { mqttSink, type MqttSinkOptions } from '../actors/sinks/mqtt/mqtt-sink.ts';

export { boundedQueue, filter, transform, transformAsync } from './pipeline/stages.ts';
export type { Stage } from './pipeline/stage.ts';
export type { StageReport } from './pipeline/stage-chain.ts';
export type { QueueWaits } from './pipeline/bounded-queue.ts';
export type { Consumed, Consumer, ConsumerReport } from './pipeline/consumer.ts';

export { isBurstAlert } from './domain/alert.ts';
export type { Alert, BurstAlert, BurstOverAlert, OperatorAlert } from './domain/alert.ts';
export type { BurstNotification } from '../actors/alerts/alert-dispatcher.ts';
export type { DecodeOption } from './config/source-options.ts';
export type { BackoffPolicy } from './domain/backoff.ts';
export type { Clock } from './domain/clock.ts';
export { ERROR_CODES } from './domain/error-codes.ts';
export { HeadgateError, type ErrorCode, type Remedy } from './domain/errors.ts';
export type { SourceHealth, SourceState } from './domain/health.ts';
export type { Totals } from './domain/tally.ts';
export type { Logger } from './domain/logger.ts';
export { isPoison } from './domain/record.ts';
export type { Batch, FlowItem, IngestRecord, PoisonRecord, RecordMeta } from './domain/record.ts';
export type {
  OutboundRecord,
  DeliveryProgress,
  Rejection,
  SinkHealth,
  SinkIo,
  SinkLink,
  SinkLogic,
  SinkSpec,
  SinkState,
} from './domain/sink.ts';
export type { DecodeFunction, RateLimitOptions, SourceIo, SourceLogic, SourceSpec } from './domain/source.ts';
export { Receipt, type Settlement } from './domain/receipt.ts';
export type { DeadLetter, TimelineRow } from './domain/timeline.ts';

export { backupDatabase, restoreDatabase } from './engine/backup.ts';
export type { BackupReport, RestoreReport } from './engine/backup.ts';
export { openDeadLetters } from './engine/dead-letters.ts';
export type { DeadLetters, DeadLetterPage, LetterSelection, StoredLetter } from './engine/dead-letters.ts';
export { openTimelineReader } from '../storage/reading/open-timeline-reader.ts';
export type { TimelineFilter, TimelineReader } from '../storage/reading/timeline-reader.ts';
export { verifyDatabase, type VerifyOptions } from '../storage/verify/verify-database.ts';
export type { Problem, VerifyProgress, VerifyReport } from '../storage/verify/verify-report.ts';
