/** The control topic: the registry's messages over MQTT, each answered on a reply topic.
 *
 *  It has links of its own, beside those of the sources: one that listens and one that answers. When either
 *  is lost both are opened anew after a wait, for as long as it takes. The session is a clean one: what is
 *  published while the gateway is away is not carried out later, and a sender without an answer asks again.
 *  A message is acknowledged (QoS 1) when its answer is on its way. While as many are under way as may be,
 *  the link is not read. */

import { resolveOptions } from '../config/resolve-options.ts';
import { backoffMs, DEFAULT_BACKOFF } from '../domain/backoff.ts';
import { errorFacts, HeadgateError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { openPublisher, type MqttPublisher } from '../../actors/sinks/mqtt/publisher.ts';
import { mqttJsTransport } from '../../actors/sources/mqtt/mqtt-js-transport.ts';
import {
  connectionSchema,
  resolveConnection,
  type MqttConnectionInput,
} from '../../actors/protocols/mqtt/options.ts';
import type { ResolvedConnection } from '../../actors/protocols/mqtt/options.ts';
import { filterProblem, topicMatcher, topicProblem } from '../../actors/protocols/mqtt/topics.ts';
import type { MqttLink, MqttMessage } from '../../actors/protocols/mqtt/transport.ts';
import { connectTimedOut, shownUrl } from '../../actors/protocols/mqtt/errors.ts';
import { brokerProgress } from '../../actors/protocols/mqtt/open-socket.ts';
import { createControlCommands, type Answered, type ControlCommandsDeps } from './control-commands.ts';

/** The section `control.mqtt` of the configuration, resolved. */
export interface ControlTopicOptions extends Pick<
  MqttConnectionInput,
  'url' | 'protocolVersion' | 'clientId' | 'username' | 'password' | 'tls' | 'keepaliveSeconds'
> {
  /** Where commands are listened for; may have wildcards. */
  readonly topic: string;
  /** Where answers go that name no topic of their own. */
  readonly replyTopic: string;
  /** Of the subscription and of the answers. */
  readonly qos: 0 | 1;
  /** Checked where the configuration is read. */
  readonly allowOpen?: boolean;
  readonly allowPlaintext?: boolean;
}

export type ControlTopicDeps = ControlCommandsDeps;

export interface ControlTopic {
  /** `connected` once commands are listened for. */
  readonly state: 'connecting' | 'connected' | 'backingOff' | 'stopped';
  /** Why the last link was lost, or never came to be. */
  readonly lastError: { readonly code: string; readonly message: string } | null;
  /** Messages carried out, and refused, since the start. */
  readonly counts: { readonly answered: number; readonly refused: number };
  /** Begins to connect; does not wait for it. */
  start(): void;
  /** Takes nothing more, lets what is under way be answered, as far as it is soon. */
  stop(): Promise<void>;
}

/** @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID */
export function createControlTopic(options: ControlTopicOptions, deps: ControlTopicDeps): ControlTopic {
  const { topic, replyTopic, qos, allowOpen: _, allowPlaintext: __, ...link } = options;
  const fields = resolveOptions(connectionSchema, definedOnly(link), 'control.mqtt');
  requireTopic('topic', filterProblem(topic));
  requireTopic('replyTopic', replyProblem(replyTopic, topicMatcher(topic)));
  return new Topic({ topic, replyTopic, qos, connection: resolveConnection(fields) }, deps);
}

interface Resolved {
  readonly topic: string;
  readonly replyTopic: string;
  readonly qos: 0 | 1;
  readonly connection: ResolvedConnection;
}

/** No chance is needed: one gateway has one of these. */
const BACKOFF = { ...DEFAULT_BACKOFF, jitter: 'none' } as const;
/** How long a stop waits for answers under way. */
const ANSWERS_MS_MAX = 2_000;

class Topic implements ControlTopic {
  readonly #options: Resolved;
  readonly #deps: ControlTopicDeps;
  readonly #commands;
  readonly #isCommand: (topic: string) => boolean;
  readonly #abort = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  #running: Promise<void> | null = null;
  /** Names the step that the opening of the publisher waits for. */
  #describeOpening: () => string = () => 'no open link';
  state: ControlTopic['state'] = 'connecting';
  lastError: ControlTopic['lastError'] = null;
  counts = { answered: 0, refused: 0 };

  constructor(options: Resolved, deps: ControlTopicDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#commands = createControlCommands(deps);
    this.#isCommand = topicMatcher(options.topic);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#commands.close();
    this.state = 'stopped';
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#abort;
    const url = shownUrl(this.#options.connection.url);
    for (let failures = 0; !signal.aborted;) {
      this.state = 'connecting';
      try {
        await this.#listen(() => {
          failures = 0;
          this.state = 'connected';
          this.lastError = null;
          log.info({ url, topic: this.#options.topic }, 'the control topic is listened to');
        });
      } catch (error) {
        const facts = errorFacts(error, 'HG_LINK_LOST');
        // Told once: a broker that is away for a night must not fill the log.
        const level = facts.code === this.lastError?.code ? 'debug' : 'warn';
        this.lastError = facts;
        const waitMs = backoffMs(BACKOFF, ++failures, 0);
        this.state = 'backingOff';
        const next = 'commands over MQTT are not heard until the broker is back; look at control.mqtt';
        log[level]({ url, ...facts, waitMs, next }, 'the control topic is not connected');
        await clock.sleep(waitMs, signal);
      }
    }
  }

  /** One life of both links. Resolves at the stop. @throws HeadgateError when a link is lost. */
  async #listen(connected: () => void): Promise<void> {
    const { connection, topic, qos } = this.#options;
    const { clock } = this.#deps;
    const { signal } = this.#abort;
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => {});
    const stopped = Promise.withResolvers<null>();
    const stop = () => stopped.resolve(null);
    signal.addEventListener('abort', stop, { once: true });
    const { url, connectTimeoutMs } = connection;
    const progress = brokerProgress(url, ['CONNACK', 'SUBACK']);
    const timer = clock.setTimeout(() => {
      // The publisher opens first, to the same broker.
      const describe = publisher === null ? this.#describeOpening : progress.describe;
      lost.reject(connectTimedOut(url, connectTimeoutMs, describe()));
    }, connectTimeoutMs);
    const ending = new AbortController();
    let publisher: MqttPublisher | null = null;
    let link: MqttLink | null = null;
    const inTime = <Result>(work: Promise<Result>) => Promise.race([work, lost.promise, stopped.promise]);
    try {
      const opening = this.#openPublisher(ending.signal, (error) => lost.reject(error));
      // Nobody waits for one that fails after the stop.
      opening.catch(() => {});
      publisher = await inTime(opening);
      if (publisher === null) return;
      const answering = publisher;
      const opened = Promise.withResolvers<void>();
      link = mqttJsTransport(
        { ...connection, progress, session: { takenIds: new Set() } },
        {
          opened() {
            progress.advance();
            opened.resolve();
          },
          message: (message, packetId) => {
            this.#take(message, answering, () => {
              if (packetId !== 0) link?.acknowledge([{ packetId, qos: 1 }]);
              link?.resume();
            });
            return this.#underWay.size < LIMITS.controlPendingMessagesMax;
          },
          closed: (error) => lost.reject(error),
        },
        clock,
      );
      if ((await inTime(opened.promise)) === null) return;
      if ((await inTime(link.subscribe([{ filter: topic, qos }]))) === null) return;
      clock.clearTimeout(timer);
      connected();
      await inTime(new Promise<never>(() => {}));
      await this.#settle();
    } finally {
      clock.clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      await link?.close();
      await publisher?.close();
      ending.abort();
    }
  }

  /** The name of a client is one connection's: the second has its own. */
  #openPublisher(signal: AbortSignal, failed: (error: Error) => void): Promise<MqttPublisher> {
    const { connection } = this.#options;
    const { clock, log } = this.#deps;
    const clientId = connection.clientId === '' ? '' : `${connection.clientId}-reply`;
    // The engine's end of a sink, as far as a publisher needs it.
    const alert = (event: string, message: string) => log.warn({ event }, message);
    const io = { sinkId: 'control', tenant: 'default', signal, clock, log, alert };
    return openPublisher(
      {
        ...io,
        failed: (error) => failed(error instanceof Error ? error : new Error(String(error))),
        awaits: (describe) => {
          this.#describeOpening = describe;
        },
      },
      { ...connection, clientId },
    );
  }

  #take(message: MqttMessage, publisher: MqttPublisher, done: () => void): void {
    if (this.#abort.signal.aborted) return;
    if (message.rejection !== undefined) {
      this.counts.refused++;
      const { code, message: problem } = message.rejection;
      this.#deps.log.warn({ code, error: problem }, 'a message of the control topic is left out');
      queueMicrotask(done);
      return;
    }
    const work = this.#answer(message, publisher).finally(() => {
      this.#underWay.delete(work);
      done();
    });
    this.#underWay.add(work);
  }

  /** Never rejects. */
  async #answer(message: MqttMessage, publisher: MqttPublisher): Promise<void> {
    const { log } = this.#deps;
    // Its bytes are a view of what was read, which holds more.
    const kept = { ...message, payload: message.payload.slice() };
    const answered = await this.#commands.answer(kept);
    if (answered.answer.ok) this.counts.answered++;
    else this.counts.refused++;
    if (answered.isUnanswered) return;
    try {
      await publisher.publish(this.#publicationOf(kept, answered));
    } catch (error) {
      log.warn({ ...errorFacts(error, 'HG_LINK_LOST') }, 'an answer of the control topic did not go out');
    }
  }

  #publicationOf({ properties = {} }: MqttMessage, { answer, sender }: Answered) {
    const { replyTopic, qos, connection } = this.#options;
    const wanted = properties.responseTopic ?? sender.replyTo ?? replyTopic;
    // An answer on a topic of commands would be taken for one, and be answered.
    const topic = replyProblem(wanted, this.#isCommand) === null ? wanted : replyTopic;
    const { correlationData } = properties;
    return {
      topic,
      payload: JSON.stringify(answer),
      options: {
        qos,
        retain: false,
        ...(connection.protocolVersion === 5
          ? {
              properties: {
                contentType: 'application/json',
                ...(correlationData === undefined
                  ? {}
                  : { correlationData: Buffer.from(correlationData, 'base64') }),
              },
            }
          : {}),
      },
    };
  }

  async #settle(): Promise<void> {
    const over = new AbortController();
    const late = this.#deps.clock.sleep(ANSWERS_MS_MAX, over.signal);
    await Promise.race([Promise.all(this.#underWay), late]);
    over.abort();
  }
}

/** Why no answer can go to this topic, or null. */
function replyProblem(topic: string, isCommand: (topic: string) => boolean): string | null {
  if (topic.startsWith('$')) return 'topics with "$" belong to the broker';
  return topicProblem(topic) ?? (isCommand(topic) ? 'is a topic of commands' : null);
}

function requireTopic(field: string, problem: string | null): void {
  if (problem === null) return;
  throw new HeadgateError('HG_OPTION_INVALID', `control.mqtt: option "${field}": ${problem}`, {
    details: { subject: 'control.mqtt', field },
  });
}

function definedOnly(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
