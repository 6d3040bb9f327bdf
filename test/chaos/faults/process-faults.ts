/** What happens to processes, and between them. */

import { join } from 'node:path';
import { seededRandom } from '../../../src/domain/random.ts';
import { realClock } from '../../../src/real-clock.ts';
import { startField } from '../rig/field.ts';
import { until, within } from '../rig/until.ts';
import { factsOf, moreAcks, SAFE_WITH_BROKER, type Fault } from './fault.ts';

const MESSAGES_PER_SECOND = 300;
const WARM_UP_ACKS = 50;
const WAIT_MS_MAX = 30_000;
const STOP_MS_MAX = 10_000;

const paused: Fault = {
  name: 'process-paused',
  title: 'goes on after it was stopped by a signal for longer than the broker waits',
  expected: SAFE_WITH_BROKER,
  async run({ scale }) {
    await using field = await startField({ keepaliveSeconds: 1 });
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    engine.signal('SIGSTOP');
    await realClock.sleep(scale === 'short' ? 3_000 : 10_000);
    engine.signal('SIGCONT');
    await until('acknowledgements again', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    return factsOf(await field.settle(engine));
  },
};

const terminated: Fault = {
  name: 'terminated-under-load',
  title: 'stops in order under load: what it acknowledged is stored, and it ends with 0 in time',
  expected: { ...SAFE_WITH_BROKER, stopExitCode: 0, stopMs: { atMost: STOP_MS_MAX } },
  async run() {
    await using field = await startField();
    const first = await field.startConnected();
    field.oracle.setRate(1_000);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, 300));
    const askedMs = realClock.monotonicMs();
    first.signal('SIGTERM');
    const { code } = await within(WAIT_MS_MAX, 'the engine ends', first.ended);
    const stopMs = Math.round(realClock.monotonicMs() - askedMs);
    const second = await field.startConnected();
    return { ...factsOf(await field.settle(second)), stopExitCode: code, stopMs };
  },
};

const killedAtStart: Fault = {
  name: 'killed-at-start',
  title: 'recovers although it is killed in the middle of its recovery, many times in a row',
  expected: { ...SAFE_WITH_BROKER },
  async run({ scale, seed }) {
    await using field = await startField();
    const random = seededRandom(`killed-at-start:${seed}`);
    field.oracle.setRate(MESSAGES_PER_SECOND);
    // A log with something in it to recover.
    const first = await field.startConnected();
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    await first.kill();
    const kills = scale === 'short' ? 20 : 50;
    for (let kill = 0; kill < kills; kill++) {
      await using engine = field.start();
      await realClock.sleep(random.integer(50, scale === 'short' ? 400 : 700));
      await engine.kill();
    }
    return { ...factsOf(await field.settle(await field.startConnected())), kills };
  },
};

const sharedClientId: Fault = {
  name: 'shared-client-id',
  title: 'tells both of two engines with one client id that they disturb each other, and loses nothing',
  expected: { ...SAFE_WITH_BROKER, firstWasTold: true, secondWasTold: true, otherExitCode: 0 },
  async run() {
    await using field = await startField();
    const other = join(field.folder, 'other.db');
    const [first, second] = [await field.startConnected(), await field.startConnected({ file: other })];
    field.oracle.setRate(MESSAGES_PER_SECOND);
    const errors = async () =>
      Promise.all([first, second].map(async (engine) => (await engine.health()).lastError));
    await until(
      'both are told',
      WAIT_MS_MAX,
      async () => (await errors()).every((code) => code !== null),
      50,
    );
    const [firstError, secondError] = await errors();
    second.signal('SIGTERM');
    const { code } = await within(WAIT_MS_MAX, 'the second engine ends', second.ended);
    const settled = await field.settle(first, [field.file, other]);
    const told = { firstWasTold: firstError !== null, secondWasTold: secondError !== null };
    return {
      ...factsOf(settled),
      ...told,
      firstError: firstError ?? '',
      secondError: secondError ?? '',
      otherExitCode: code,
    };
  },
};

const sharedDatabase: Fault = {
  name: 'shared-database',
  title: 'refuses a database that another engine has, and that one does not notice',
  expected: { ...SAFE_WITH_BROKER, refusal: 'HG_STORAGE_LOCKED', refusedExitCode: 1 },
  async run() {
    await using field = await startField();
    const first = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    const second = field.start();
    const { code: refusal } = await second.answered('refused');
    const { code: refusedExitCode } = await second.ended;
    await until('acknowledgements again', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    return { ...factsOf(await field.settle(first)), refusal, refusedExitCode };
  },
};

export const PROCESS_FAULTS: readonly Fault[] = [
  paused,
  terminated,
  killedAtStart,
  sharedClientId,
  sharedDatabase,
];
