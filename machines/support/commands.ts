/** The commands of all machines: messages that ask for something, where facts report something. The timeline
 *  keeps a row for each, also where it changes nothing, so that what it leads to has a cause. */

import type { BurstDetectorCommand } from '../burst-detector-machine.ts';
import type { EngineCommand } from '../engine-machine.ts';
import type { PipelineCommand } from '../pipeline-machine.ts';
import type { RateLimiterCommand } from '../rate-limiter-machine.ts';
import type { RegistryCommand } from '../registry-machine.ts';
import type { SinkCommand } from '../sink-machine.ts';
import type { SinksCommand } from '../sinks-machine.ts';
import type { SourceCommand } from '../source-machine.ts';

type CommandType = (
  | BurstDetectorCommand
  | EngineCommand
  | PipelineCommand
  | RateLimiterCommand
  | RegistryCommand
  | SinkCommand
  | SinksCommand
  | SourceCommand
)['type'];

/** Every command but those that only ask. */
const RECORDED: Record<Exclude<CommandType, 'registry.list' | 'sinks.list'>, true> = {
  'burstDetector.configure': true,
  'engine.start': true,
  'engine.stop': true,
  'pipeline.configure': true,
  'pipeline.drain': true,
  'rateLimiter.configure': true,
  'registry.register': true,
  'registry.update': true,
  'registry.deregister': true,
  'registry.pause': true,
  'registry.resume': true,
  'registry.close': true,
  'sinks.register': true,
  'sinks.update': true,
  'sinks.deregister': true,
  'sinks.pause': true,
  'sinks.resume': true,
  'sinks.close': true,
  'sink.pause': true,
  'sink.resume': true,
  'sink.drain': true,
  'sink.stop': true,
  'source.pause': true,
  'source.resume': true,
  'source.drain': true,
  'source.stop': true,
};

export function isRecordedCommand(type: string): boolean {
  return Object.hasOwn(RECORDED, type);
}
