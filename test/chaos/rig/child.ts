/** Processes of the harness: started, asked, killed by id. None outlives its parent, whose end closes the
 *  channel between them. */

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type {
  Answer,
  ChildHealth,
  ChildOptions,
  CrowdNews,
  FileChildOptions,
  Question,
} from './child-protocol.ts';
import type { FloodFacts } from './flood.ts';
import type { LoopDelays } from './loop-watch.ts';
import { within } from './until.ts';

/** Starts are many here and the code is always the same: half of a start is compiling it. */
const COMPILE_CACHE = join(tmpdir(), `headgate-chaos-compiled-${process.getuid?.() ?? 0}`);
const STDERR_CHARS_MAX = 4_000;
const ANSWER_MS_MAX = 30_000;

export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

export interface HarnessChild {
  readonly program: ChildProgram;
  readonly pid: number;
  /** Settles when the process is gone. */
  readonly ended: Promise<ChildEnd>;
  readonly isRunning: boolean;
  /** Everything it has said. */
  readonly answers: readonly Answer[];
  /** The first answer of this kind. @throws Error when it ends, or takes too long. */
  answered<Type extends Answer['type']>(type: Type): Promise<Extract<Answer, { type: Type }>>;
  health(): Promise<ChildHealth>;
  /** Starts counting delays of its event loop anew. */
  watchLoop(): void;
  loopDelays(): Promise<LoopDelays>;
  /** Has the next record keep a stage busy for so long. */
  block(ms: number): void;
  /** Registers so many further sources, and waits until each has its connection; an impatient one takes a
   *  first refusal for an answer. */
  crowd(count: number, isPatient?: 'patient'): Promise<CrowdNews>;
  dismissCrowd(): Promise<void>;
  /** Makes its own sources flood it; tells what came of them so far. */
  flood(recordsPerSecond: number): Promise<FloodFacts>;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type ChildProgram = 'engine' | 'naive' | 'lock' | 'file';

/** `under`: a command that runs another, which the process is started with; it must stay this one's child. */
export function startChild(
  program: ChildProgram,
  options: ChildOptions | FileChildOptions,
  under: readonly string[] = [],
): HarnessChild {
  const [execPath = process.execPath, ...execArgv] = under.length === 0 ? [] : [...under, process.execPath];
  const script = fileURLToPath(new URL(`../${program}-child.ts`, import.meta.url));
  const child = fork(script, [JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execPath,
    execArgv,
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
  });
  const answers: Answer[] = [];
  child.on('message', (answer: Answer) => void answers.push(answer));
  const ended = endOf(child);
  const gone = ended.then(({ code, signal, stderr }) => {
    throw new Error(`the ${program} ended (${signal ?? code}) without an answer: ${stderr}`);
  });
  gone.catch(() => {});

  const answered = async <Type extends Answer['type']>(type: Type, from = 0) => {
    const isIt = (answer: Answer): answer is Extract<Answer, { type: Type }> => answer.type === type;
    const wait = async () => {
      for (;;) {
        const found = answers.slice(from).find(isIt);
        if (found !== undefined) return found;
        await Promise.race([once(child, 'message'), gone]);
      }
    };
    return within(ANSWER_MS_MAX, `the ${program} says "${type}"`, wait());
  };
  const ask = <Type extends Answer['type']>(question: Question, type: Type) => {
    const from = answers.length;
    child.send(question);
    return answered(type, from);
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  return {
    program,
    pid: child.pid as number,
    ended,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    answers,
    answered,
    health: () => ask({ type: 'health' }, 'health'),
    watchLoop: () => void child.send({ type: 'watch' } satisfies Question),
    loopDelays: () => ask({ type: 'delays' }, 'delays'),
    block: (ms) => void child.send({ type: 'block', ms } satisfies Question),
    crowd: (count, patient) => ask({ type: 'crowd', count, isPatient: patient !== undefined }, 'crowd'),
    dismissCrowd: async () => void (await ask({ type: 'dismiss' }, 'dismissed')),
    flood: (recordsPerSecond) => ask({ type: 'flood', recordsPerSecond }, 'flooded'),
    signal: (name) => void child.kill(name),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function endOf(child: ChildProcess): Promise<ChildEnd> {
  let stderr = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr = (stderr + bytes.toString()).slice(-STDERR_CHARS_MAX);
  });
  // Sending to a process that is just going fails; that it goes is told by its end.
  child.on('error', () => {});
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stderr };
}
