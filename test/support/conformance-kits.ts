/** Kits of the conformance suite whose far ends are in memory: simulated sources, pushed ones, and kinds of a
 *  user's own. */

import { z } from 'zod';
import { defineSource } from '../../actors/sources/define-source.ts';
import { pushSource, type PushSource } from '../../actors/sources/push-source.ts';
import { simulatedSource, type SimulatedSourceOptions } from '../../actors/sources/simulated-source.ts';
import { HeadgateError } from '../../src/domain/errors.ts';
import type { SourceIo } from '../../src/domain/source.ts';
import type {
  ConformanceAbility,
  ConformanceField,
  ConformanceKit,
  ConformanceOverrides,
} from '../../src/testing/conformance-kit.ts';
import { Mailbox } from './conformance-mailbox.ts';

export const declares = (...abilities: ConformanceAbility[]): ReadonlySet<ConformanceAbility> =>
  new Set(abilities);

/** A field over a mailbox; `source` says how it is read. */
export function mailboxField(
  source: (mailbox: Mailbox, overrides: ConformanceOverrides) => ReturnType<ConformanceField['source']>,
): ConformanceField {
  const mailbox = new Mailbox();
  return {
    source: (overrides) => source(mailbox, overrides),
    feed: async (values) => mailbox.put(values),
    cut: async () => mailbox.setUp(false),
    silence: async () => mailbox.setSilent(true),
    async restore() {
      mailbox.setUp(true);
      mailbox.setSilent(false);
    },
    close: async () => {},
  };
}

/** A simulated source that reads on and on, as a sensor does: its reading is a fed value, or none. */
export function simulatedKit(
  name: string,
  pattern: Pick<SimulatedSourceOptions, 'intervalMs' | 'jitterMs' | 'burst'>,
): ConformanceKit {
  return {
    name,
    clock: 'virtual',
    declares: declares('pushback', 'resumes'),
    fedValue: (data) => (data as { value?: number }).value,
    open: async () =>
      mailboxField((mailbox, overrides) =>
        simulatedSource({
          ...{ ...overrides, ...pattern },
          value: () => {
            const value = mailbox.take();
            return value === undefined ? {} : { value };
          },
        }),
      ),
  };
}

export const simulatedStreamKit: ConformanceKit = {
  name: 'a simulated source with a stream of its own',
  clock: 'virtual',
  declares: declares('pushback', 'resumes', 'reconnects'),
  open: async () =>
    mailboxField((mailbox, overrides) =>
      simulatedSource({
        ...overrides,
        async *stream(io) {
          for (;;) {
            const value = await mailbox.next(io.signal);
            if (io.signal.aborted) return;
            yield value;
          }
        },
      }),
    ),
};

export const pushKit: ConformanceKit = {
  name: 'a push source',
  clock: 'virtual',
  declares: declares('pushback', 'decodes', 'decode-function'),
  async open() {
    let current: PushSource | null = null;
    const running = (): PushSource => {
      if (current === null) throw new Error('no source was made yet');
      return current;
    };
    return {
      source(overrides) {
        current = pushSource(overrides);
        return current;
      },
      async feed(values) {
        const source = running();
        // Not awaited: each waits for its commit. One that finds the source stopped is refused.
        for (const value of values) source.pushPayload(String(value)).catch(() => {});
      },
      spoil: async () =>
        void running()
          .pushPayload('{"a":')
          .catch(() => {}),
      close: async () => {},
    };
  },
};

/** A user's own kind, first form: an async generator. */
const tailSource = defineSource({
  type: 'mailbox-tail',
  options: { mailbox: z.instanceof(Mailbox) },
  async *stream(io: SourceIo, { mailbox }) {
    while (!io.signal.aborted) {
      const value = await mailbox.next(io.signal);
      if (value !== undefined) yield value;
    }
  },
});

export const generatorKit: ConformanceKit = {
  name: 'a kind of one’s own that is a generator',
  clock: 'virtual',
  declares: declares('pushback', 'resumes', 'reconnects'),
  open: async () => mailboxField((mailbox, overrides) => tailSource({ ...ownOptions(overrides), mailbox })),
};

/** A user's own kind, second form: a promise, and a link it opens by itself. */
const linkSource = defineSource({
  type: 'mailbox-link',
  connects: true,
  options: { mailbox: z.instanceof(Mailbox) },
  async stream(io: SourceIo, { mailbox }) {
    await io.clock.sleep(2, io.signal);
    if (!mailbox.isUp) throw new HeadgateError('HG_LINK_REFUSED', 'the mailbox is shut');
    while (mailbox.isSilent && !io.signal.aborted) await mailbox.change(io.signal);
    if (io.signal.aborted) return;
    io.opened();
    await io.room();
    while (!io.signal.aborted) {
      const value = await mailbox.next(io.signal);
      if (value !== undefined && !io.emit(value)) await io.room();
    }
  },
});

export const promiseKit: ConformanceKit = {
  name: 'a kind of one’s own that is a promise',
  clock: 'virtual',
  declares: declares('pushback', 'resumes', 'connects', 'reconnects', 'hangs'),
  open: async () => mailboxField((mailbox, overrides) => linkSource({ ...ownOptions(overrides), mailbox })),
};

/** The common options alone: kinds made by defineSource decode nothing. */
export function ownOptions(overrides: ConformanceOverrides): Omit<ConformanceOverrides, 'decode'> {
  const { decode, ...common } = overrides;
  if (decode !== undefined) throw new Error('this kind decodes nothing');
  return common;
}
