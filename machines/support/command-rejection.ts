/** How a controller refuses a command: with a row of the timeline and an answer to whoever asked. */

import type { ErrorFacts } from '../../src/domain/errors.ts';

/** What every command from outside may carry: `requestId` names who waits for the answer; `cause` is the
 *  `seq` of the row that led to it; `problem` is why the command cannot be understood. */
export interface Request {
  readonly requestId?: number;
  readonly cause?: number;
  readonly problem?: ErrorFacts;
}

/** A row that is no transition. */
export interface RegistryEntry {
  readonly kind: 'registered' | 'deregistered' | 'command' | 'alert';
  /** The actor concerned; null: the controller itself. */
  readonly actorId: string | null;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

type Command = Request & {
  readonly type: string;
  readonly spec?: { readonly id: string };
  readonly id?: string;
};

interface CommandReplies<Told extends Command> {
  answer(command: Told, outcome: ErrorFacts | null): void;
  /** Writes a row; `event` is what led to it. */
  note(event: object, note: RegistryEntry): void;
}

export const CLOSING: ErrorFacts = {
  code: 'HG_ENGINE_STATE',
  message: 'the engine is stopping and takes no more commands',
};

export function refuse<Told extends Command>(
  dispatcher: CommandReplies<Told>,
  command: Told,
  error: ErrorFacts,
): void {
  const id = command.spec?.id ?? command.id;
  const data = { ...(id === undefined ? {} : { id }), ...error };
  dispatcher.note(command, { kind: 'command', actorId: null, event: `${command.type}.refused`, data });
  dispatcher.answer(command, error);
}
