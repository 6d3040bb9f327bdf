import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineSource } from '../../../actors/sources/define-source.ts';
import type { SourceIo } from '../../../src/domain/source.ts';
import type { ConformanceAbility, ConformanceKit } from '../../../src/testing/conformance-kit.ts';
import { sourceConformance } from '../../../src/testing/source-conformance.ts';
import { declares, mailboxField, ownOptions } from '../../support/conformance-kits.ts';
import { Mailbox } from '../../support/conformance-mailbox.ts';

interface Bad {
  readonly title: string;
  readonly stream: (io: SourceIo, mailbox: Mailbox) => Promise<void>;
  readonly connects?: boolean;
  readonly abilities?: readonly ConformanceAbility[];
  /** Beginnings of the titles of the cases that must fail, in order; all others must pass. */
  readonly fails: readonly string[];
}

/** Hands in what comes, as a good source would, but for what `also` does. */
async function pass(
  io: SourceIo,
  mailbox: Mailbox,
  also: (value: unknown) => void = (value) => void io.emit(value),
) {
  while (!io.signal.aborted) {
    await io.room();
    const value = await mailbox.next(io.signal);
    if (value !== undefined) also(value);
  }
}

const never = new AbortController().signal;

/** What a source remembers from one run to the next. */
const memory = new WeakMap<Mailbox, unknown>();

const BAD: readonly Bad[] = [
  {
    title: 'hands in each two records the wrong way round',
    async stream(io, mailbox) {
      let held: unknown;
      await pass(io, mailbox, (value) => {
        if (held === undefined && mailbox.size > 0) {
          held = value;
          return;
        }
        io.emit(value);
        if (held !== undefined) io.emit(held);
        held = undefined;
      });
    },
    fails: [
      'streams what is fed',
      'outlives a dedupKey',
      'counts what its outlet drops by the policy drop-newest',
      'counts what its outlet drops by the policy drop-oldest',
      'goes on in order',
      'hands in nothing while it is paused',
      'gives no record twice',
      'bears being paused',
      'drains when',
      'stops in the midst',
      'can be registered again',
      'can be replaced',
      'closes everything',
    ],
  },
  {
    title: 'does not look at its abort signal',
    stream: (io, mailbox) => pass({ ...io, signal: never }, mailbox),
    fails: [
      'hands in nothing while it is paused',
      'gives no record twice',
      'bears being paused',
      'drains when',
      'stops in the midst',
      'ends promptly',
      'stops while it connects',
      'can be registered again',
      'can be replaced',
      'leaves nothing open after many pauses',
    ],
  },
  {
    title: 'never says that its link stands',
    connects: true,
    stream: pass,
    fails: [
      'streams what is fed',
      'goes from connecting to streaming',
      'has a health',
      'outlives a dedupKey',
      'counts what its outlet drops by the policy drop-newest',
      'counts what its outlet drops by the policy drop-oldest',
      'goes on in order',
      'hands in nothing while it is paused',
      'gives no record twice',
      'bears being paused',
      'drains when',
      'stops in the midst',
      'ends promptly',
      'is stopped at its deadline',
      'can be deregistered at once',
      'can be stopped twice',
      'can be registered again',
      'can be replaced',
      'leaves nothing open after 50',
      'leaves nothing open after many',
      'closes everything',
    ],
  },
  {
    title: 'does not wait for room',
    abilities: ['pushback'],
    async stream(io, mailbox) {
      while (!io.signal.aborted) {
        const value = await mailbox.next(io.signal);
        if (value !== undefined) io.emit(value);
      }
    },
    fails: ['is held back', 'drops nothing'],
  },
  {
    title: 'loses what it holds when it is paused',
    abilities: ['pushback', 'resumes'],
    async stream(io, mailbox) {
      while (!io.signal.aborted) {
        const value = await mailbox.next(io.signal);
        await io.room();
        if (value !== undefined && !io.signal.aborted) io.emit(value);
      }
    },
    fails: ['drops nothing'],
  },
  {
    title: 'hands in its last record again when it is resumed',
    async stream(io, mailbox) {
      if (memory.has(mailbox)) io.emit(memory.get(mailbox));
      await pass(io, mailbox, (value) => {
        memory.set(mailbox, value);
        io.emit(value);
      });
    },
    fails: [
      'hands in nothing while it is paused',
      'gives no record twice',
      'can be registered again',
      'can be replaced',
    ],
  },
  {
    title: 'leaves a timer behind',
    async stream(io, mailbox) {
      io.clock.setTimeout(() => {}, 60_000_000);
      await pass(io, mailbox);
    },
    fails: ['leaves nothing open after 50', 'leaves nothing open after many', 'closes everything'],
  },
  {
    title: 'does not notice that its link is gone',
    abilities: ['reconnects'],
    async stream(io, mailbox) {
      while (!io.signal.aborted) {
        await io.room();
        if (mailbox.isUp && mailbox.size > 0) io.emit(mailbox.take());
        else await mailbox.change(io.signal);
      }
    },
    fails: ['finds its way back', 'stops while its far end is away'],
  },
  {
    title: 'takes a far end that is away for a defect of its own',
    connects: true,
    abilities: ['connects', 'reconnects'],
    async stream(io, mailbox) {
      if (!mailbox.isUp) throw new Error('connect ECONNREFUSED');
      io.opened();
      await pass(io, mailbox);
    },
    fails: ['waits for a far end'],
  },
  {
    title: 'hands in one more record after it was stopped',
    async stream(io, mailbox) {
      await pass(io, mailbox);
      io.emit('goodbye');
    },
    fails: [
      'hands in nothing while it is paused',
      'drains when',
      'stops in the midst',
      'is stopped at its deadline',
      'stops while it connects',
    ],
  },
  {
    title: 'takes the end of its link for the end of its data',
    abilities: ['reconnects'],
    stream: (io, mailbox) => pass(io, mailbox).catch(() => {}),
    fails: ['finds its way back', 'stops while its far end is away'],
  },
];

function kitOf({ title, stream, connects = false, abilities = [] }: Bad): ConformanceKit {
  const source = defineSource({
    type: 'bad',
    connects,
    options: { mailbox: z.instanceof(Mailbox) },
    stream: (io: SourceIo, { mailbox }) => stream(io, mailbox),
  });
  return {
    name: title,
    clock: 'virtual',
    declares: declares(...abilities),
    open: async () => mailboxField((mailbox, overrides) => source({ ...ownOptions(overrides), mailbox })),
  };
}

/** Titles of the cases that the source does not pass. */
async function failing(kit: ConformanceKit): Promise<string[]> {
  const titles: string[] = [];
  for (const { title, run } of sourceConformance(kit)) {
    try {
      await run();
    } catch (error) {
      expect(error).toMatchObject({ name: 'ConformanceFailure', message: expect.stringMatching(/\w+/) });
      titles.push(title);
    }
  }
  return titles;
}

/** The one title that begins so. */
function titleOf(kit: ConformanceKit, beginning: string): string {
  const found = sourceConformance(kit).filter(({ title }) => title.startsWith(beginning));
  expect(found, beginning).toHaveLength(1);
  return found[0]?.title ?? '';
}

describe('the suite', () => {
  test.each(BAD)('finds a source that $title', async (bad) => {
    const kit = kitOf(bad);
    expect(await failing(kit)).toEqual(bad.fails.map((beginning) => titleOf(kit, beginning)));
  });

  test('finds nothing in the same source without a fault', async () => {
    const abilities = ['pushback', 'resumes', 'reconnects'] as const;
    expect(await failing(kitOf({ title: 'is good', abilities, stream: pass, fails: [] }))).toEqual([]);
  });

  test('leaves out what a kit does not declare', () => {
    const titles = (...abilities: ConformanceAbility[]) =>
      sourceConformance(kitOf({ title: '', abilities, stream: pass, fails: [] })).map(({ title }) => title);
    const few = titles();
    const most = titles(
      'pushback',
      'resumes',
      'decodes',
      'decode-function',
      'connects',
      'reconnects',
      'hangs',
    );
    expect(new Set(most).size).toBe(most.length);
    expect(most).toEqual(expect.arrayContaining(few));
    expect(few).not.toContainEqual(expect.stringContaining('payload'));
    expect(few).not.toContainEqual(expect.stringContaining('far end'));
  });

  test('says what it waited for and how the source stood', async () => {
    const [first] = sourceConformance(kitOf({ title: '', connects: true, stream: pass, fails: [] }));
    await expect(first?.run()).rejects.toThrow(
      /^waited 10000 ms until the source is streaming; the source is backingOff, .*HG_SOURCE_CONNECT_TIMEOUT/,
    );
  });
});
