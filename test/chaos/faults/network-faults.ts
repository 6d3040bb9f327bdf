/** What networks and brokers do. */

import { seededRandom } from '../../../src/domain/random.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { startField, type Field } from '../rig/field.ts';
import { until, within } from '../rig/until.ts';
import { factsOf, moreAcks, SAFE, SAFE_WITH_BROKER, type Fault } from './fault.ts';

const MESSAGES_PER_SECOND = 300;
const WARM_UP_ACKS = 50;
const WAIT_MS_MAX = 30_000;
const KEEPALIVE_SECONDS = 2;
/** One and a half keepalives and the wait for the answer, with room for a busy machine. */
const DETECTION_MS_MAX = KEEPALIVE_SECONDS * 1_500 + 4_000;

const brokerKilled: Fault = {
  name: 'broker-killed',
  title: 'outlives a broker that is killed and started again; what the broker forgot is told apart',
  expected: { ...SAFE, sessions: { atLeast: 2 } },
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected();
    for (let kill = 0; kill < (scale === 'short' ? 1 : 5); kill++) {
      field.oracle.setRate(MESSAGES_PER_SECOND);
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await field.broker.kill();
      await field.broker.restart();
      await until('acknowledgements again', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    }
    return { ...factsOf(await field.settle(engine)), sessions: field.ledger.sessions };
  },
};

const brokerRestarted: Fault = {
  name: 'broker-restarted',
  title: 'outlives a broker that is stopped in order and started again, and so do its messages',
  expected: { ...SAFE_WITH_BROKER, sessions: { atLeast: 2 }, sessionsLost: 0 },
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    for (let restart = 0; restart < (scale === 'short' ? 1 : 5); restart++) {
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await field.broker.restart();
      await until('acknowledgements again', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    }
    const { sessions, sessionsLost } = field.ledger;
    return { ...factsOf(await field.settle(engine)), sessions, sessionsLost };
  },
};

const linkCut: Fault = {
  name: 'link-cut',
  title: 'outlives a connection that is reset again and again',
  expected: { ...SAFE_WITH_BROKER, redeliveries: { atLeast: 1 } },
  async run({ scale, seed }) {
    await using field = await startField();
    const random = seededRandom(`link-cut:${seed}`);
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    const cuts = scale === 'short' ? 30 : 1_000;
    for (let cut = 0; cut < cuts; cut++) {
      await realClock.sleep(random.integer(5, 80));
      const next = field.proxy.nextConnection();
      field.proxy.cut();
      await within(WAIT_MS_MAX, 'the next connection', next);
    }
    return { ...factsOf(await field.settle(engine)), cuts };
  },
};

/** The far end falls silent without closing anything, and speaks again when the engine has noticed. */
function silence(
  name: string,
  title: string,
  act: { begin: (field: Field) => void; end: (field: Field) => void },
): Fault {
  return {
    ...{ name, title },
    expected: { ...SAFE_WITH_BROKER, detectionMs: { atMost: DETECTION_MS_MAX } },
    async run() {
      await using field = await startField({ keepaliveSeconds: KEEPALIVE_SECONDS });
      const engine = await field.startConnected();
      field.oracle.setRate(MESSAGES_PER_SECOND);
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      act.begin(field);
      const silentMs = realClock.monotonicMs();
      const isTold = async () => (await engine.health()).state !== 'streaming';
      await until('the engine notices', WAIT_MS_MAX, isTold, 50);
      const detectionMs = Math.round(realClock.monotonicMs() - silentMs);
      act.end(field);
      return { ...factsOf(await field.settle(engine)), detectionMs };
    },
  };
}

const halfOpen = silence(
  'half-open',
  'notices a connection that only looks open, and goes on once there is a real one',
  { begin: ({ proxy }) => proxy.freeze(), end: ({ proxy }) => proxy.thaw() },
);

const brokerHung = silence('broker-hung', 'notices a broker that hangs, and goes on once it answers', {
  begin: ({ broker }) => broker.signal('SIGSTOP'),
  end: ({ broker }) => broker.signal('SIGCONT'),
});

const trickle: Fault = {
  name: 'trickle',
  title: 'works on a link that passes single bytes, and on one of a few kilobytes a second',
  expected: { ...SAFE_WITH_BROKER, sessions: 1 },
  async run({ scale }) {
    await using field = await startField({ keepaliveSeconds: 5 });
    const engine = await field.startConnected();
    const phaseAcks = scale === 'short' ? 40 : 500;
    field.oracle.setRate(30);
    field.proxy.shred(1);
    await until('acknowledgements byte by byte', WAIT_MS_MAX * 2, moreAcks(field, phaseAcks));
    field.proxy.shred(null);
    field.proxy.throttle(12_000);
    await until('acknowledgements at 12 kB/s', WAIT_MS_MAX * 2, moreAcks(field, phaseAcks));
    const { sessions } = field.ledger;
    field.proxy.throttle(null);
    return { ...factsOf(await field.settle(engine)), sessions };
  },
};

export const NETWORK_FAULTS: readonly Fault[] = [
  brokerKilled,
  brokerRestarted,
  brokerHung,
  linkCut,
  halfOpen,
  trickle,
];
