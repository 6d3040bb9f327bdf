/** So many drawn requests against a real server, judged: every status is one of the document's, no answer is
 *  an error of the server's own, each bears the headers that all bear, and what they cost is given back. */

import { Agent, request } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../../src/domain/random.ts';
import { openRig } from '../open-rig.ts';
import { createFuzz, operationsOf, type FuzzRequest } from './fuzz-requests.ts';
import { complaintAbout, type Answer } from './judge-answer.ts';

export interface FuzzReport {
  readonly requests: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations that were asked for and answered. */
  readonly operationsAnswered: number;
  readonly operations: number;
  /** What was answered as it must not be. */
  readonly wrong: readonly string[];
  /** Errors of the server's own, and lines of its log that tell of one. */
  readonly defects: number;
  readonly heapBytesBefore: number;
  readonly heapBytesAfter: number;
}

const AT_ONCE = 16;
/** Not counted: what is compiled, cached and pooled by then stays. */
const WARM_UP = 1_000;
const TOLD_MAX = 20;

export async function runFuzz(seed: number, requests: number): Promise<FuzzReport> {
  const rig = await openRig({ limits: { liveClientsMax: 64 } });
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  try {
    const operations = operationsOf((await rig.ask('/openapi.json')).json);
    const draw = createFuzz(operations, seededRandom(seed));
    const statuses: Record<string, number> = {};
    const reached = new Set<string>();
    const wrong: string[] = [];
    const judge = (drawn: FuzzRequest, answer: Answer) => {
      statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
      if (drawn.operation !== null && answer.status !== 0) {
        reached.add(`${drawn.operation.method} ${drawn.operation.path}`);
      }
      const complaint = complaintAbout(drawn, answer);
      if (complaint !== null && wrong.length < TOLD_MAX) wrong.push(complaint);
    };
    const run = async (count: number) => {
      let left = count;
      const worker = async () => {
        while (left-- > 0) {
          const drawn = draw();
          judge(drawn, await send(rig.port, agent, drawn));
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    };
    await run(Math.min(WARM_UP, requests));
    const heapBytesBefore = heapBytes();
    await run(Math.max(0, requests - WARM_UP));
    const alive = await rig.ask('/healthz');
    if (alive.status !== 200) wrong.push(`/healthz answers ${alive.status} afterwards`);
    rig.lines.splice(0, rig.lines.length, ...rig.lines.filter(({ level }) => level === 'error'));
    return {
      ...{ requests, statuses, wrong, heapBytesBefore, heapBytesAfter: heapBytes() },
      ...{ operations: operations.length, operationsAnswered: reached.size },
      defects: rig.lines.length + (statuses['500'] ?? 0),
    };
  } finally {
    agent.destroy();
    await rig.close();
  }
}

function send(port: number, agent: Agent, { method, target, headers, body }: FuzzRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Node's client gives no length to a body of a method that has none by custom.
    const isChunked = headers['transfer-encoding'] !== undefined;
    const length = body === null || isChunked ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = {
      host: '127.0.0.1',
      port,
      agent,
      method,
      path: target,
      headers: { ...headers, ...length },
    };
    const sent = request(options, (response) => {
      const type = response.headers['content-type'] ?? '';
      let text = '';
      const answer = () => {
        const isSniffable = response.headers['x-content-type-options'] !== 'nosniff';
        resolve({ status: response.statusCode ?? 0, type, isSniffable, text });
      };
      // A stream has no end of its own.
      if (type.startsWith('text/event-stream')) {
        sent.destroy();
        answer();
      }
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', answer).on('error', () => {});
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // Judged by whether its body may break off.
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') resolve(CUT);
      else reject(error);
    });
    sent.end(body ?? undefined);
  });
}

const CUT: Answer = { status: 0, type: '', isSniffable: false, text: '' };
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapBytes(): number {
  for (let round = 0; round < 3; round++) collect();
  return process.memoryUsage().heapUsed;
}
