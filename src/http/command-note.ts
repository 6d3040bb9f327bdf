/** Who gave a command over the API: a row of the timeline, which the rows of the command name as their cause.
 *  So `explain` leads from what a source did to whoever made it do so. */

import type { Engine } from '../engine/engine.ts';
import type { CommandOptions } from '../engine/engine-report.ts';
import { HeadgateError } from '../domain/errors.ts';
import type { Principal } from './http-deps.ts';

export interface NotedCommand {
  /** As the control topic calls it: `registry.pause`. */
  readonly type: string;
  readonly id: string;
  readonly principal: Principal;
}

/** To be called once a command is known to be well formed, just before it is given. */
export function noteCommand(engine: Engine, { type, id, principal }: NotedCommand): CommandOptions {
  try {
    // Commands about unknown subjects are refused; the engine counts them.
    if (!hasSubject(engine, type, id)) return {};
    const data = { over: 'api', type, id, by: principal.name };
    return { cause: engine.noteConfig({ event: 'config.command', data }) };
  } catch (error) {
    // An engine that does not run keeps no rows; its answer to the command says so.
    if (error instanceof HeadgateError && error.code === 'HG_ENGINE_STATE') return {};
    throw error;
  }
}

/** Whether there is a source or sink that a command is about; true for one that brings it along. */
export function hasSubject(engine: Engine, type: string, id: string): boolean {
  if (type.endsWith('.register')) return true;
  return type.startsWith('sinks.') ? engine.hasSink(id) : engine.hasSource(id);
}
