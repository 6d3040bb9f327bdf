/** What happens to processes, and between them. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { seededRandom } from '../../../src/domain/random.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
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
  expected: { ...SAFE_WITH_BROKER, recoveryMs: { atMost: WAIT_MS_MAX } },
  async run({ scale }) {
    await using field = await startField({ keepaliveSeconds: 1 });
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    engine.signal('SIGSTOP');
    await realClock.sleep(scale === 'short' ? 3_000 : 30_000);
    const again = moreAcks(field, 1);
    engine.signal('SIGCONT');
    const fromMs = realClock.monotonicMs();
    await until('acknowledgements again', WAIT_MS_MAX, again);
    const recoveryMs = Math.round(realClock.monotonicMs() - fromMs);
    await until('more of them', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    return { ...factsOf(await field.settle(engine)), recoveryMs };
  },
};

const BLOCK_MS = 5_000;

const loopBlocked: Fault = {
  name: 'loop-blocked',
  title: 'goes on after a stage kept its event loop busy for longer than the broker waits',
  expected: {
    ...SAFE_WITH_BROKER,
    longestStopMs: { atLeast: BLOCK_MS },
    recoveryMs: { atMost: WAIT_MS_MAX },
  },
  async run() {
    await using field = await startField({ keepaliveSeconds: 2 });
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    engine.watchLoop();
    engine.block(BLOCK_MS);
    // Answered once the loop turns again.
    await until('it has stopped', WAIT_MS_MAX, async () => (await engine.loopDelays()).maxMs >= BLOCK_MS);
    const fromMs = realClock.monotonicMs();
    await until('acknowledgements again', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    const recoveryMs = Math.round(realClock.monotonicMs() - fromMs);
    const { maxMs } = await engine.loopDelays();
    const facts = factsOf(await field.settle(engine));
    return { ...facts, longestStopMs: Math.round(maxMs), recoveryMs, links: field.ledger.sessions };
  },
};

const DESCRIPTORS = 64;
const CROWD = 60;
/** So many that every file the engine opens anew now and then has had its turn. */
const ACKS_WITHOUT_DESCRIPTORS = 2_000;

const descriptorsExhausted: Fault = {
  name: 'descriptors-exhausted',
  title: 'refuses further connections where no file descriptor is left, says why, and keeps what it has',
  unavailable: () =>
    spawnSync('prlimit', ['--version']).error === undefined ? undefined : 'there is no prlimit',
  expected: {
    ...SAFE_WITH_BROKER,
    connected: { atLeast: 1 },
    refused: { atLeast: 1 },
    isReasonTold: true,
    stateMeanwhile: 'streaming',
    reconnects: 0,
    connectedAfterwards: CROWD / 6,
  },
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected({ under: ['prlimit', `--nofile=${DESCRIPTORS}`] });
    field.oracle.setRate(scale === 'short' ? 1_000 : MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    const { connected, refusals } = await engine.crowd(CROWD);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, ACKS_WITHOUT_DESCRIPTORS));
    const { state, restarts } = await engine.health();
    await engine.dismissCrowd();
    const { connected: connectedAfterwards } = await engine.crowd(CROWD / 6, 'patient');
    await engine.dismissCrowd();
    return {
      ...factsOf(await field.settle(engine)),
      ...{ connected, refused: CROWD - connected, connectedAfterwards },
      ...{ stateMeanwhile: state, reconnects: restarts },
      isReasonTold: refusals.every((message) => message.includes('may open no more files')),
    };
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
  loopBlocked,
  descriptorsExhausted,
  terminated,
  killedAtStart,
  sharedClientId,
  sharedDatabase,
];
