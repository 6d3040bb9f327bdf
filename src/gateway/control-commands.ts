/** Carries messages of the control topic out: checks who sent them, makes the timeline's row, asks the
 *  engine, and gives the answer. */

import { createAuthenticator, lackOfScope, type Authenticator } from '../http/auth.ts';
import { hasSubject } from '../http/command-note.ts';
import type { StoredToken } from '../http/http-deps.ts';
import type { Clock } from '../domain/clock.ts';
import { formatAddress } from '../domain/address.ts';
import { BoundedRows } from '../domain/bounded-rows.ts';
import { errorFacts, HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { Logger } from '../domain/logger.ts';
import type { MqttMessage } from '../../actors/protocols/mqtt/transport.ts';
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
  /** It came from somebody who has shown no token, and many such came this minute: it gets no answer. */
  readonly isUnanswered: boolean;
}

export interface ControlCommands {
  /** Answers one message. Commands go to the engine in the order of the calls. Never rejects. */
  answer(message: MqttMessage): Promise<Answered>;
  /** Writes down what is only counted so far. */
  close(): void;
}

export function createControlCommands(deps: ControlCommandsDeps): ControlCommands {
  const { tokens, clock, failedLoginsPerMinuteMax } = deps;
  const authenticator = createAuthenticator({
    ...{ tokens, clock, failedLoginsPerMinuteMax },
    opensWithoutTokens: true,
  });
  const desk: Desk = { deps, authenticator, ...boundedNotes(deps) };
  return {
    answer: (message) => answerTo(desk, message),
    close() {
      desk.looks.flush();
      desk.refusals.flush();
      desk.strangers.flush();
    },
  };
}

interface Desk {
  readonly deps: ControlCommandsDeps;
  readonly authenticator: Authenticator;
  /** Commands that only look: each is a row, up to a number a minute. */
  readonly looks: BoundedRows<Facts>;
  readonly refusals: BoundedRows<Facts>;
  /** Counts answers to those who have shown no token. */
  readonly strangers: BoundedRows<null>;
}

type Facts = Readonly<Record<string, unknown>>;

function boundedNotes(deps: ControlCommandsDeps): Pick<Desk, 'looks' | 'refusals' | 'strangers'> {
  const { clock } = deps;
  const perMinuteMax = LIMITS.refusalRowsPerMinuteMax;
  return {
    looks: new BoundedRows({
      ...{ clock, perMinuteMax },
      write: (data) => void note(deps, 'config.command', data),
      writeCount: (count) => void note(deps, 'config.commands', { over: 'mqtt', count }),
    }),
    refusals: new BoundedRows({
      ...{ clock, perMinuteMax },
      write: (data) => void note(deps, 'config.commandRefused', data),
      writeCount: (count) => void note(deps, 'config.commandsRefused', { over: 'mqtt', count }),
    }),
    strangers: new BoundedRows<null>({
      ...{ clock, perMinuteMax: LIMITS.controlStrangerAnswersPerMinuteMax },
      write: () => {},
      writeCount: (count) => {
        const next = 'see who may publish to the topic; the broker can keep others out';
        deps.log.warn({ count, next }, 'messages of the control topic without a valid token got no answer');
      },
    }),
  };
}

async function answerTo(desk: Desk, message: MqttMessage): Promise<Answered> {
  const { deps } = desk;
  let sender = senderOf(null);
  let isStranger = true;
  const topic = message.topic.slice(0, LIMITS.topicRowCharsMax);
  try {
    if (message.payload.length > LIMITS.controlMessageBytesMax) {
      throw invalid(`a message may have ${LIMITS.controlMessageBytesMax} bytes`);
    }
    const parsed = parseControl(message.payload);
    sender = senderOf(parsed);
    // It would be carried out again with every new connection.
    if (message.retain) throw invalid('a retained message is no command; publish it without "retain"');
    const name = requireLogin(desk.authenticator, sender);
    isStranger = false;
    const command = readControl(parsed);
    requireScope(name, command);
    const cause = noteCommand(desk, command, { ...subjectOf(sender), topic, by: name.name });
    const result = await carryOut(deps.gateway, command, cause);
    const answer = { ...correlation(sender), type: sender.type, ok: true, ...result };
    return { sender, answer, isUnanswered: false };
  } catch (error) {
    const { code, message: text } = errorFacts(error, 'HG_HTTP_DEFECT');
    const said = text.slice(0, LIMITS.errorMessageCharsMax);
    desk.refusals.add({ ...subjectOf(sender), topic, code, message: said.slice(0, REFUSAL_CHARS_MAX) });
    const details = error instanceof HeadgateError ? error.details : {};
    const answer = { ...correlation(sender), type: sender.type, ok: false, code, message: said, details };
    return { sender, answer, isUnanswered: isStranger && !desk.strangers.add(null) };
  }
}

/** Characters of the reason that a row about a refused message repeats. */
const REFUSAL_CHARS_MAX = 300;

/** The row that what the command leads to names as its cause. There is none for one that only looks, and for
 *  one about what is not there. */
function noteCommand({ deps, looks }: Desk, command: ControlMessage, data: Facts): number | undefined {
  if (command.type === 'registry.list' || command.type === 'sinks.list') {
    looks.add(data);
    return undefined;
  }
  const { engine } = deps.gateway;
  // An engine that does not run says so in its answer.
  if (engine.state === 'running' && !hasSubject(engine, command.type, command.id)) return undefined;
  return note(deps, 'config.command', data);
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
  event: `config.${string}`,
  data: Facts,
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
