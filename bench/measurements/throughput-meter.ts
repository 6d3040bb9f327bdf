/** Counts what comes by, and tells when the measured part of it came: what comes first warms up. */

export interface Passage {
  /** When the first that counts arrived, milliseconds of `performance.now()`. */
  readonly beganMs: number;
  readonly endedMs: number;
  /** Processor time of this process in between, all threads, seconds. */
  readonly cpuSeconds: number;
}

export interface ThroughputMeter {
  readonly count: number;
  /** So many have come; the first of them arrived at `arrivedMs`, by default now. */
  pass(count?: number, arrivedMs?: (index: number) => number): void;
  /** Resolves when all have come. @throws Error when nothing comes for {@link STALL_MS}. */
  finished(): Promise<Passage>;
}

const STALL_MS = 15_000;

const now = () => performance.now();

export function createThroughputMeter({
  warmUp,
  measured,
}: {
  readonly warmUp: number;
  readonly measured: number;
}): ThroughputMeter {
  const total = warmUp + measured;
  const finished = Promise.withResolvers<Passage>();
  let count = 0;
  let beganMs = 0;
  let cpuAtBegin = process.cpuUsage();
  const end = () => {
    const { user, system } = process.cpuUsage(cpuAtBegin);
    finished.resolve({ beganMs, endedMs: now(), cpuSeconds: (user + system) / 1_000_000 });
  };
  return {
    get count() {
      return count;
    },
    pass(more = 1, arrivedMs = now) {
      const before = count;
      count += more;
      if (before <= warmUp && count > warmUp) {
        beganMs = arrivedMs(warmUp - before);
        cpuAtBegin = process.cpuUsage();
      }
      if (before < total && count >= total) end();
    },
    async finished() {
      let seen = -1;
      const watch = setInterval(() => {
        if (count === seen) finished.reject(new Error(`${count} of ${total} came, then nothing`));
        seen = count;
      }, STALL_MS);
      try {
        return await finished.promise;
      } finally {
        clearInterval(watch);
      }
    },
  };
}

export function perSecond(count: number, { beganMs, endedMs }: Passage): number {
  return (count / (endedMs - beganMs)) * 1_000;
}
