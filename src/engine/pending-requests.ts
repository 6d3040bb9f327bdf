/** Requests to the controllers that wait for their answers: a command goes out as a message, the answer
 *  settles a promise. */

import type { BurstDetectorCommand } from '../../machines/burst-detector-machine.ts';
import type { PipelineCommand } from '../../machines/pipeline-machine.ts';
import type { RateLimiterCommand } from '../../machines/rate-limiter-machine.ts';
import type { RegistryCommand } from '../../machines/registry-machine.ts';
import type { SinksCommand } from '../../machines/sinks-machine.ts';
import { HeadgateError, type ErrorCode, type ErrorFacts } from '../domain/errors.ts';

/** Changes what a part of the engine goes by. */
export type ConfigureCommand =
  | Extract<PipelineCommand, { type: 'pipeline.configure' }>
  | RateLimiterCommand
  | BurstDetectorCommand;

export type AnyCommand = RegistryCommand | SinksCommand | ConfigureCommand;

/** Tells what became of a command, and of whom it was about. */
export type Answer = (
  command: AnyCommand,
  refusal: ErrorFacts | null,
  about: { readonly name: string; readonly incarnation: number } | null,
) => void;

export interface Registration {
  readonly id: string;
  readonly incarnation: number;
}

interface Waiting {
  readonly resolve: (registration: Registration) => void;
  readonly reject: (error: HeadgateError) => void;
}

export class PendingRequests {
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  /** Sends the command with a request id; resolves or rejects with its answer. */
  ask(command: AnyCommand, send: (command: AnyCommand) => void): Promise<Registration> {
    return new Promise((resolve, reject) => {
      const requestId = ++this.#count;
      this.#waiting.set(requestId, { resolve, reject });
      send({ ...command, requestId });
    });
  }

  /** Settles the request the command came from, if it came from one. */
  readonly answer: Answer = (command, refusal, about) => {
    const { requestId } = command;
    const waiting = requestId === undefined ? undefined : this.#waiting.get(requestId);
    if (requestId === undefined || waiting === undefined) return;
    this.#waiting.delete(requestId);
    if (refusal !== null) {
      const details = { command: command.type, ...subjectOf(command) };
      waiting.reject(new HeadgateError(refusal.code as ErrorCode, refusal.message, { details }));
    } else waiting.resolve({ id: about?.name ?? '', incarnation: about?.incarnation ?? 0 });
  };

  /** Nobody is left to answer: those who still wait are told so. */
  refuseAll({ code, message }: ErrorFacts): void {
    for (const { reject } of this.#waiting.values()) reject(new HeadgateError(code as ErrorCode, message));
    this.#waiting.clear();
  }
}

/** The source or sink that a command is about: `{ id, tenant }`, as far as it names them. */
function subjectOf(command: AnyCommand): object {
  const { id, tenant } = 'spec' in command ? command.spec : (command as { id?: string; tenant?: string });
  return { ...(id === undefined ? {} : { id }), ...(tenant === undefined ? {} : { tenant }) };
}

export function isConfigureCommand(command: AnyCommand): command is ConfigureCommand {
  return command.type.endsWith('.configure');
}

export function isSinksCommand(command: AnyCommand): command is SinksCommand {
  return command.type.startsWith('sinks.');
}
