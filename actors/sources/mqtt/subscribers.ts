/** Who takes part in a connection: the sources that may use it and those that are running on it now. Answers
 *  who gets a message of a topic. */

import type { Receipt } from '../../../src/domain/receipt.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import { topicMatcher } from '../../protocols/mqtt/topics.ts';
import type { MqttMessage, MqttSubscription } from '../../protocols/mqtt/transport.ts';

/** Hands one message to a source: at once, and gives whether there is room for more; or piece by piece, where
 *  each piece gives that. `receipt` goes with every record of it. */
export type TakeMessage = (
  io: SourceIo,
  message: MqttMessage,
  receipt: Receipt | undefined,
) => boolean | Iterable<boolean>;

/** A source that may run on a connection. */
export interface Subscriber {
  /** Tenant and id: a source declared again takes the place of the one before. */
  readonly address: string;
  readonly subscriptions: readonly MqttSubscription[];
  readonly take: TakeMessage;
}

/** One run of a member. */
export interface ActiveSubscriber {
  readonly member: Subscriber;
  readonly io: SourceIo;
  /** The source knows that its link stands. */
  isOpen: boolean;
  /** While the source's outlet has no room: resolves when it has. */
  blocked: Promise<void> | null;
}

export interface Route {
  readonly seats: readonly ActiveSubscriber[];
  /** Members whose topic it is, that are not running and are still waited for. */
  readonly missing: readonly AwaitedSubscriber[];
}

export interface AwaitedSubscriber {
  readonly member: Subscriber;
  /** Resolves when the member runs. */
  readonly arrival: Promise<void>;
}

export interface SubscriberTable {
  register(member: Subscriber): void;
  /** The member is gone for good. Returns whether others are left. */
  dismiss(member: Subscriber): boolean;
  /** Filters of all members, running or not. */
  declaredFilters(): ReadonlySet<string>;
  activate(member: Subscriber, io: SourceIo): ActiveSubscriber;
  deactivate(seat: ActiveSubscriber): void;
  /** A member nobody waits for any longer, until it runs again. */
  stopAwaiting(member: Subscriber): void;
  routeOf(topic: string): Route;
  /** Filters of `members` that no running source uses. */
  unused(subscriptions: readonly MqttSubscription[]): string[];
  readonly seats: ReadonlySet<ActiveSubscriber>;
}

/** Routes kept from one message to the next. */
const ROUTES_CACHED_MAX = 1_024;

interface Entry {
  readonly member: Subscriber;
  readonly matches: (topic: string) => boolean;
  awaited: boolean;
  arrival: PromiseWithResolvers<void>;
}

/** `awaitMissing`: whether what comes for a member that is not running is worth waiting for, as in a kept
 *  session. */
export function createSubscriberTable(awaitMissing: boolean): SubscriberTable {
  const entries = new Map<string, Entry>();
  const seats = new Set<ActiveSubscriber>();
  const matchers = new WeakMap<Subscriber, (topic: string) => boolean>();
  const routes = new Map<string, Route>();

  const matcherOf = (member: Subscriber) => {
    const known = matchers.get(member);
    if (known !== undefined) return known;
    const tests = member.subscriptions.map(({ filter }) => topicMatcher(filter));
    const matches = (topic: string) => tests.some((test) => test(topic));
    matchers.set(member, matches);
    return matches;
  };
  const isSeated = (address: string) => [...seats].some((seat) => seat.member.address === address);
  const findRoute = (topic: string): Route => ({
    seats: [...seats].filter((seat) => matcherOf(seat.member)(topic)),
    missing: awaitMissing
      ? [...entries.values()]
          .filter((entry) => entry.awaited && !isSeated(entry.member.address) && entry.matches(topic))
          .map((entry) => ({ member: entry.member, arrival: entry.arrival.promise }))
      : [],
  });

  return {
    seats,
    register(member) {
      const matches = matcherOf(member);
      entries.set(member.address, { member, matches, awaited: true, arrival: Promise.withResolvers() });
      routes.clear();
    },
    dismiss(member) {
      if (entries.get(member.address)?.member === member) entries.delete(member.address);
      routes.clear();
      return entries.size > 0;
    },
    declaredFilters: () =>
      new Set(
        [...entries.values()].flatMap((entry) => entry.member.subscriptions.map(({ filter }) => filter)),
      ),
    activate(member, io) {
      const seat: ActiveSubscriber = { member, io, isOpen: false, blocked: null };
      seats.add(seat);
      const entry = entries.get(member.address);
      if (entry !== undefined) {
        entry.awaited = true;
        entry.arrival.resolve();
        entry.arrival = Promise.withResolvers();
      }
      routes.clear();
      return seat;
    },
    deactivate(seat) {
      seats.delete(seat);
      routes.clear();
    },
    stopAwaiting(member) {
      const entry = entries.get(member.address);
      if (entry !== undefined) entry.awaited = false;
      routes.clear();
    },
    routeOf(topic) {
      const known = routes.get(topic);
      if (known !== undefined) return known;
      if (routes.size >= ROUTES_CACHED_MAX) routes.clear();
      const route = findRoute(topic);
      routes.set(topic, route);
      return route;
    },
    unused(subscriptions) {
      const used = new Set(
        [...seats].flatMap((seat) => seat.member.subscriptions.map(({ filter }) => filter)),
      );
      return subscriptions.map(({ filter }) => filter).filter((filter) => !used.has(filter));
    },
  };
}
