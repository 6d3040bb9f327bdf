/** State that the program around an engine keeps in its database, and questions about sinks that are not
 *  registered. */

import { formatAddress, parseAddress } from '../domain/address.ts';
import { HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { EngineCommands } from './engine-commands.ts';
import type { EngineRun } from './engine-run.ts';
import type { SinkBacklog } from './sink-subsystem.ts';

export abstract class EngineNotes extends EngineCommands {
  /** The run. @throws HeadgateError HG_ENGINE_STATE while the engine does not run */
  protected abstract atWork(): EngineRun;

  /** The text that `saveState` kept under this key in the engine's database; null where there is none, and
   *  where nothing is stored.
   *  @throws HeadgateError HG_ENGINE_STATE while the engine does not run; HG_STORAGE_ codes */
  async loadState(key: string): Promise<string | null> {
    return (await this.atWork().store?.readState(key)) ?? null;
  }

  /** Keeps a text of the embedding program's in the engine's database, flushed when it resolves. It is kept
   *  over restarts and in backups. Nothing happens where nothing is stored.
   *  @throws HeadgateError HG_ENGINE_STATE while the engine does not run; HG_OPTION_INVALID for a text of
   *  more than 4 Mi characters; HG_STORAGE_ codes */
  async saveState(key: string, value: string): Promise<void> {
    const { programStateCharsMax: max } = LIMITS;
    if (value.length > max) {
      const message = `saveState: "value" has ${value.length} characters; ${max} are allowed`;
      throw new HeadgateError('HG_OPTION_INVALID', message, { details: { field: 'value' } });
    }
    await this.atWork().store?.writeState(key, value);
  }

  /** Whether a source of this id is registered and has not ended. */
  hasSource(id: string): boolean {
    return this.atWork().directory.find(formatAddress(parseAddress(String(id)))) !== undefined;
  }

  /** Whether a sink of this id is registered and has not ended, or has left a cursor behind. */
  hasSink(id: string): boolean {
    return this.atWork().sinks.directory.cursorOf(formatAddress(parseAddress(String(id)))) !== null;
  }

  /** Whether a sink of this id is registered and has not ended. */
  isSinkRegistered(id: string): boolean {
    return this.atWork().sinks.directory.has(formatAddress(parseAddress(String(id))));
  }

  /** Whether a place is kept at which a source of this id would go on: its cursor. */
  hasSourceCursor(id: string): boolean {
    return this.atWork().hasPlace(formatAddress(parseAddress(String(id))));
  }

  /** Deletes the cursors that sources have left, and what is kept of their waits: one of such an id that is
   *  registered later begins as a new one. Resolves when that is stored, in one transaction.
   *  @throws HeadgateError HG_ENGINE_STATE while the engine does not run, and where one of them is
   *  registered */
  async forgetSources(ids: readonly string[]): Promise<void> {
    return this.atWork().forgetSources(ids.map((id) => formatAddress(parseAddress(String(id)))));
  }

  /** What a sink has not delivered, also one that is not registered and whose cursor was kept; null where
   *  there is no cursor of this id.
   *  @throws HeadgateError HG_ENGINE_STATE while the engine does not run; HG_STORAGE_ codes */
  async undelivered(id: string): Promise<SinkBacklog | null> {
    return this.atWork().sinks.undelivered(formatAddress(parseAddress(String(id))));
  }
}
