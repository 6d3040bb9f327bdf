/** What an engine is told about its sources and sinks: commands to the controllers, as calls that resolve
 *  with their answers. */

import type { CommandOptions, DeregisterOptions, DeregisterSinkOptions } from './engine-report.ts';
import type { SinkSpec } from '../domain/sink.ts';
import type { SourceSpec } from '../domain/source.ts';
import type { Registration } from './pending-requests.ts';
import type { Command } from './commands/parse-command.ts';

export abstract class EngineCommands {
  /** Sends a command; resolves or rejects with its answer. */
  protected abstract request(command: Command): Promise<Registration>;

  /** Registers a source. Resolves when it is accepted; before `start()`, once that has been called.
   *  @throws HeadgateError HG_SOURCE_DUPLICATE, HG_SOURCE_NO_STREAM, HG_OPTION_INVALID, HG_ENGINE_STATE */
  async register(spec: SourceSpec, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'registry.register', spec });
  }

  /** Replaces a source by one with other options, after it has drained. Resolves when the old one has ended.
   *  */
  async update(spec: SourceSpec, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'registry.update', spec });
  }

  /** Takes a source out. Resolves when it has ended.
   *  @throws HeadgateError HG_SOURCE_UNKNOWN */
  async deregister(id: string, options: DeregisterOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'registry.deregister', id });
  }

  async pause(id: string, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'registry.pause', id });
  }

  /** Lets a paused or quarantined source go on. */
  async resume(id: string, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'registry.resume', id });
  }

  /** Registers a sink: it delivers what the log holds after its cursor, and what comes. Resolves when it is
   *  accepted; before `start()`, once that has been called.
   *  @throws HeadgateError HG_SINK_DUPLICATE, HG_OPTION_INVALID, HG_ENGINE_STATE */
  async registerSink(spec: SinkSpec, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'sinks.register', spec });
  }

  /** Replaces a sink by one with other options, which goes on where the old one was. Resolves when the old
   *  one has ended, after the delivery under way. */
  async updateSink(spec: SinkSpec, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'sinks.update', spec });
  }

  /** Takes a sink out, and its cursor unless that is to be kept; with `drain` (the default) after it has
   *  delivered what is stored. Resolves when it has ended.
   *  @throws HeadgateError HG_SINK_UNKNOWN */
  async deregisterSink(id: string, options: DeregisterSinkOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'sinks.deregister', id });
  }

  async pauseSink(id: string, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'sinks.pause', id });
  }

  /** Lets a paused or quarantined sink go on; one whose circuit is open tries at once. */
  async resumeSink(id: string, options: CommandOptions = {}): Promise<Registration> {
    return this.request({ ...options, type: 'sinks.resume', id });
  }
}
