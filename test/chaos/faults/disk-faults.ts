/** What disks do, and others that use the same file. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../../src/domain/random.ts';
import { realClock } from '../../../src/platform/real-clock.ts';
import { underStrace, whyNoStrace } from '../../storage/strace.ts';
import { mountDiskAt, whyNoSmallDisk, type SmallDisk } from '../../support/small-disk.ts';
import { startField, type Field } from '../rig/field.ts';
import { watchLoop } from '../rig/loop-watch.ts';
import { until } from '../rig/until.ts';
import { factsOf, moreAcks, SAFE_WITH_BROKER, type Fault, type Observed } from './fault.ts';

const MESSAGES_PER_SECOND = 300;
const WARM_UP_ACKS = 50;
const WAIT_MS_MAX = 30_000;
const RESUME_MS_MAX = 10_000;
const DISK_MEGABYTES = 32;
/** Acknowledgements of what was committed before the fault are on their way still. */
export const IN_FLIGHT_MS = 500;
/** An event may wait so long for the event loop, at p99. */
const STALL_MS_MAX = 20;

/** Keeps the fault up for a while; counts what the engine acknowledges meanwhile and when it goes on after
 *  it. */
export async function outage(
  field: Field,
  ms: number,
  fault: { begin: () => unknown; end: () => unknown },
): Promise<{ acksMeanwhile: number; resumeMs: number }> {
  await fault.begin();
  try {
    await realClock.sleep(IN_FLIGHT_MS);
    const before = field.ledger.pubacks;
    await realClock.sleep(ms);
    const acksMeanwhile = field.ledger.pubacks - before;
    await fault.end();
    const endedMs = realClock.monotonicMs();
    await until('acknowledgements after the fault', WAIT_MS_MAX, moreAcks(field, 1));
    return { acksMeanwhile, resumeMs: Math.round(realClock.monotonicMs() - endedMs) };
  } catch (error) {
    await fault.end();
    throw error;
  }
}

async function withSmallDisk(body: (disk: SmallDisk) => Promise<Observed>): Promise<Observed> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-disk-'));
  const disk = mountDiskAt(join(folder, 'disk'), DISK_MEGABYTES);
  try {
    return await body(disk);
  } finally {
    disk.unmount();
    rmSync(folder, { recursive: true, force: true });
  }
}

const diskFull: Fault = {
  name: 'disk-full',
  title: 'stays up on a full disk, acknowledges nothing, and goes on by itself once there is room',
  expected: { ...SAFE_WITH_BROKER, acksMeanwhile: 0, wasUp: true, resumeMs: { atMost: RESUME_MS_MAX } },
  unavailable: whyNoSmallDisk,
  run: ({ scale }) =>
    withSmallDisk(async (disk) => {
      await using field = await startField({ folder: disk.folder });
      const engine = await field.startConnected();
      field.oracle.setRate(MESSAGES_PER_SECOND);
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      let wasUp = false;
      const end = () => {
        wasUp = engine.isRunning;
        disk.free();
      };
      const seen = await outage(field, scale === 'short' ? 2_000 : 10_000, {
        begin: () => disk.fill(),
        end,
      });
      return { ...factsOf(await field.settle(engine)), ...seen, wasUp };
    }),
};

const readOnlyDisk: Fault = {
  name: 'disk-read-only',
  title: 'refuses to start on a read-only disk, saying so; the broker keeps what it would have taken',
  expected: { ...SAFE_WITH_BROKER, refusal: 'HG_STORAGE_READONLY', refusedExitCode: 1 },
  unavailable: whyNoSmallDisk,
  run: () =>
    withSmallDisk(async (disk) => {
      await using field = await startField({ folder: disk.folder });
      field.oracle.setRate(MESSAGES_PER_SECOND);
      const first = await field.startConnected();
      await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await first.kill();
      disk.remount('ro');
      const second = field.start();
      const { code: refusal } = await second.answered('refused');
      const { code: refusedExitCode } = await second.ended;
      disk.remount('rw');
      const third = await field.startConnected();
      return { ...factsOf(await field.settle(third)), refusal, refusedExitCode };
    }),
};

const fileReadOnly: Fault = {
  name: 'file-read-only',
  title: 'stays up when its file is made read-only, acknowledges nothing, and goes on once it may write',
  expected: { ...SAFE_WITH_BROKER, acksMeanwhile: 0, wasUp: true, resumeMs: { atMost: RESUME_MS_MAX } },
  unavailable: whyNoImmutableFiles,
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    const files = [field.file, `${field.file}-wal`];
    let wasUp = false;
    const seen = await outage(field, scale === 'short' ? 2_000 : 10_000, {
      begin: () => setImmutable(files, true),
      end: () => {
        wasUp = engine.isRunning;
        setImmutable(files, false);
      },
    });
    return { ...factsOf(await field.settle(engine)), ...seen, wasUp };
  },
};

const locked: Fault = {
  name: 'database-locked',
  title: 'does not stall while another process holds the write lock, and goes on after it',
  expected: {
    ...SAFE_WITH_BROKER,
    acksMeanwhile: 0,
    resumeMs: { atMost: RESUME_MS_MAX },
    stallMs: { atMost: STALL_MS_MAX },
  },
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected();
    field.oracle.setRate(MESSAGES_PER_SECOND);
    await until('acknowledgements', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
    const holder = field.start({ program: 'lock' });
    let stall = { stallMs: 0, noiseMs: 0 };
    const noise = watchLoop();
    const seen = await outage(field, scale === 'short' ? 3_000 : 5_000, {
      begin: async () => {
        await holder.answered('started');
        engine.watchLoop();
      },
      end: async () => {
        stall = stallOf((await engine.loopDelays()).p99Ms, noise.delays().p99Ms);
        noise.stop();
        await holder.kill();
      },
    });
    return { ...factsOf(await field.settle(engine)), ...seen, ...stall };
  },
};

const checkpoints: Fault = {
  name: 'checkpoints',
  title: 'does not stall while the write-ahead log is taken over into the database',
  expected: { ...SAFE_WITH_BROKER, stallMs: { atMost: STALL_MS_MAX } },
  async run({ scale }) {
    await using field = await startField();
    const engine = await field.startConnected();
    engine.watchLoop();
    const noise = watchLoop();
    field.oracle.setRate(scale === 'short' ? 600 : 2_000);
    await until('some thousands', WAIT_MS_MAX * 2, moreAcks(field, scale === 'short' ? 3_000 : 50_000));
    const stall = stallOf((await engine.loopDelays()).p99Ms, noise.delays().p99Ms);
    noise.stop();
    return { ...factsOf(await field.settle(engine)), ...stall };
  },
};

/** Calls of the system that fail, and from which one of a thread on: the opening is left alone. */
const FAILING_CALLS = { fsync: 60, pwrite64: 250 } as const;

const ioErrors: Fault = {
  name: 'io-errors',
  title: 'acknowledges nothing that a failing write or sync may have cost, and goes on',
  expected: { ...SAFE_WITH_BROKER, injected: { atLeast: 2 } },
  unavailable: whyNoStrace,
  async run({ scale, seed }) {
    await using field = await startField();
    const random = seededRandom(`io-errors:${seed}`);
    let injected = 0;
    for (let round = 0; round < (scale === 'short' ? 2 : 20); round++) {
      const call = round % 2 === 0 ? 'fsync' : 'pwrite64';
      const first = FAILING_CALLS[call];
      // Not for ever: a disk on which a copy of the log never gets through to its end holds the engine up.
      const from = first + random.integer(0, first);
      const step = random.integer(5, first);
      const inject = `${call}:error=EIO:when=${from}..${from + 5 * step}+${step}`;
      const log = join(field.folder, `strace-${round}`);
      field.oracle.setRate(MESSAGES_PER_SECOND);
      const engine = await field.startConnected({ under: underStrace(inject, log) });
      const count = () => readFileSync(log, 'utf8').split('(INJECTED)').length - 1;
      await until('calls that fail', WAIT_MS_MAX, () => count() >= 2, 100);
      await until('acknowledgements after them', WAIT_MS_MAX, moreAcks(field, WARM_UP_ACKS));
      await engine.kill();
      injected += count();
    }
    return { ...factsOf(await field.settle(await field.startConnected())), injected };
  },
};

/** The stall of the engine beyond that of a process beside it, which nothing but the machine holds up. */
function stallOf(p99Ms: number, noiseMs: number): { stallMs: number; noiseMs: number } {
  return { stallMs: Math.round(Math.max(0, p99Ms - noiseMs)), noiseMs: Math.round(noiseMs) };
}

function setImmutable(files: readonly string[], on: boolean): void {
  const { status, stderr } = spawnSync('chattr', [on ? '+i' : '-i', ...files], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`chattr: ${stderr}`);
}

function whyNoImmutableFiles(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-immutable-'));
  const file = join(folder, 'probe');
  try {
    writeFileSync(file, '');
    setImmutable([file], true);
    setImmutable([file], false);
    return undefined;
  } catch {
    return 'the file system, or who runs this, cannot make a file immutable';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const DISK_FAULTS: readonly Fault[] = [
  diskFull,
  readOnlyDisk,
  fileReadOnly,
  locked,
  checkpoints,
  ioErrors,
];
