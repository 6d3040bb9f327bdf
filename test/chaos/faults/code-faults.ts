/** What users' code within the process does wrong, and what the others notice of it. */

import { runNeighbours } from '../rig/neighbours.ts';
import type { Fault } from './fault.ts';

const LOG_LINES_PER_MINUTE_MAX = 400;

const throws: Fault = {
  name: 'code-throws',
  title: 'stands a source, a stage, subscribers and a callback that throw, and the others do what they did',
  expected: {
    exitCode: 0,
    engineState: 'stopped',
    lost: 0,
    fromSource: { atLeast: 2 },
    fromStage: { atLeast: 2 },
    fromSubscriber: { atLeast: 100 },
    fromCallback: { atLeast: 1 },
    restarts: { atLeast: 2 },
    logLinesPerMinute: { atMost: LOG_LINES_PER_MINUTE_MAX },
  },
  async run({ scale }) {
    const seen = await runNeighbours({ fault: 'throws', turns: scale === 'short' ? 3 : 30 });
    return {
      ...common(seen),
      fromSource: seen.thrown.source,
      fromStage: seen.thrown.stage,
      fromSubscriber: seen.thrown.subscriber,
      fromCallback: seen.thrown.callback,
    };
  },
};

const crashLoop: Fault = {
  name: 'crash-loop',
  title: 'quarantines a source that crashes whenever it is started, and the others do what they did',
  expected: {
    exitCode: 0,
    engineState: 'stopped',
    lost: 0,
    state: 'quarantined',
    crashes: 6,
    restarts: 5,
    logLinesPerMinute: { atMost: LOG_LINES_PER_MINUTE_MAX },
  },
  async run({ scale }) {
    const seen = await runNeighbours({ fault: 'crash-loop', turns: scale === 'short' ? 4 : 30 });
    return { ...common(seen), state: seen.state, crashes: seen.thrown.source };
  },
};

function common(seen: Awaited<ReturnType<typeof runNeighbours>>) {
  const { exitCode, engineState, lost, restarts, logLines, loudPerSecond, quietPerSecond } = seen;
  return {
    ...{ exitCode, engineState, lost, restarts },
    othersPerSecond: Math.round(loudPerSecond),
    othersPercent: Math.round((loudPerSecond / quietPerSecond) * 100),
    logLines: logLines.length,
    logLinesPerMinute: Math.round((logLines.length / seen.loudMs) * 60_000),
  };
}

export const CODE_FAULTS: readonly Fault[] = [throws, crashLoop];
