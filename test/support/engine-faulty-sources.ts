/** Sources with a fault each, for tests that look at what becomes of their neighbours. */

import { defineSource, type SourceSpec } from '../../src/index.ts';

/** The common options a fault may be given. */
type Options = Omit<Parameters<typeof throwsAtOnce>[0], 'id'>;

/** What any thrown value can be: most of them are no errors. */
export const ODD_THROWS: readonly unknown[] = [
  undefined,
  null,
  'a text',
  42,
  Object.create(null),
  {
    toString() {
      throw new Error('this cannot even be printed');
    },
  },
];

const throwsAtOnce = defineSource({
  type: 'faulty',
  stream: () => {
    throw new Error('stream() threw');
  },
});

const returnsNothing = defineSource({ type: 'faulty', stream: () => undefined as never });

const rejects = defineSource({
  type: 'faulty',
  stream: () => Promise.reject(new Error('stream() rejected')),
});

const throwsWhileConnecting = defineSource({
  type: 'faulty',
  connects: true,
  async stream(io) {
    await io.clock.sleep(5, io.signal);
    throw new Error('no handshake');
  },
});

const neverOpens = defineSource({
  type: 'faulty',
  connects: true,
  stream: (io) => new Promise((resolve) => io.signal.addEventListener('abort', () => resolve())),
});

const throwsWhileStreaming = defineSource({
  type: 'faulty',
  async *stream(io) {
    for (let n = 1; n <= 3; n++) {
      await io.clock.sleep(5, io.signal);
      yield n;
    }
    throw new Error('no fourth record');
  },
});

const throwsWhileStopping = defineSource({
  type: 'faulty',
  async *stream(io) {
    try {
      for (let n = 1; !io.signal.aborted; n++) {
        await io.clock.sleep(5, io.signal);
        yield n;
      }
    } finally {
      // eslint-disable-next-line no-unsafe-finally -- the fault itself
      throw new Error('no goodbye');
    }
  },
});

const ignoresAbort = defineSource({
  type: 'faulty',
  async stream(io) {
    io.emit('before');
    await new Promise(() => {});
  },
});

const emitsAfterAbort = defineSource({
  type: 'faulty',
  async stream(io) {
    for (let n = 1; !io.signal.aborted; n++) {
      io.emit(n);
      await io.clock.sleep(10, io.signal);
    }
    for (let n = 1; n <= 5; n++) {
      await io.clock.sleep(1);
      io.emit(`late ${n}`);
    }
  },
});

/** Every kind of fault, each a maker of a source. */
export const FAULTS = {
  throwsAtOnce,
  returnsNothing,
  rejects,
  throwsWhileConnecting,
  neverOpens,
  throwsWhileStreaming,
  throwsWhileStopping,
  ignoresAbort,
  emitsAfterAbort,
} satisfies Record<string, (options: { id: string }) => SourceSpec>;

/** A source whose every run throws `thrown`. */
export function throwing(id: string, thrown: unknown, options: Options = {}): SourceSpec {
  const kind = defineSource({
    type: 'faulty',
    stream: () => {
      throw thrown;
    },
  });
  return kind({ id, ...options });
}
