/** Carries messages of the control topic out: checks who sent them, makes the timeline's row, asks the
 *  engine, and gives the answer. */

import { createAuthenticator, lackOfScope, type Authenticator } from '../http/auth.ts';
import type { StoredToken } from '../http/http-deps.ts';
import type { Clock } from '../domain/clock.ts';
import { formatAddress } from '../domain/address.ts';
import { errorFacts, HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';
import type { MqttMessage } from '../../actors/sources/mqtt/transport.ts';
import { parseControl, readControl, scopeFor, senderOf, type ControlMessage } from './control-message.ts';
import type { Sender } from './control-message.ts';
import type { GatewayControl } from './gateway-control.ts';

export interface ControlCommandsDeps {
  readonly gateway: GatewayControl;
  /** Read at every message. Where there are none, whoever may publish to the topic may do everything: the
   *  broker's own access list is the guard then. */
  readonly tokens: () => readonly StoredToken[];
  readonly failedLoginsPerMinuteMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is published in answer, as JSON. */
export interface ControlAnswer {
  readonly type: string;
  readonly ok: boolean;
  readonly [field: string]: unknown;
}

export interface Answered {
  readonly answer: ControlAnswer;
  readonly sender: Sender;
}

export interface ControlCommands {
  /** Answers one message. Commands go to the engine in the order of the calls. Never rejects. */
  answer(message: MqttMessage): Promise<Answered>;
}

export function createControlCommands(deps: ControlCommandsDeps): ControlCommands {
  const { tokens, clock, failedLoginsPerMinuteMax } = deps;
  const authenticator = createAuthenticator({
    ...{ tokens, clock, failedLoginsPerMinuteMax },
    opensWithoutTokens: true,
  });
  return { answer: (message) => answerTo(deps, authenticator, message) };
}

async function answerTo(
  deps: ControlCommandsDeps,
  authenticator: Authenticator,
  message: MqttMessage,
): Promise<Answered> {
  let sender = senderOf(null);
  try {
    if (message.payload.length > LIMITS.controlMessageBytesMax) {
      throw invalid(`a message may have ${LIMITS.controlMessageBytesMax} bytes`);
    }
    const parsed = parseControl(message.payload);
    sender = senderOf(parsed);
    // It would be carried out again with every new connection.
    if (message.retain) throw invalid('a retained message is no command; publish it without "retain"');
    const name = requireLogin(authenticator, sender);
    const command = readControl(parsed);
    requireScope(name, command);
    const cause = note(deps, 'config.command', { ...subjectOf(sender), topic: message.topic, by: name.name });
    const result = await carryOut(deps.gateway, command, cause);
    return { sender, answer: { ...correlation(sender), type: sender.type, ok: true, ...result } };
  } catch (error) {
    const { code, message: text } = errorFacts(error, 'HG_HTTP_DEFECT');
    const said = text.slice(0, LIMITS.errorMessageCharsMax);
    note(deps, 'config.commandRefused', { ...subjectOf(sender), topic: message.topic, code, message: said });
    const details = error instanceof HeadgateError ? error.details : {};
    const answer = { ...correlation(sender), type: sender.type, ok: false, code, message: said, details };
    return { sender, answer };
  }
}

type LoggedIn = NonNullable<ReturnType<Authenticator['authenticate']>['principal']>;

function requireLogin(authenticator: Authenticator, { token }: Sender): LoggedIn {
  const authorization = token === undefined ? undefined : `Bearer ${token}`;
  const { principal, problem } = authenticator.authenticate(authorization, undefined);
  if (principal !== undefined) return principal;
  const { code, detail } = problem.body;
  const advice = token === undefined ? 'the message needs a token, in its field "token"' : detail;
  throw new HeadgateError(code, advice);
}

function requireScope(principal: LoggedIn, command: ControlMessage): void {
  const lacking = lackOfScope(principal, scopeFor(command));
  if (lacking !== null) throw new HeadgateError('HG_HTTP_FORBIDDEN', lacking.body.detail);
}

function carryOut(
  gateway: GatewayControl,
  command: ControlMessage,
  cause: number | undefined,
): Promise<object> | object {
  const by = cause === undefined ? {} : { cause };
  const { engine } = gateway;
  switch (command.type) {
    case 'registry.list':
      return { sources: engine.health().map((one) => ({ id: formatAddress(one), ...stateOf(one) })) };
    case 'registry.register':
      return engine.register(gateway.sourceSpec(command.id, command.entry), by);
    case 'registry.update':
      return engine.update(gateway.sourceSpec(command.id, command.entry), by);
    case 'registry.deregister':
      return engine.deregister(command.id, { ...endOf(command), ...by });
    case 'registry.pause':
      return engine.pause(command.id, by);
    case 'registry.resume':
      return engine.resume(command.id, by);
    case 'sinks.list':
      return { sinks: engine.sinks().map((one) => ({ id: sinkAddress(one), ...stateOf(one) })) };
    case 'sinks.register':
      return engine.registerSink(gateway.sinkSpec(command.id, command.entry), by);
    case 'sinks.update':
      return engine.updateSink(gateway.sinkSpec(command.id, command.entry), by);
    case 'sinks.deregister':
      return engine.deregisterSink(command.id, { ...endOf(command), ...by });
    case 'sinks.pause':
      return engine.pauseSink(command.id, by);
    case 'sinks.resume':
      return engine.resumeSink(command.id, by);
  }
}

function stateOf({ type, state }: { readonly type: string; readonly state: string }): object {
  return { type, state };
}

function sinkAddress({ tenant, sinkId }: { readonly tenant: string; readonly sinkId: string }): string {
  return formatAddress({ tenant, sourceId: sinkId });
}

function endOf(command: {
  readonly mode?: 'drain' | 'now' | undefined;
  readonly deadlineMs?: number | undefined;
}) {
  return {
    ...(command.mode === undefined ? {} : { mode: command.mode }),
    ...(command.deadlineMs === undefined ? {} : { deadlineMs: command.deadlineMs }),
  };
}

function subjectOf({ type, id }: Sender): Readonly<Record<string, unknown>> {
  return id === undefined ? { type } : { type, id };
}

function correlation({ correlationId }: Sender): object {
  return correlationId === undefined ? {} : { correlationId };
}

/** An engine that does not run keeps no rows; its answer to the command says so. */
function note(
  { gateway, log }: ControlCommandsDeps,
  event: 'config.command' | 'config.commandRefused',
  data: Readonly<Record<string, unknown>>,
): number | undefined {
  try {
    return gateway.engine.noteConfig({ event, data });
  } catch (error) {
    log.warn(
      { event, ...data, error: errorFacts(error).message },
      'a message of the control topic has no row',
    );
    return undefined;
  }
}

function invalid(message: string): HeadgateError {
  return new HeadgateError('HG_OPTION_INVALID', message);
}
